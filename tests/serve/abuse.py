#!/usr/bin/env python3
"""Bad requests, one kind after the other, to `lieq serve` with the demo model: abuse.py [--requests N] [--seed S].

Each must be answered with a 4xx or end in a closed connection, while the server stays healthy, answers what it answered
before, and loses neither slots nor cache. Under AddressSanitizer or ThreadSanitizer their reports fail the run, too."""

import argparse
import json
import random
import socket
import sys
import threading
import time

from served import Server

TEXT = {"prompt": "In the beginning", "max_tokens": 4, "temperature": 0}


def raw(server, data, half_close=False, pause=0.0, patience=60):
    """The status that comes back for some bytes, or None for a closed connection."""
    with socket.create_connection((server.host, server.port), timeout=patience) as connection:
        answer = b""
        try:
            for piece in data if isinstance(data, list) else [data]:
                connection.sendall(piece)
                if pause:
                    time.sleep(pause)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while b"\r\n" not in answer:
                got = connection.recv(4096)
                if not got:
                    break
                answer += got
        except (ConnectionResetError, BrokenPipeError):
            pass
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else None


def post(body, path="/v1/completions", headers=b"", length=None):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) if length is None else length}\r\n".encode()
    return head + headers + b"\r\n" + body


class Abuses:
    """Each method sends one bad request and returns a status or None."""

    def __init__(self, server, rng):
        self.server, self.rng = server, rng

    def broken_json(self):
        whole = json.dumps(TEXT).encode()
        cut = bytearray(whole[: self.rng.randrange(len(whole))])
        if cut and self.rng.random() < 0.5:
            cut[self.rng.randrange(len(cut))] = self.rng.choice(b"{}[]\",:\\\0")
        return raw(self.server, post(bytes(cut)))

    def deep_nesting(self):
        depth = self.rng.choice([65, 1000, 1_000_000])
        opening = self.rng.choice([b"[", b'{"a":'])
        return raw(self.server, post(b'{"prompt":' + opening * depth))

    def many_members(self):
        members = b",".join(b'"%d":0' % i for i in range(500_000))
        return raw(self.server, post(self.rng.choice([b"{" + members + b"}", b'{"prompt": [' + b"0," * 2_000_000 + b"0]}"])))

    def wrong_types(self):
        names = ["prompt", "max_tokens", "temperature", "top_p", "top_k", "n", "seed", "stop", "stream", "logprobs", "logit_bias",
                 "echo", "stream_options", "presence_penalty", "ignore_eos", "response_format", "samplers", "typical_p"]
        name = self.rng.choice(names)
        values = [{"a": 1}, [[[]]], -1e308, [None], {"": {}}] + ([] if name in ("prompt", "stop") else ["\u0000"])
        return raw(self.server, post(TEXT | {name: self.rng.choice(values)}))

    def huge_numbers(self):
        name = self.rng.choice(["max_tokens", "temperature", "n", "top_k", "seed", "logprobs", "repeat_last_n"])
        number = self.rng.choice([b"1e400", b"-1e400", b"1" + b"0" * 400, b"-99999999999999999999", b"18446744073709551616", b"1e99"])
        return raw(self.server, post(b'{"prompt": "a", "%s": %s}' % (name.encode(), number)))

    def bad_utf8(self):
        bad = self.rng.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"])
        return raw(self.server, post(b'{"prompt": "In the' + bad + b' beginning"}'))

    def bad_messages(self):
        messages = self.rng.choice([None, {}, [None], [[]], [{"role": []}], [{"role": "user", "content": {}}],
                                    [{"role": "user", "content": [{"type": []}]}], [{"role": "assistant", "tool_calls": [3]}]])
        return raw(self.server, post({"messages": messages}, "/v1/chat/completions"))

    def bad_tokens(self):
        return raw(self.server, post({"prompt": self.rng.choice([[2**31], [-1], [1.5], [2**70], [1, None], [[[1]]]])}))

    def bad_detokenize(self):
        return raw(self.server, post({"tokens": self.rng.choice([None, [2**40], [-3], "x", [[1]]])}, "/detokenize"))

    def path_tricks(self):
        path = self.rng.choice(["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/v1/%00models", "/.git/config",
                                "/v1/models/..;/x", "/" + "a" * 20000, "/" + "%41" * 3000, "/v1\\models", "http://x/y"])
        return raw(self.server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def header_flood(self):
        flood = self.rng.choice([b"".join(b"X-%d: y\r\n" % i for i in range(5000)), b"X: " + b"y" * 1_000_000 + b"\r\n",
                                 b": empty\r\n" * 3000, b"\r" * 100_000])
        return raw(self.server, b"GET /v1/nothing HTTP/1.1\r\n" + flood + b"\r\n")

    def no_request(self):
        return raw(self.server, self.rng.choice([b"\0" * 100, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"PRI * HTTP/2.0\r\n\r\n",
                                                 b"BREW / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n"]), half_close=True)

    def half_closed(self):
        return raw(self.server, post(TEXT | {"max_tokens": 900, "ignore_eos": True}), half_close=True)

    def dropped(self):
        """A client that leaves at some moment of a stream."""
        with socket.create_connection((self.server.host, self.server.port), timeout=60) as connection:
            connection.sendall(post(TEXT | {"max_tokens": 900, "ignore_eos": True, "stream": True}))
            if self.rng.random() < 0.7:
                connection.recv(self.rng.randrange(1, 2000))
        return None

    def lies_about_length(self):
        body = json.dumps(TEXT).encode()
        length = self.rng.choice([len(body) + 100, 10**18, -1, "x", len(body) // 2, 10**30])
        return raw(self.server, post(body, length=length), half_close=True)

    def bad_chunks(self):
        chunks = self.rng.choice([b"zz\r\n", b"FFFFFFFFFFFFFFFF\r\nabc", b"5\r\nab", b"-5\r\nabcde\r\n0\r\n\r\n"])
        return raw(self.server, b"POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, half_close=True)

    def unpacks_large(self):
        return raw(self.server, post(b"\x1f\x8b\x08" + b"\0" * 1000, headers=b"Content-Encoding: gzip\r\n"))

    def odd_ranges(self):
        ranges = self.rng.choice([b"bytes=0-0,5-2", b"bytes=99999999999999999999-", b"bytes=-", b"x=1-2"])
        return raw(self.server, b"GET /nothing HTTP/1.1\r\nRange: " + ranges + b"\r\n\r\n")

    def odd_forms(self):
        kind = self.rng.choice([b"multipart/form-data", b"multipart/form-data; boundary=x", b"application/x-www-form-urlencoded"])
        return raw(self.server, post(b"--x\r\n\r\na=b&c=%zz", headers=b"Content-Type: " + kind + b"\r\n"))


class SlowAbuses(Abuses):
    """Those that take their time or many bytes, a few of each."""

    def large_body(self):
        size = 100 << 20
        head = b"POST /v1/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size
        return raw(self.server, [head] + [b"x" * (1 << 20)] * 100)

    def large_chunked_body(self):
        piece = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
        return raw(self.server, [b"POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"] + [piece] * 30)

    def slow_headers(self):
        return raw(self.server, [b"GET /health HTTP/1.1\r\n"] + [b"X: y\r\n"] * 20, pause=1)

    def silent(self):
        return raw(self.server, b"POST /v1/completions HTTP/1.1\r\nContent-Length: 50\r\n\r\n{", patience=90)


def kinds_of(cls):
    return [name for name in vars(cls) if not name.startswith("_")]


def check(server, kind, status, failures):
    if status is not None and not 400 <= status < 500:
        failures.append(f"{kind}: answered with {status}")
    if server.process.poll() is not None:
        failures.append(f"{kind}: the server ended with {server.process.returncode}")
        raise SystemExit("\n".join(failures + server.errors))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    arguments = parser.parse_args()
    failures, counts = [], {}
    with Server("--chat-template", "chatml", "-np", 2, "-c", 1024) as server:
        good = server.post("/v1/completions", TEXT)[1]["choices"]
        slow = SlowAbuses(server, random.Random(arguments.seed))
        late = [threading.Thread(target=lambda kind=kind: check(server, kind, getattr(slow, kind)(), failures))
                for kind in kinds_of(SlowAbuses)]
        for thread in late:
            thread.start()

        def client(number):
            rng = random.Random(arguments.seed * 1000 + number)
            abuses = Abuses(server, rng)
            for _ in range(arguments.requests // arguments.clients):
                kind = rng.choice(kinds_of(Abuses))
                status = getattr(abuses, kind)()
                check(server, kind, status, failures)
                counts[kind, status] = counts.get((kind, status), 0) + 1

        clients = [threading.Thread(target=client, args=(number,)) for number in range(arguments.clients)]
        for thread in clients + late:
            if not thread.ident:
                thread.start()
        for thread in clients + late:
            thread.join()
        deadline = time.time() + 60
        while server.metrics()["lieq_running"] + server.metrics()["lieq_waiting"] > 0 and time.time() < deadline:
            time.sleep(0.1)
        metrics = server.metrics()
        if metrics["lieq_running"] + metrics["lieq_waiting"] > 0:
            failures.append(f"slots are lost: {metrics}")
        if server.get("/health")[0] != 200 or server.post("/v1/completions", TEXT)[1]["choices"] != good:
            failures.append("the server does not answer as before")
        server.interrupt()
        if server.wait() != 0:
            failures.append(f"the server ended with {server.process.returncode}")
        server.reader.join(5)
        failures += [line for line in server.errors if "Sanitizer" in line or "runtime error" in line]
    statuses = {}
    for (kind, status), count in counts.items():
        statuses.setdefault(kind, {})[status] = count
    for kind, found in sorted(statuses.items()):
        print(f"{kind:20} " + ", ".join(f"{'closed' if s is None else s}: {n}" for s, n in sorted(found.items(), key=str)))
    print("\n".join(failures) or f"{sum(counts.values())} bad requests: each refused or closed, the server as before")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
