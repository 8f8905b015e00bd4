#!/usr/bin/env python3
"""Sixteen clients that want different things at once: crowd_test.py [--requests N] [--seconds S].

Each sends streams, whole answers, several choices, schemas, tools, bad requests, and requests it leaves in the middle, in
an order of its own: N of them, or for S seconds. Every answer has to be of its kind; afterwards no slot is lost and the
server answers as before. Under ThreadSanitizer or AddressSanitizer their reports fail the run, too."""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter

from served import Server

WORDS = "In the beginning God created the heaven and the earth and the waters under the firmament".split()
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["a"],
          "additionalProperties": False}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"day": {"enum": ["today", "tomorrow"]}}, "required": ["day"],
    "additionalProperties": False}}}]
TEMPLATE = """{#- <tool_call> {"name", "arguments"} </tool_call> -#}
{%- if tools %}Tools: {{ tools | tojson }}
{% endif %}{% for message in messages %}{{ message.role }}: {{ message.content }}
{% endfor %}assistant: """
GOOD = {"prompt": "In the beginning", "max_tokens": 8, "temperature": 0}
TEXT, CHAT = "/v1/completions", "/v1/chat/completions"


class Client:
    """Its public methods each send one request; what is not as it should be raises AssertionError."""

    def __init__(self, server, seed):
        self.server, self.rng = server, random.Random(seed)

    def _words(self, most=80):
        return " ".join(self.rng.choices(WORDS, k=self.rng.randint(1, most)))

    def _messages(self):
        return [{"role": "system", "content": "Speak as the book does."}, {"role": "user", "content": self._words(20)}]

    def _choices(self, path, **body):
        status, answer = self.server.post(path, body)
        assert status == 200, (status, answer)
        return answer["choices"]

    def whole(self):
        choice, = self._choices(TEXT, prompt=self._words(), max_tokens=self.rng.randint(1, 24))
        assert choice["finish_reason"] in ("length", "stop"), choice

    def chat(self):
        choice, = self._choices(CHAT, messages=self._messages(), max_tokens=12, logprobs=True, top_logprobs=2)
        assert choice["message"]["role"] == "assistant", choice

    def two_choices(self):
        indices = [choice["index"] for choice in self._choices(TEXT, prompt=[self._words(), "And"], n=2, max_tokens=8)]
        assert indices == [0, 1, 2, 3], indices

    def stream(self):
        chunks = self.server.stream(TEXT, {"prompt": self._words(), "max_tokens": self.rng.randint(1, 24), "n": 2})
        ends = sum(1 for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"])
        assert ends == 2, chunks

    def stream_that_is_left(self):
        self.server.stream(CHAT, {"messages": self._messages(), "max_tokens": 400, "ignore_eos": True},
                           stop_after=self.rng.randint(1, 8))

    def answer_that_is_left(self):
        connection = self.server.connect()
        body = {"prompt": self._words(200), "max_tokens": 400, "n": 2, "ignore_eos": True}
        connection.request("POST", TEXT, json.dumps(body))
        time.sleep(self.rng.random() * 0.5)
        connection.close()

    def schema(self):
        choice, = self._choices(CHAT, messages=self._messages(), max_tokens=60, response_format={
            "type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}})
        if choice["finish_reason"] == "stop":
            assert json.loads(choice["message"]["content"])["a"] in range(100), choice

    def tool(self):
        choice, = self._choices(CHAT, messages=self._messages(), max_tokens=60, tools=TOOLS, tool_choice="required")
        if choice["finish_reason"] != "length":
            function = choice["message"]["tool_calls"][0]["function"]
            assert function["name"] == "weather" and json.loads(function["arguments"])["day"], choice

    def bad(self):
        body = self.rng.choice(['{"prompt": "a"', '{"prompt": 7}', '{"prompt": "a", "n": 0}', '{"prompt": "a", "grammar": "root"}',
                                '{"prompt": "a", "temperature": "hot"}', '{"prompt": "a", "frobnicate": 1}', "[" * 500])
        status, _, answer = self.server.request("POST", TEXT, body)
        assert 400 <= status < 500 and json.loads(answer)["error"]["message"], (status, answer)

    def looks_around(self):
        path = self.rng.choice(["/health", "/v1/models", "/props"])
        status, answer = self.server.get(path)
        assert status == 200 and answer, (path, status)
        assert "lieq_running" in self.server.metrics()
        tokens = self.server.post("/tokenize", {"content": self._words()})[1]
        assert self.server.post("/detokenize", tokens)[0] == 200


KINDS = [name for name in vars(Client) if not name.startswith("_")]


def run(server, number, arguments, counts, failures):
    client, deadline, sent = Client(server, number), time.monotonic() + arguments.seconds, 0
    while sent < arguments.requests or time.monotonic() < deadline:
        if sent % len(KINDS) == 0:
            order = client.rng.sample(KINDS, len(KINDS))
        kind = order[sent % len(KINDS)]
        sent += 1
        try:
            getattr(client, kind)()
            counts[kind] += 1
        except Exception as error:  # any: a thread that ended would go unnoticed
            failures.append(f"{kind}: {type(error).__name__}: {str(error)[:300]}")
            if len(failures) > 20 or server.process.poll() is not None:
                return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=10, help="of each client, at least")
    parser.add_argument("--seconds", type=float, default=0, help="for which they go on, at least")
    arguments = parser.parse_args()
    counts, failures = Counter(), []
    with tempfile.NamedTemporaryFile("w", suffix=".jinja") as template:
        template.write(TEMPLATE)
        template.flush()
        with Server("--chat-template", template.name, "-np", 4, "-c", 512, "--queue", 8 * arguments.clients) as server:
            before = server.post(TEXT, GOOD)[1]["choices"]
            clients = [threading.Thread(target=run, args=(server, number, arguments, counts, failures))
                       for number in range(arguments.clients)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            if server.process.poll() is None:
                failures += settle(server, before)
            server.interrupt()
            status = server.wait()
            server.reader.join(5)
            failures += [f"the server ended with {status}"] * (status != 0)
            failures += [line.rstrip() for line in server.errors if "Sanitizer" in line or "runtime error" in line]
    print(", ".join(f"{kind}: {counts[kind]}" for kind in KINDS))
    print("\n".join(failures) or f"{counts.total()} requests of {arguments.clients} clients: each answered as it should be")
    return 1 if failures else 0


def settle(server, before):
    """What is wrong once all have left."""
    deadline = time.monotonic() + 60
    while (metrics := server.metrics())["lieq_running"] + metrics["lieq_waiting"] > 0:
        if time.monotonic() > deadline:
            return [f"slots are lost: {metrics}"]
        time.sleep(0.1)
    wrong = []
    if metrics["lieq_failed_total"] > 0:
        wrong.append(f"texts failed: {metrics}")
    if metrics["lieq_cancelled_total"] == 0:
        wrong.append("nobody left in the middle")
    if server.post(TEXT, GOOD)[1]["choices"] != before:
        wrong.append("the server does not answer as before")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
