"""Users of a server for load_test.py: `locust -f load_users.py --headless --host http://... -u 16 -t 10m`. Some read streams
to their end, some go away in the middle, some ask for a schema or a tool."""

import json
import random

from locust import HttpUser, between, task

WORDS = "In the beginning God created the heaven and the earth and the waters under the firmament".split()


class Client(HttpUser):
    wait_time = between(0.0, 0.2)

    def prompt(self, most):
        return " ".join(random.choices(WORDS, k=random.randint(1, most)))

    def ask(self, path, name, **body):
        with self.client.post(path, json=body, name=name, catch_response=True) as answer:
            if answer.status_code == 429:  # the queue is full: what it is for
                answer.success()
            elif answer.status_code != 200 or not answer.json()["choices"]:
                answer.failure(f"{answer.status_code}: {answer.text[:200]}")

    @task(4)
    def completion(self):
        self.ask("/v1/completions", "completion", prompt=self.prompt(120), max_tokens=random.randint(1, 24))

    @task(3)
    def chat(self):
        system = {"role": "system", "content": "Speak as the book does. " * 8}
        self.ask("/v1/chat/completions", "chat", messages=[system, {"role": "user", "content": self.prompt(30)}], max_tokens=16)

    @task(1)
    def schema(self):
        schema = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 99, "minimum": 0}}, "required": ["a"],
                  "additionalProperties": False}
        self.ask("/v1/completions", "schema", prompt=self.prompt(10), max_tokens=24, json_schema=schema)

    @task(3)
    def stream(self):
        self.read_stream("stream", leaves=False)

    @task(2)
    def leave(self):
        self.read_stream("stream, left", leaves=True)

    def read_stream(self, name, leaves):
        body = {"prompt": self.prompt(60), "max_tokens": 24, "stream": True}
        with self.client.post("/v1/completions", json=body, name=name, stream=True, catch_response=True) as answer:
            if answer.status_code == 429:
                return answer.success()
            end, left = "", random.randint(1, 8)
            for line in answer.iter_lines():
                if not line:
                    continue
                end = line.decode()
                left -= 1
                if leaves and left == 0:
                    answer.close()
                    return answer.success()
                if not end.endswith("[DONE]"):
                    json.loads(end.removeprefix("data: "))
            if not end.endswith("[DONE]"):
                answer.failure("the stream has no end")
            else:
                answer.success()
