"""A Hugging Face hub for tests: the file list, files behind a redirect to a second server, the datasets server's rows.
It listens on 127.0.0.1 at ports the system chooses, and can be told to misbehave. Python 3 standard library only."""

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".gguf", ".bin", ".gz")


def etag_of(name: str, content: bytes) -> str:
    if name.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repo:
    files: dict[str, bytes]
    commit: str = COMMIT
    gated: bool = False
    #: token that may read a gated repository
    token: str = ""
    #: what the list says in place of the file names
    siblings: list | None = None
    etags: dict[str, str] = field(default_factory=dict)
    revisions: tuple[str, ...] = ("main", "refs/pr/1")


@dataclass
class Fault:
    """Changes the answer to the next requests whose method and path match."""

    match: str
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: the body breaks off after so many bytes
    cut: int | None = None
    #: seconds of silence before the answer
    hang: float = 0
    #: seconds between pieces of 16 KiB
    slow: float = 0
    corrupt: bool = False
    ignore_range: bool = False


class FakeHub:
    """Use as a context manager. `hub.url` and `hub.cdn` are the addresses; `hub.log` has one entry a request."""

    def __init__(self):
        self.repos: dict[str, Repo] = {}
        self.rows: dict[tuple[str, str, str], list[dict]] = {}
        self.faults: list[Fault] = []
        self.log: list[tuple[str, str, str, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.stopped = threading.Event()

    def __enter__(self):
        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler(self, name)) for name in ("hub", "cdn")]
        self.url, self.cdn = (f"http://127.0.0.1:{server.server_address[1]}" for server in self.servers)
        for server in self.servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def requests(self, pattern: str) -> list[tuple[str, str, str, dict[str, str]]]:
        """Those whose "SERVER METHOD PATH" matches."""
        with self.lock:
            return [entry for entry in self.log if re.search(pattern, " ".join(entry[:3]))]

    def fault_of(self, what: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.match, what):
                    fault.times -= 1
                    return fault
        return None


def handler(hub: FakeHub, server_name: str):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def handle(self):
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):  # the program went away
                pass

        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            self.answer()

        def answer(self):
            what = f"{server_name} {self.command} {self.path}"
            with hub.lock:
                hub.log.append((server_name, self.command, self.path, dict(self.headers)))
            self.fault = hub.fault_of(what) or Fault("")
            if self.fault.hang:
                hub.stopped.wait(self.fault.hang)
            if self.fault.status:
                return self.reply(self.fault.status, self.fault.body, self.fault.headers)
            path = unquote(urlsplit(self.path).path)
            if path == "/rows":
                return self.send_rows(parse_qs(urlsplit(self.path).query))
            if found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/revision/(.+)", path):
                return self.send_list(found[2], found[3])
            if found := re.fullmatch(r"/(?:datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                return self.send_file(found[1], found[2], found[3])
            if found := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
                return self.send_content(hub.repos[found[1]].files[found[2]], {"ETag": '"an-etag-of-the-store"'})
            self.reply(404, b"not found")

        def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None):
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if self.fault.corrupt:
                body = bytes([body[0] ^ 1]) + body[1:]
            if self.fault.cut is not None:
                body = body[: self.fault.cut]
                self.close_connection = True
            for begin in range(0, len(body), 1 << 14):
                self.wfile.write(body[begin : begin + (1 << 14)])
                if self.fault.slow and not hub.stopped.is_set():
                    time.sleep(self.fault.slow)

        def allowed(self, name: str, listing: bool) -> bool:
            """Anybody may list a gated repository; its files need a token."""
            repo = hub.repos.get(name)
            if repo is None:
                self.reply(401, b'{"error":"Invalid username or password."}', {"X-Error-Code": "RepoNotFound"})
                return False
            if repo.gated and not listing and self.headers.get("Authorization") != f"Bearer {repo.token}":
                status = 403 if self.headers.get("Authorization") else 401
                self.reply(
                    status,
                    b"",
                    {"X-Error-Code": "GatedRepo", "X-Error-Message": f"Access to model {name} is restricted."},
                )
                return False
            return True

        def send_list(self, name: str, revision: str):
            if not self.allowed(name, listing=True):
                return
            repo = hub.repos[name]
            if revision not in (*repo.revisions, repo.commit):
                return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
            siblings = repo.siblings if repo.siblings is not None else [{"rfilename": file} for file in repo.files]
            self.reply(200, json.dumps({"id": name, "sha": repo.commit, "siblings": siblings}).encode())

        def send_file(self, name: str, revision: str, file: str):
            if not self.allowed(name, listing=False):
                return
            repo = hub.repos[name]
            headers = {"X-Repo-Commit": repo.commit}
            if file not in repo.files:
                return self.reply(404, b"", {**headers, "X-Error-Code": "EntryNotFound"})
            content = repo.files[file]
            etag = repo.etags.get(file, etag_of(file, content))
            if file.endswith(LARGE):
                linked = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
                return self.reply(
                    302, b"Found", {**headers, **linked, "Location": f"{hub.cdn}/cdn/{name}/{file}?signature=secret"}
                )
            self.send_content(content, {**headers, "ETag": f'"{etag}"'})

        def send_content(self, content: bytes, headers: dict[str, str]):
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
            if not wanted or self.fault.ignore_range:
                return self.reply(200, content, headers)
            begin = int(wanted[1])
            if begin >= len(content):
                return self.reply(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            self.reply(
                206, content[begin:], {**headers, "Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"}
            )

        def send_rows(self, query: dict[str, list[str]]):
            rows = hub.rows.get((query["dataset"][0], query["config"][0], query["split"][0]))
            if rows is None:
                return self.reply(404, b'{"error":"The dataset does not exist, or is not accessible."}')
            begin, length = int(query["offset"][0]), int(query["length"][0])
            if length > 100:
                return self.reply(422, b'{"error":"Parameter length must not be greater than 100"}')
            page = [
                {"row_idx": begin + i, "row": row, "truncated_cells": []}
                for i, row in enumerate(rows[begin : begin + length])
            ]
            self.reply(
                200,
                json.dumps(
                    {
                        "features": [],
                        "rows": page,
                        "num_rows_total": len(rows),
                        "num_rows_per_page": 100,
                        "partial": False,
                    }
                ).encode(),
            )

    return Handler
