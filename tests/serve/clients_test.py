#!/usr/bin/env python3
"""Other people's clients against `lieq serve`: clients_test.py CLASS. Skipped with a line where one is not installed:
pip install openai langchain-openai lm_eval[api] guidellm (into the Python that runs this, or that LIEQ_CLIENTS_PYTHON names)."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

# A Python of its own, so that the packages need not be where the other tests run.
if (python := os.environ.get("LIEQ_CLIENTS_PYTHON")) and not os.environ.get("LIEQ_CLIENTS"):
    os.environ["LIEQ_CLIENTS"] = "1"
    os.execv(python, [python, *sys.argv])

from served import DEMO, LIEQ, Server

TASKS = Path(os.environ.get("LIEQ_SHARED_DIR", "")) / "data/tasks"


def need(name):
    try:
        return __import__(name)
    except ImportError:
        raise unittest.SkipTest(f"needs {name}, which is not installed")


class OpenAi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        openai = need("openai")
        cls.openai = openai
        cls.server = Server("--chat-template", "chatml", "-c", 512, "--api-key", "k")
        cls.addClassCleanup(cls.server.__exit__)
        cls.client = openai.OpenAI(base_url=f"http://{cls.server.host}:{cls.server.port}/v1", api_key="k", max_retries=0)

    MESSAGES = [{"role": "user", "content": "In the beginning"}]

    def test_models_and_answers(self):
        self.assertEqual([model.id for model in self.client.models.list()], ["demo"])
        self.assertEqual(self.client.models.retrieve("demo").id, "demo")
        self.assertRaises(self.openai.NotFoundError, self.client.models.retrieve, "other")
        answer = self.client.chat.completions.create(model="demo", messages=self.MESSAGES, max_tokens=8, seed=1, logprobs=True,
                                                     extra_body={"ignore_eos": True})
        self.assertEqual(answer.usage.completion_tokens, 8)
        self.assertEqual(len(answer.choices[0].logprobs.content), 8)
        text = self.client.completions.create(model="demo", prompt="And God", max_tokens=5, n=2)
        self.assertEqual(len(text.choices), 2)

    def test_streams(self):
        stream = self.client.chat.completions.create(model="demo", messages=self.MESSAGES, max_tokens=8, seed=1, stream=True,
                                                     stream_options={"include_usage": True}, extra_body={"ignore_eos": True})
        chunks = list(stream)
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        whole = self.client.chat.completions.create(model="demo", messages=self.MESSAGES, max_tokens=8, seed=1,
                                                    extra_body={"ignore_eos": True})
        self.assertEqual(said, whole.choices[0].message.content)
        self.assertEqual(chunks[-1].usage.completion_tokens, 8)

    def test_schemas_and_tools(self):
        schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["n"],
                  "additionalProperties": False}
        answer = self.client.chat.completions.create(
            model="demo", messages=self.MESSAGES, max_tokens=100,
            response_format={"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}})
        self.assertIn(json.loads(answer.choices[0].message.content)["n"], range(10))
        call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bonn"}}\n</tool_call>'
        with tempfile.NamedTemporaryFile("w", suffix=".jinja") as template:
            template.write("{#- <tool_call> -#}{{ tools | tojson }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
            template.flush()
            with Server("--chat-template", template.name, "-c", 512) as server:
                client = self.openai.OpenAI(base_url=f"http://{server.host}:{server.port}/v1", api_key="k")
                tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
                stream = client.chat.completions.create(model="demo", messages=self.MESSAGES, tools=tools, stream=True,
                                                        extra_body={"grammar": "root ::= " + json.dumps(call)})
                calls = [one for chunk in stream for one in chunk.choices[0].delta.tool_calls or []]
                self.assertEqual([(one.function.name, json.loads(one.function.arguments)) for one in calls],
                                 [("weather", {"city": "Bonn"})])

    def test_errors(self):
        with self.assertRaises(self.openai.BadRequestError) as caught:
            self.client.chat.completions.create(model="demo", messages=self.MESSAGES, temperature=-1)
        self.assertEqual(caught.exception.param, "temperature")
        stranger = self.openai.OpenAI(base_url=self.client.base_url, api_key="wrong", max_retries=0)
        self.assertRaises(self.openai.AuthenticationError, stranger.models.list)


class LangChain(unittest.TestCase):
    SCHEMA = {"title": "number", "description": "a number", "type": "object",
              "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["n"],
              "additionalProperties": False}

    def test_answers_streams_schemas_and_tools(self):
        langchain_openai = need("langchain_openai")
        with tempfile.NamedTemporaryFile("w", suffix=".jinja") as template:
            template.write("{#- <tool_call> -#}{{ tools | tojson }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
            template.flush()
            with Server("--chat-template", template.name, "-c", 1024) as server:
                options = {"base_url": f"http://{server.host}:{server.port}/v1", "api_key": "k", "model": "demo", "temperature": 0,
                           "max_tokens": 60, "max_retries": 0}
                endless = langchain_openai.ChatOpenAI(**options, extra_body={"ignore_eos": True})
                words = [("system", "Speak."), ("human", "In the beginning")]
                whole = endless.invoke(words)
                self.assertEqual(whole.usage_metadata["output_tokens"], 60)
                self.assertEqual("".join(chunk.content for chunk in endless.stream(words)), whole.content)
                chat = langchain_openai.ChatOpenAI(**options | {"max_tokens": 200})
                for method in ("json_schema", "function_calling"):
                    got = chat.with_structured_output(self.SCHEMA, method=method).invoke("Say a number.")
                    self.assertIn(got["n"], range(10), method)
                texts = langchain_openai.OpenAI(**options).generate(["And God", "The king"])
                self.assertEqual(len(texts.generations), 2)


class LmEval(unittest.TestCase):
    """The harness's numbers through the server are those of `lieq eval`."""

    LIMIT = 20

    def test_same_questions_same_answers(self):
        need("lm_eval")
        datasets = need("datasets")
        if not (TASKS / "piqa.jsonl").exists():
            self.skipTest(f"needs {TASKS}, which is not there")
        import lm_eval

        names = {"baber/piqa": "piqa", "ybisk/piqa": "piqa", "allenai/ai2_arc": "arc_easy"}

        def load(path, name=None, **_):
            docs = [json.loads(line)["doc"] for line in (TASKS / f"{names[path]}.jsonl").read_text(encoding="utf-8").splitlines()]
            part = datasets.Dataset.from_list(docs)
            return datasets.DatasetDict({"train": part, "validation": part, "test": part})

        datasets.load_dataset = load
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "results.json"
            subprocess.run([LIEQ, "--offline", "eval", DEMO, "--tasks", "piqa,arc_easy", "--tasks-dir", TASKS, "-L", str(self.LIMIT),
                            "-o", out], check=True, capture_output=True)
            ours = json.loads(out.read_text())
        with Server("--activations", "fp32", "-c", 1024) as server:
            arguments = {"model": "demo", "base_url": f"http://{server.host}:{server.port}/v1/completions", "num_concurrent": 2,
                         "tokenizer": str(DEMO), "max_length": 1024}
            theirs = lm_eval.simple_evaluate(model="local-completions", model_args=arguments, tasks=["piqa", "arc_easy"],
                                             limit=self.LIMIT, bootstrap_iters=0)["results"]
        for task in ("piqa", "arc_easy"):
            for metric in ("acc,none", "acc_norm,none"):
                self.assertEqual(ours["results"][task][metric], theirs[task][metric], (task, metric))


class GuideLlm(unittest.TestCase):
    """A load generator's users, who all have to get what they asked for: the tokens, the times, and no errors."""

    REQUESTS, TOKENS = 24, 12

    def test_eight_users(self):
        need("guidellm")
        with Server("--chat-template", "chatml", "-np", 4, "-c", 512) as server, tempfile.TemporaryDirectory() as folder:
            for route in ("/v1/chat/completions", "/v1/completions"):
                report = Path(folder) / "report.json"
                options = {"backend": f"kind=openai_http,target=http://{server.host}:{server.port},request_format={route}",
                           "profile": "kind=concurrent,streams=8", "constraint": f"kind=max_requests,count={self.REQUESTS}",
                           "tokenizer": f"kind=hf_auto,model={DEMO}", "output": f"kind=json,path={report}",
                           "data": f"kind=synthetic_text,prompt_tokens=40,output_tokens={self.TOKENS}"}
                command = [sys.executable, "-m", "guidellm", "run", "--disable-progress"]
                done = subprocess.run(command + [f"--{name}={value}" for name, value in options.items()], capture_output=True,
                                      text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
                self.assertEqual(done.returncode, 0, done.stderr)
                requests = json.loads(report.read_text())["benchmarks"][0]["requests"]
                self.assertEqual([one["info"]["error"] for one in requests["errored"]], [], route)
                # Version 0.8.1 may end with its last one still counted as under way, though it was answered in full.
                self.assertGreaterEqual(len(requests["successful"]), self.REQUESTS - 1, route)
                for one in requests["successful"]:
                    self.assertEqual(one["output_tokens"], self.TOKENS, route)
            metrics = server.metrics()
            self.assertEqual((metrics["lieq_texts_total"], metrics["lieq_refused_total"], metrics["lieq_failed_total"]),
                             (2 * self.REQUESTS, 0, 0))


if __name__ == "__main__":
    unittest.main()
