#!/usr/bin/env python3
"""lieq pull, repositories as MODEL arguments, the cache without a network: pull_test.py CLASS [unittest options]."""

import json
import os
import pty
import subprocess
import unittest
from pathlib import Path

from fake_hub import COMMIT, Fault, Repo, etag_of
from hub_case import LIEQ, SOURCE, TINY, Case

TINY_GGUF = (SOURCE / "tests/data/tiny-llama.gguf").read_bytes()


class Pull(Case):
    def test_layout_is_that_of_huggingface_hub(self):
        snapshot = self.pulled("org/tiny")
        self.assertEqual(snapshot, self.tiny / "snapshots" / COMMIT)
        self.assertEqual((self.tiny / "refs/main").read_text(), COMMIT)
        self.assertEqual({file.name for file in snapshot.iterdir()}, set(TINY))  # no README, no .bin, no folders
        for name, content in TINY.items():
            etag = etag_of(name, content)
            self.assertEqual(os.readlink(snapshot / name), f"../../blobs/{etag}")
            self.assertEqual((snapshot / name).read_bytes(), content)
            self.assertTrue((self.cache / f".locks/models--org--tiny/{etag}.lock").is_file())
        self.assertTrue((self.tiny / f".no_exist/{COMMIT}/chat_template.jinja").is_file())
        self.assertFalse((self.tiny / f".no_exist/{COMMIT}/config.json").exists())
        self.assertFalse(self.incomplete("models--org--tiny"))

    def test_again_asks_for_the_list_only(self):
        self.pulled("org/tiny")
        self.hub.log.clear()
        self.pulled("org/tiny")
        self.assertEqual(len(self.hub.log), 1)
        self.pulled("org/tiny", "--force")
        self.assertEqual(len(self.hub.requests("hub GET .*resolve")), len(TINY))

    def test_every_verb_takes_a_repository(self):
        info = json.loads(self.succeed("inspect", "org/tiny", "--json"))
        self.assertEqual(info, json.loads(self.succeed("inspect", self.tiny / "snapshots" / COMMIT, "--json")))
        text = self.folder / "t.txt"
        text.write_text("the rain in the on a re " * 60)
        self.succeed("run", "org/tiny", "-p", "the", "-n", 2)
        self.assertIn("tiny", self.succeed("eval", "org/tiny", "--text", text, "--window", 32, "--chunks", 2))
        self.assertTrue(self.succeed("tokenize", "org/tiny", text).strip())
        self.succeed("diagnose", "org/tiny@main", "--text", text, "--per-bucket", 1)
        self.succeed(
            "quantize",
            "org/tiny",
            "-o",
            self.folder / "q",
            "--bits",
            4,
            "--method",
            "rtn",
            "--group-size",
            32,
            "--calib",
            text,
            "--calib-window",
            48,
            "--calib-windows",
            4,
        )

    def test_a_local_folder_comes_before_the_hub(self):
        (self.folder / "org/tiny").mkdir(parents=True)
        for name, content in TINY.items():
            (self.folder / "org/tiny" / name).write_bytes(content)
        self.succeed("inspect", "org/tiny")
        self.assertEqual(self.hub.log, [])

    def test_revisions(self):
        self.assertEqual(self.pulled("org/tiny@refs/pr/1").name, COMMIT)
        self.assertEqual((self.tiny / "refs/refs/pr/1").read_text(), COMMIT)
        self.pulled("org/tiny", "--revision", COMMIT)
        self.assertFalse((self.tiny / "refs" / COMMIT).exists())
        self.assertIn("no revision 'v9'", self.refuse(1, "pull", "org/tiny@v9"))
        self.assertIn("expected a branch", self.refuse(2, "pull", "org/tiny", "--revision", "../../x"))

    def test_a_new_commit_keeps_the_blobs_that_stay(self):
        self.pulled("org/tiny")
        repo = self.hub.repos["org/tiny"]
        repo.commit, repo.files["config.json"] = "f" * 40, TINY["config.json"] + b"\n"
        self.hub.log.clear()
        snapshot = self.pulled("org/tiny")
        self.assertEqual(snapshot.name, "f" * 40)
        self.assertEqual((snapshot / "config.json").read_bytes(), repo.files["config.json"])
        self.assertEqual([entry[2].split("/")[-1] for entry in self.hub.requests("GET .*resolve")], ["config.json"])
        self.assertTrue((self.tiny / "snapshots" / COMMIT / "config.json").exists())

    def test_patterns(self):
        snapshot = self.pulled("org/tiny", "--include", "*.md", "original/*")
        self.assertEqual(
            {str(file.relative_to(snapshot)) for file in snapshot.rglob("*.*") if file.is_file()},
            {"README.md", "original/consolidated.00.pth"},
        )
        self.assertEqual(os.readlink(snapshot / "original/consolidated.00.pth")[:12], "../../../blo")
        self.pulled("org/tiny", "--exclude", "*.safetensors")
        self.assertFalse((snapshot / "model.safetensors").exists())
        self.assertIn("none of its 6 files", self.refuse(1, "pull", "org/tiny", "--include", "*.xyz"))

    def test_local_dir(self):
        target = self.folder / "here"
        self.assertEqual(self.pulled("org/tiny", "--local-dir", target), target)
        self.assertEqual({file.name: file.read_bytes() for file in target.iterdir()}, TINY)
        self.assertFalse(any(file.is_symlink() for file in target.iterdir()))

    def test_shards_and_formats(self):
        names = (
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "consolidated.safetensors",
            "pytorch_model.bin.index.json",
            "tokenizer.json",
            "LICENSE",
            "onnx/model.onnx",
            "a.gguf",
        )
        self.hub.repos["org/s"] = Repo({name: name.encode() for name in names})
        self.assertEqual(
            {file.name for file in self.pulled("org/s").iterdir()}, set(names[:4]) | {"tokenizer.json", "LICENSE"}
        )
        self.hub.repos["org/bin"] = Repo({"config.json": b"{}", "pytorch_model.bin": b"x"})
        self.assertIn(".bin or .pth files only", self.refuse(1, "pull", "org/bin"))

    def test_gguf_by_quant_name_or_file(self):
        parts = {f"big-Q8_0-0000{i}-of-00002.gguf": b"%d" % i for i in (1, 2)}
        self.hub.repos["org/g"] = Repo(
            {
                "tiny-Q4_K_M.gguf": TINY_GGUF,
                "tiny-Q4_K.gguf": b"b",
                "mmproj-Q4_K_M.gguf": b"c",
                **parts,
                "README.md": b"",
            }
        )
        snapshot = self.cache / "models--org--g/snapshots" / COMMIT
        for spec, file in (
            ("org/g", "tiny-Q4_K_M.gguf"),
            ("org/g:q4_k_m", "tiny-Q4_K_M.gguf"),
            ("org/g:Q4_K", "tiny-Q4_K.gguf"),
            ("org/g@main:Q8_0", "big-Q8_0-00001-of-00002.gguf"),
            ("org/g:tiny-Q4_K.gguf", "tiny-Q4_K.gguf"),
        ):
            self.assertEqual(self.pulled(spec), snapshot / file, spec)
        self.assertTrue((snapshot / "big-Q8_0-00002-of-00002.gguf").exists())
        self.assertFalse((snapshot / "mmproj-Q4_K_M.gguf").exists())
        self.assertIn("LlamaForCausalLM", self.succeed("inspect", "org/g:Q4_K_M"))
        self.assertIn("expected one of: big-Q8_0, tiny-Q4_K, tiny-Q4_K_M", self.refuse(1, "pull", "org/g:Q5_0"))
        self.assertIn("no GGUF model 'x.gguf'", self.refuse(1, "pull", "org/g:x.gguf"))
        self.assertTrue((self.cache / f"models--org--g/.no_exist/{COMMIT}/x.gguf").exists())

    def test_an_empty_file(self):
        self.hub.repos["org/e"] = Repo({"empty.txt": b"", "empty.bin": b""})
        snapshot = self.pulled("org/e", "--include", "*")
        self.assertEqual([(snapshot / name).read_bytes() for name in ("empty.txt", "empty.bin")], [b"", b""])

    def test_progress_goes_to_standard_error(self):
        self.big()
        self.hub.faults = [Fault("cdn GET", slow=0.02)]
        terminal, other_end = pty.openpty()
        self.addCleanup(os.close, terminal)
        process = subprocess.Popen(
            [LIEQ, "pull", "org/big", "--include", "*"], env=self.env, stdout=subprocess.PIPE, stderr=other_end
        )
        os.close(other_end)
        self.assertTrue(process.communicate(timeout=60)[0])
        self.assertRegex(os.read(terminal, 1 << 16).decode(), r"org/big, kB: \d+ of 1049 \(\d+ %\), \d+ s left")
        done = self.lieq("pull", "org/big", "--include", "*", "--force", HF_HUB_DISABLE_PROGRESS_BARS="1")
        self.assertEqual(done.stderr, "org/big: 1 files, 1 of them fetched (1.0 MB)\n")
        self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_the_variables_that_move_the_cache(self):
        self.assertTrue(self.pulled("org/tiny", HF_HOME=str(self.folder / "a")).is_relative_to(self.folder / "a/hub"))
        self.assertTrue(self.pulled("org/tiny", HF_HUB_CACHE="~/b").is_relative_to(self.folder / "b"))
        self.assertTrue(
            self.pulled("org/tiny", XDG_CACHE_HOME=str(self.folder / "c")).is_relative_to(
                self.folder / "c/huggingface/hub"
            )
        )

    def test_usage(self):
        self.assertIn("expected ORG/NAME", self.refuse(2, "pull"))
        for name in ("tiny", "a/b/c", "/org/tiny", "org/..", "org/ti ny", "org/tiny:../x", "org/-x"):
            self.assertIn("expected ORG/NAME", self.refuse(2, "pull", name), name)
        self.assertIn(
            "HF_HUB_ETAG_TIMEOUT: found 'soon'", self.refuse(2, "pull", "org/tiny", HF_HUB_ETAG_TIMEOUT="soon")
        )
        self.assertIn("HF_ENDPOINT: expected a URL", self.refuse(2, "pull", "org/tiny", HF_ENDPOINT="ftp://x"))
        self.assertIn("HF_HUB_OFFLINE", self.succeed("pull", "--help"))


class Offline(Case):
    def test_the_cache_serves_without_network(self):
        snapshot = self.pulled("org/tiny")
        self.hub.log.clear()
        self.assertEqual(self.pulled("org/tiny", HF_HUB_OFFLINE="1"), snapshot)
        self.assertEqual(self.pulled(f"org/tiny@{COMMIT}", HF_HUB_OFFLINE="true"), snapshot)
        self.succeed("inspect", "org/tiny", HF_HUB_OFFLINE="ON")
        self.assertEqual(self.hub.log, [])

    def test_what_is_not_there_is_said(self):
        line = self.refuse(1, "inspect", "org/tiny", HF_HUB_OFFLINE="1")
        self.assertIn("not in the cache", line)
        self.assertIn("HF_HUB_OFFLINE", line)
        self.assertIn("wikitext2", self.refuse(1, "pull", "--data", "wikitext2", HF_HUB_OFFLINE="1"))
        self.assertEqual(self.hub.log, [])

    def test_an_unreachable_hub_warns_and_serves_the_cache(self):
        self.pulled("org/tiny")
        done = self.lieq("inspect", "org/tiny", HF_ENDPOINT="http://127.0.0.1:9")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("using the copy in the cache", done.stderr)

    def test_an_unreachable_hub_and_no_cache(self):
        line = self.refuse(1, "inspect", "org/tiny", HF_ENDPOINT="http://127.0.0.1:9")
        self.assertIn("cannot be fetched from http://127.0.0.1:9", line)
        self.assertIn("no file or folder of the name 'org/tiny' either", line)


if __name__ == "__main__":
    unittest.main(verbosity=2)
