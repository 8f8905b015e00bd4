"""A server for tests, and a client of it, with nothing but Python's own library."""

import http.client
import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

LIEQ = os.environ["LIEQ"]
SOURCE = Path(os.environ["LIEQ_SOURCE_DIR"])
DEMO = SOURCE / "demo"


class Server:
    """`lieq serve` at a free port, until the `with` ends."""

    def __init__(self, *options, model=DEMO, env=None):
        command = [LIEQ, "--offline", "serve", str(model), "--port", "0", *map(str, options)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=os.environ | (env or {}))
        self.start_line = self.process.stdout.readline()
        found = re.search(r"at http://([\d.]+):(\d+)", self.start_line)
        if not found:
            raise RuntimeError(f"no start line: {self.start_line!r} {self.process.stderr.read()!r}")
        self.host, self.port = found[1], int(found[2])
        self.errors = []
        self.reader = threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.interrupt()
            self.interrupt()
        self.wait()
        self.process.stdout.close()
        self.reader.join(5)
        self.process.stderr.close()

    def interrupt(self, with_signal=signal.SIGINT):
        self.process.send_signal(with_signal)

    def wait(self, timeout=60):
        return self.process.wait(timeout)

    def connect(self, timeout=120):
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None):
        """Status, headers, and the body as it came."""
        connection = self.connect()
        try:
            data = body if isinstance(body, (bytes, str)) or body is None else json.dumps(body)
            connection.request(method, path, data, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def get(self, path, **headers):
        status, _, body = self.request("GET", path, headers=headers)
        return status, json.loads(body)

    def post(self, path, body, **headers):
        status, _, answer = self.request("POST", path, body, headers)
        return status, json.loads(answer)

    def stream(self, path, body, stop_after=None):
        """The objects of a stream; [DONE], which all but llama.cpp's own route end with, is checked and left out."""
        connection = self.connect()
        connection.request("POST", path, json.dumps(body | {"stream": True}))
        response = connection.getresponse()
        assert response.status == 200, (response.status, response.read())
        assert response.headers["Content-Type"].startswith("text/event-stream"), response.headers
        chunks, lines = [], []
        for line in response:
            lines.append(line.decode())
            if not line.startswith(b"data: "):
                continue
            if line == b"data: [DONE]\n":
                assert path != "/completion", lines
                connection.close()
                return chunks
            chunks.append(json.loads(line[6:]))
            if stop_after and len(chunks) >= stop_after:
                connection.close()
                return chunks
        if path == "/completion" and chunks and chunks[-1]["stop"]:
            connection.close()
            return chunks
        raise AssertionError("the stream did not end as it should: " + "".join(lines[-3:]))

    def metrics(self):
        _, _, body = self.request("GET", "/metrics")
        return {name: float(value) for name, value in re.findall(r"^(lieq_\w+) ([\d.e+]+)$", body.decode(), re.M)}
