#!/usr/bin/env python3
"""Tokens, certificates, servers that fail and servers that lie: faults_test.py CLASS [unittest options]."""

import os
import signal
import stat
import subprocess
import time
import unittest
from pathlib import Path

from fake_hub import COMMIT, Fault, Repo, etag_of
from hub_case import LIEQ, TINY, Case

TOKEN = "hf_secretsecretsecret"


class Access(Case):
    def setUp(self):
        super().setUp()
        self.hub.repos["org/gated"] = Repo(dict(TINY), gated=True, token=TOKEN)

    def test_a_gated_repository_says_what_to_do(self):
        line = self.refuse(1, "pull", "org/gated")
        self.assertIn(f"accept its licence at {self.hub.url}/org/gated and set HF_TOKEN", line)
        line = self.refuse(1, "pull", "org/gated", HF_TOKEN="hf_of_someone_else")
        self.assertIn("token in HF_TOKEN has no access", line)
        self.assertNotIn("hf_of", line)

    def test_the_token_goes_to_the_hub_and_nowhere_else(self):
        self.pulled("org/gated", HF_TOKEN=f" {TOKEN}\n")
        self.assertTrue(self.hub.requests("^cdn "))
        for server, _, path, headers in self.hub.log:
            self.assertEqual(headers.get("Authorization"), f"Bearer {TOKEN}" if server == "hub" else None, path)

    def test_token_files(self):
        file = self.folder / ".cache/huggingface/token"
        file.parent.mkdir(parents=True)
        file.write_text(TOKEN + "\n")
        self.pulled("org/gated")
        other = self.folder / "other"
        other.write_text(TOKEN)
        file.unlink()
        self.pulled("org/gated", "--force", HF_TOKEN_PATH=str(other))
        self.assertIn(
            "set HF_TOKEN",
            self.refuse(1, "pull", "org/gated", "--force", HF_TOKEN_PATH=str(other), HF_HUB_DISABLE_IMPLICIT_TOKEN="1"),
        )
        line = self.refuse(2, "pull", "org/gated", HF_TOKEN=f"{TOKEN}\r\nX-Evil: 1")
        self.assertIn("HF_TOKEN: holds blanks or control characters", line)

    def test_a_redirect_to_another_host_loses_the_token(self):
        self.hub.faults = [
            Fault(
                "hub GET /api", status=307, headers={"Location": f"{self.hub.cdn}/api/models/org/gated/revision/main"}
            )
        ]
        self.pulled("org/gated", HF_TOKEN=TOKEN)
        self.assertEqual(len(self.hub.requests("^cdn GET /api")), 1)
        for entry in self.hub.requests("^cdn "):
            self.assertNotIn("Authorization", entry[3])

    def test_a_renamed_repository_is_followed_with_the_token(self):
        self.hub.faults = [
            Fault(
                "hub GET /api/models/org/old", status=307, headers={"Location": "/api/models/org/gated/revision/main"}
            ),
            Fault(
                "/org/old/resolve",
                times=9,
                status=307,
                headers={"Location": f"/org/gated/resolve/{COMMIT}/config.json"},
            ),
        ]
        self.assertEqual(
            (self.pulled("org/old", "--include", "config.json", HF_TOKEN=TOKEN) / "config.json").read_bytes(),
            TINY["config.json"],
        )

    def test_unknown_repositories(self):
        line = self.refuse(1, "pull", "org/nothing")
        self.assertIn("no such repository", line)
        self.assertIn("check the spelling, or set HF_TOKEN", line)
        self.hub.faults = [Fault("/api", status=404, headers={"X-Error-Code": "RepoNotFound"})]
        self.assertIn("no such repository", self.refuse(1, "inspect", "org/nothing"))
        self.hub.faults = [Fault("/api", status=403)]
        self.assertIn("answered 403: if it is gated, accept its licence at", self.refuse(1, "pull", "org/tiny"))
        self.hub.faults = [Fault("/api", status=401)]
        self.assertIn("the token in HF_TOKEN is not valid", self.refuse(1, "pull", "org/tiny", HF_TOKEN=TOKEN))

    def test_certificates_are_verified(self):
        from ssl import PROTOCOL_TLS_SERVER, SSLContext

        key, certificate = self.folder / "k.pem", self.folder / "c.pem"
        made = subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-keyout",
                key,
                "-out",
                certificate,
                "-days",
                "2",
                "-subj",
                "/CN=127.0.0.1",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ],
            capture_output=True,
        )
        self.assertEqual(made.returncode, 0, made.stderr)
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = self.hub.servers[1]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        secure = self.hub.cdn = self.hub.cdn.replace("http:", "https:")
        before = time.monotonic()
        self.assertIn("certificate", self.refuse(1, "pull", "org/tiny", HF_ENDPOINT=secure))
        self.assertLess(time.monotonic() - before, 2)  # another try would not help
        self.pulled("org/tiny", HF_ENDPOINT=secure, SSL_CERT_FILE=str(certificate))
        self.hub.faults = [
            Fault("/api", status=302, headers={"Location": f"{self.hub.url}/api/models/org/tiny/revision/main"})
        ]
        self.assertIn(
            "expected an https URL",
            self.refuse(1, "pull", "org/tiny", HF_ENDPOINT=secure, SSL_CERT_FILE=str(certificate)),
        )


class Faults(Case):
    def test_a_cut_transfer_goes_on_where_it_stopped(self):
        content = self.big()
        self.hub.faults = [Fault("cdn GET", cut=300_000), Fault("cdn GET", cut=1), Fault("cdn GET", cut=200_000)]
        self.assertEqual(self.pull_big(), content)
        ranges = [entry[3].get("Range") for entry in self.hub.requests("cdn GET")]
        self.assertEqual(ranges, [None, "bytes=300000-", "bytes=300001-", "bytes=500001-"])
        self.assertFalse(self.incomplete())

    def test_a_killed_pull_goes_on(self):
        content = self.big(2 << 20)
        self.hub.faults = [Fault("cdn GET", slow=0.02)]
        process = subprocess.Popen(
            [LIEQ, "pull", "org/big", "--include", "*"],
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while not (self.incomplete() and self.incomplete()[0].stat().st_size > 100_000):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        (partial,) = self.incomplete()
        size = partial.stat().st_size
        self.assertLess(size, len(content))
        self.assertEqual(list((self.cache / "models--org--big").glob("snapshots/*/*")), [])
        self.hub.log.clear()
        self.assertEqual(self.pull_big(), content)
        self.assertEqual(self.hub.requests("cdn GET")[0][3]["Range"], f"bytes={size}-")

    def test_a_spoiled_remainder_is_started_again(self):
        content = self.big()
        etag = etag_of("big.bin", content)
        blobs = self.cache / "models--org--big/blobs"
        blobs.mkdir(parents=True)
        for spoiled in (b"z" * 1000, b"z" * len(content), b"z" * (len(content) + 1)):
            (blobs / f"{etag}.incomplete").write_bytes(spoiled)
            self.assertEqual(self.pull_big(), content)
            (blobs / etag).unlink()

    def test_a_server_without_ranges(self):
        content = self.big()
        self.hub.faults = [Fault("cdn GET", cut=300_000), Fault("cdn GET", ignore_range=True)]
        self.assertEqual(self.pull_big(), content)

    def test_a_wrong_checksum_is_refused_and_removed(self):
        self.big()
        self.hub.faults = [Fault("cdn GET", corrupt=True)]
        line = self.refuse(1, "pull", "org/big", "--include", "*", HF_HUB_DISABLE_PROGRESS_BARS="1")
        self.assertIn("org/big/big.bin: wrong checksum", line)
        self.assertEqual(list((self.cache / "models--org--big/blobs").iterdir()), [])
        self.assertEqual(list((self.cache / "models--org--big").glob("snapshots/*/*")), [])
        self.hub.faults = [Fault("hub GET .*config.json", corrupt=True)]  # a small file, with git's checksum
        self.assertIn(
            "config.json: wrong checksum", self.refuse(1, "pull", "org/tiny", HF_HUB_DISABLE_PROGRESS_BARS="1")
        )

    def test_busy_servers_are_asked_again(self):
        content = self.big()
        self.hub.faults = [Fault("/api", status=503), Fault("HEAD", times=2, status=500), Fault("cdn GET", status=502)]
        self.assertEqual(self.pull_big(), content)

    def test_retry_after_is_obeyed(self):
        content = self.big()
        self.hub.faults = [Fault("cdn GET", status=429, headers={"Retry-After": "2"})]
        before = time.monotonic()
        self.assertEqual(self.pull_big(), content)
        self.assertGreaterEqual(time.monotonic() - before, 2)
        self.hub.faults = [Fault("/api", status=429, headers={"Retry-After": "3600"})]
        line = self.refuse(1, "pull", "org/big")
        self.assertIn("429, too many requests: try again in 3600 s, or set HF_TOKEN", line)

    def test_a_server_that_stays_broken(self):
        self.hub.faults = [Fault("/api", times=99, status=500, body=b'{"error":"Internal trouble"}')]
        self.assertIn("org/tiny: the hub answered 500 (Internal trouble)", self.refuse(1, "pull", "org/tiny"))
        self.assertEqual(len(self.hub.requests("/api")), 5)

    def test_silence_ends(self):
        self.hub.faults = [Fault("/api", times=9, hang=30)]
        before = time.monotonic()
        line = self.refuse(1, "pull", "org/tiny", HF_HUB_ETAG_TIMEOUT="1")
        self.assertIn("nothing came for 1 s", line)
        self.assertLess(time.monotonic() - before, 25)
        content = self.big()
        self.hub.faults = [Fault("cdn GET", hang=30)]
        self.assertEqual(self.pull_big(HF_HUB_DOWNLOAD_TIMEOUT="1"), content)

    def test_two_processes_share_the_work(self):
        content = self.big()
        self.hub.faults = [Fault("cdn GET", slow=0.02)]
        both = [
            subprocess.Popen(
                [LIEQ, "pull", "org/big", "--include", "*"],
                env=self.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(2)
        ]
        paths = [Path(process.communicate(timeout=60)[0].decode().strip()) for process in both]
        self.assertEqual([process.returncode for process in both], [0, 0])
        self.assertEqual([(path / "big.bin").read_bytes() for path in paths], [content] * 2)
        self.assertEqual(len(self.hub.requests("cdn GET")), 1)

    def test_a_loop_of_redirects(self):
        self.hub.faults = [
            Fault("/api", times=99, status=302, headers={"Location": "/api/models/org/tiny/revision/main"})
        ]
        self.assertIn("more than 10 redirects", self.refuse(1, "pull", "org/tiny"))

    def test_a_folder_that_cannot_be_written(self):
        if os.geteuid() == 0:
            (self.folder / ".cache").write_text("")  # root writes everywhere, but a file is no folder
        else:
            (self.folder / ".cache").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
        self.assertIn(".cache", self.refuse(1, "pull", "org/tiny"))


class Untrusted(Case):
    """What a hostile server says stays harmless."""

    def test_file_names_that_leave_the_folder(self):
        for name in ("../evil", "/etc/evil", "a/../../evil", "a//b", "", ".", "a\\b", "a\nb", "x" * 300, 7, None):
            self.hub.repos["org/evil"] = Repo({}, siblings=[{"rfilename": name}])
            line = self.refuse(1, "pull", "org/evil", "--include", "*")
            self.assertIn("rfilename", line, name)
            self.assertFalse((self.cache / "models--org--evil").exists())

    def test_commits_and_etags_that_are_no_names(self):
        self.hub.repos["org/evil"] = Repo({"config.json": b"{}"}, commit="../../../../evil")
        self.assertIn("'sha'", self.refuse(1, "pull", "org/evil", "--include", "*"))
        for etag in ("../../evil", "", "a/b", "x" * 200):
            self.hub.repos["org/evil"] = Repo({"config.json": b"{}"}, etags={"config.json": etag})
            self.assertIn("expected a checksum", self.refuse(1, "pull", "org/evil", "--include", "*"))
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), [])

    def test_a_file_and_a_folder_of_one_name(self):
        self.hub.repos["org/evil"] = Repo({"a": b"1", "a/b": b"2"})
        self.refuse(1, "pull", "org/evil", "--include", "*", HF_HUB_DISABLE_PROGRESS_BARS="1")

    def test_a_link_in_place_of_a_partial_file_is_not_followed(self):
        content = self.big()
        blobs, victim = self.cache / "models--org--big/blobs", self.folder / "victim"
        blobs.mkdir(parents=True)
        victim.write_text("mine")
        (blobs / f"{etag_of('big.bin', content)}.incomplete").symlink_to(victim)
        self.refuse(1, "pull", "org/big", "--include", "*")
        self.assertEqual(victim.read_text(), "mine")

    def test_answers_that_are_no_lists(self):
        for body, word in (
            (b"<html>", "not valid JSON"),
            (b"[]", "'sha'"),
            (b'{"sha":"' + COMMIT.encode() + b'"}', "'siblings'"),
            (b'{"sha":"' + COMMIT.encode() + b'","siblings":[1]}', "rfilename"),
        ):
            self.hub.faults = [Fault("/api", status=200, body=body)]
            self.assertIn(word, self.refuse(1, "pull", "org/tiny"))

    def test_a_list_without_end(self):
        self.hub.faults = [Fault("/api", status=200, body=b" " * (65 << 20))]
        self.assertIn("more than 67108864 bytes", self.refuse(1, "pull", "org/tiny"))

    def test_more_bytes_than_announced(self):
        content = self.big()
        self.hub.faults = [Fault("cdn GET", status=200, body=content + b"more")]
        self.assertIn(
            "more than the 1048576 bytes",
            self.refuse(1, "pull", "org/big", "--include", "*", HF_HUB_DISABLE_PROGRESS_BARS="1"),
        )

    def test_control_characters_stay_out_of_messages(self):
        self.hub.faults = [Fault("/api", status=400, headers={"X-Error-Message": "red \x1b[31m"})]
        self.assertIn(r"red \x1b[31m", self.refuse(1, "pull", "org/tiny"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
