#!/usr/bin/env python3
"""Runs `lieq serve` with the demo model as clients see it: serve_test.py CLASS [unittest options]."""

import json
import os
import socket
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from served import DEMO, LIEQ, Server

CHAT = {"messages": [{"role": "user", "content": "In the beginning"}], "max_tokens": 12, "ignore_eos": True}
TEXT = {"prompt": "In the beginning", "max_tokens": 12}


class Case(unittest.TestCase):
    options = ["--chat-template", "chatml", "-np", 4, "-c", 512]
    server = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)
        cls.addClassCleanup(cls.server.__exit__)

    def refuse(self, path, body, param, status=400):
        found, answer = self.server.post(path, body)
        self.assertEqual(found, status, answer)
        self.assertEqual(answer["error"]["param"], param, answer)
        self.assertEqual(set(answer["error"]), {"message", "type", "param", "code"})
        return answer["error"]["message"]


class Routes(Case):
    def test_start_line_names_model_address_and_memory(self):
        self.assertRegex(self.server.start_line, r"^lieq: serving demo at http://127\.0\.0\.1:\d+$")

    def test_what_is_not_text(self):
        self.assertEqual(self.server.get("/health"), (200, {"status": "ok"}))
        status, models = self.server.get("/v1/models")
        self.assertEqual((status, models["object"], models["data"][0]["id"]), (200, "list", "demo"))
        self.assertEqual(self.server.get("/models")[1], models)
        self.assertEqual(self.server.get("/v1/models/demo"), (200, models["data"][0]))
        status, answer = self.server.get("/v1/models/other")
        self.assertEqual((status, answer["error"]["code"]), (404, "model_not_found"))
        status, props = self.server.get("/props")
        self.assertEqual((status, props["total_slots"], props["default_generation_settings"]["n_ctx"]), (200, 4, 512))
        parameters = props["default_generation_settings"]["params"]
        self.assertEqual((parameters["temperature"], parameters["chat_template_kwargs"]), (0.8, {}))
        self.assertEqual(props["chat_template_caps"], {
            "supports_system_role": True, "supports_tools": False, "supports_tool_calls": False,
            "supports_parallel_tool_calls": False, "supports_preserve_reasoning": False, "supports_reasoning_effort": False})
        status, headers, page = self.server.request("GET", "/")
        self.assertEqual(status, 200)
        self.assertIn("text/html", headers["Content-Type"])
        self.assertIn("Content-Security-Policy", headers)
        self.assertNotIn("Access-Control-Allow-Origin", headers)
        self.assertGreater(len(page), 50)
        self.assertEqual(self.server.metrics()["lieq_slots"], 4)

    def test_tokens_there_and_back(self):
        status, answer = self.server.post("/tokenize", {"content": "In the beginning"})
        self.assertEqual(status, 200)
        self.assertGreater(len(answer["tokens"]), 1)
        self.assertEqual(self.server.post("/detokenize", answer), (200, {"content": "In the beginning"}))
        status, pieces = self.server.post("/tokenize", {"content": "In the beginning", "with_pieces": True})
        self.assertEqual("".join(piece["piece"] for piece in pieces["tokens"]), "In the beginning")

    def test_templates(self):
        status, answer = self.server.post("/apply-template", CHAT)
        self.assertEqual((status, answer["prompt"]),
                         (200, "<|im_start|>user\nIn the beginning<|im_end|>\n<|im_start|>assistant\n"))

    def test_a_request_that_announces_no_body_has_none(self):
        """As `curl -X POST URL` sends it: answered at once, and the next one may follow on the same connection."""
        for method, path, status in (("POST", "/tokenize", b"400"), ("PUT", "/v1/models", b"404")):
            with socket.create_connection((self.server.host, self.server.port), timeout=5) as connection:
                connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                self.assertEqual(connection.makefile("rb").readline().split()[1], status)

    def test_refusals_of_routes(self):
        for path in ("/v2/models", "/../etc/passwd", "/v1/chat/completions/x", "/%00"):
            self.assertEqual(self.server.get(path)[0], 404, path)
        self.assertEqual(self.server.get("/v1/chat/completions")[0], 405)
        self.assertIn("embeddings", self.server.post("/v1/embeddings", {"input": "x"})[1]["error"]["message"])


class Texts(Case):
    def test_completion_of_a_text_and_of_its_tokens(self):
        status, answer = self.server.post("/v1/completions", TEXT | {"temperature": 0})
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["object"], "text_completion")
        self.assertEqual(answer["choices"][0]["finish_reason"], "length")
        self.assertEqual(answer["usage"]["completion_tokens"], 12)
        ids = self.server.post("/tokenize", {"content": TEXT["prompt"]})[1]["tokens"]
        self.assertEqual(answer["usage"]["prompt_tokens"], len(ids))
        for prompt in (ids, [ids], [TEXT["prompt"]]):
            again = self.server.post("/completions", TEXT | {"temperature": 0, "prompt": prompt})[1]
            self.assertEqual(again["choices"], answer["choices"])

    def test_greedy_text_is_that_of_run(self):
        ran = subprocess.run([LIEQ, "run", DEMO, "-p", TEXT["prompt"], "-n", "12"], capture_output=True, text=True, check=True)
        answer = self.server.post("/v1/completions", TEXT | {"temperature": 0, "echo": True})[1]
        self.assertEqual(answer["choices"][0]["text"] + "\n", ran.stdout)

    def test_same_seed_same_text_whoever_else_asks(self):
        body = TEXT | {"temperature": 1.2, "seed": 7, "max_tokens": 40}
        alone = self.server.post("/v1/completions", body)[1]["choices"][0]["text"]
        others = [threading.Thread(target=self.server.post, args=("/v1/completions", TEXT | {"seed": i, "max_tokens": 60}))
                  for i in range(6)]
        for other in others:
            other.start()
        self.assertEqual(self.server.post("/v1/completions", body)[1]["choices"][0]["text"], alone)
        for other in others:
            other.join()
        self.assertNotEqual(self.server.post("/v1/completions", body | {"seed": 8})[1]["choices"][0]["text"], alone)

    def test_choices_differ_and_prompts_are_answered_in_order(self):
        status, answer = self.server.post("/v1/completions", {"prompt": ["And God", "The king"], "n": 2, "max_tokens": 8,
                                                              "echo": True, "seed": 1})
        self.assertEqual(status, 200, answer)
        texts = [choice["text"] for choice in answer["choices"]]
        self.assertEqual([choice["index"] for choice in answer["choices"]], [0, 1, 2, 3])
        self.assertEqual([text[:7] for text in texts], ["And God", "And God", "The kin", "The kin"])
        self.assertNotEqual(texts[0], texts[1])
        self.assertEqual(answer["usage"]["completion_tokens"], 32)

    def test_streams_say_what_whole_answers_say(self):
        body = TEXT | {"seed": 3, "n": 2}
        whole = self.server.post("/v1/completions", body)[1]
        texts, reasons = ["", ""], [None, None]
        chunks = self.server.stream("/v1/completions", body | {"stream_options": {"include_usage": True}})
        for chunk in chunks[:-1]:
            for choice in chunk["choices"]:
                texts[choice["index"]] += choice["text"]
                reasons[choice["index"]] = choice["finish_reason"] or reasons[choice["index"]]
        self.assertEqual(texts, [choice["text"] for choice in whole["choices"]])
        self.assertEqual(reasons, ["length", "length"])
        self.assertEqual(chunks[-1]["choices"], [])
        self.assertEqual(chunks[-1]["usage"]["total_tokens"], whole["usage"]["total_tokens"])

    def test_chat(self):
        status, answer = self.server.post("/v1/chat/completions", CHAT | {"seed": 5, "logprobs": True, "top_logprobs": 3})
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["object"], "chat.completion")
        message = answer["choices"][0]["message"]
        self.assertEqual(message["role"], "assistant")
        entries = answer["choices"][0]["logprobs"]["content"]
        self.assertEqual(len(entries), 12)
        for entry in entries:
            self.assertEqual(len(entry["top_logprobs"]), 3)
            self.assertLessEqual(entry["logprob"], entry["top_logprobs"][0]["logprob"])
        chunks = self.server.stream("/v1/chat/completions", CHAT | {"seed": 5})
        self.assertEqual(chunks[0]["choices"][0]["delta"]["role"], "assistant")
        said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        self.assertEqual(said, message["content"])
        self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "length")
        self.assertEqual({chunk["id"] for chunk in chunks}, {chunks[0]["id"]})

    def test_the_next_turn_of_a_chat_runs_only_what_is_new(self):
        messages = [{"role": "user", "content": "Say something about kings. " * 20}]
        first = self.server.post("/v1/chat/completions", {"messages": messages, "max_tokens": 10})[1]
        messages += [first["choices"][0]["message"], {"role": "user", "content": "Go on."}]
        second = self.server.post("/v1/chat/completions", {"messages": messages, "max_tokens": 3})[1]
        shared = second["usage"]["prompt_tokens_details"]["cached_tokens"]
        self.assertGreaterEqual(shared, first["usage"]["prompt_tokens"] - 1)

    def test_stop_strings(self):
        free = self.server.post("/v1/completions", TEXT | {"temperature": 0, "max_tokens": 30})[1]["choices"][0]["text"]
        stop = free[10:14]
        for chunks in (None, self.server.stream("/v1/completions", TEXT | {"temperature": 0, "max_tokens": 30, "stop": [stop]})):
            if chunks is None:
                choice = self.server.post("/v1/completions", TEXT | {"temperature": 0, "max_tokens": 30, "stop": stop})[1]["choices"][0]
                text, reason = choice["text"], choice["finish_reason"]
            else:
                text = "".join(chunk["choices"][0]["text"] for chunk in chunks)
                reason = chunks[-1]["choices"][0]["finish_reason"]
            self.assertEqual((text, reason), (free[: free.index(stop)], "stop"))

    def test_log_probabilities_of_a_text_that_is_there(self):
        """As lm-evaluation-harness asks for them."""
        ids = self.server.post("/tokenize", {"content": "In the beginning was the Word"})[1]["tokens"]
        body = {"prompt": [ids], "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1, "seed": 1}
        status, answer = self.server.post("/v1/completions", body)
        self.assertEqual(status, 200, answer)
        logprobs = answer["choices"][0]["logprobs"]
        self.assertEqual({key: len(value) for key, value in logprobs.items()},
                         dict.fromkeys(("tokens", "token_logprobs", "top_logprobs", "text_offset"), len(ids) + 1))
        self.assertIsNone(logprobs["token_logprobs"][0])
        # The same from the next token's side.
        for place in (1, len(ids) - 1):
            nearest = self.server.post("/v1/completions", {"prompt": ids[:place], "max_tokens": 1, "logprobs": 1,
                                                           "temperature": 0, "logit_bias": {str(ids[place]): 1000}})[1]
            got = nearest["choices"][0]["logprobs"]
            self.assertEqual(got["tokens"], [logprobs["tokens"][place]])
            self.assertEqual(got["token_logprobs"], [logprobs["token_logprobs"][place]])
        scored = self.server.post("/v1/completions", body | {"max_tokens": 0})[1]
        self.assertEqual(scored["choices"][0]["logprobs"]["token_logprobs"], logprobs["token_logprobs"][:-1])
        self.assertEqual(scored["usage"]["completion_tokens"], 0)

    def test_sampling_parameters_do_what_they_say(self):
        def text(**more):
            status, answer = self.server.post("/v1/completions", TEXT | {"seed": 2, "max_tokens": 20} | more)
            self.assertEqual(status, 200, answer)
            return answer["choices"][0]["text"]

        greedy = text(temperature=0)
        for same in ({"top_k": 1}, {"top_p": 0}, {"min_p": 1}, {"temperature": 0, "mirostat": 0, "dry_multiplier": 0.0}):
            self.assertEqual(text(**same), greedy, same)
        ids = self.server.post("/tokenize", {"content": greedy})[1]["tokens"]
        self.assertNotEqual(text(temperature=0, logit_bias={str(ids[0]): -1000}), greedy)
        self.assertEqual(text(temperature=0, logit_bias=[[ids[0], False]]), text(temperature=0, logit_bias={str(ids[0]): -1000}))
        for other in ({"repeat_penalty": 1.8}, {"presence_penalty": 50}, {"frequency_penalty": 50}):
            self.assertNotEqual(text(temperature=0, max_tokens=40, **other), text(temperature=0, max_tokens=40), other)
        self.assertNotEqual(text(temperature=1.5, typical_p=0.2), text(temperature=1.5))

    def test_llama_cpp_completion(self):
        status, answer = self.server.post("/completion", {"prompt": "In the beginning", "n_predict": 6, "temperature": 0})
        self.assertEqual(status, 200, answer)
        self.assertEqual((answer["stop"], answer["stop_type"], answer["tokens_predicted"]), (True, "limit", 6))
        chunks = self.server.stream("/completion", {"prompt": "In the beginning", "n_predict": 6, "temperature": 0})
        self.assertEqual("".join(chunk["content"] for chunk in chunks), answer["content"])
        for last in (answer, chunks[-1]):
            self.assertEqual(last["timings"]["predicted_n"], 6)

    def test_usage_with_every_chunk(self):
        """vLLM's option, which load generators ask for."""
        for path, body in (("/v1/completions", TEXT | {"ignore_eos": True}), ("/v1/chat/completions", CHAT)):
            options = {"include_usage": True, "continuous_usage_stats": True}
            *chunks, last = self.server.stream(path, body | {"n": 2, "stream_options": options})
            for index in range(2):
                counts = [chunk["usage"]["completion_tokens"] for chunk in chunks if chunk["choices"][0]["index"] == index]
                self.assertEqual(counts, sorted(counts))
                self.assertEqual((counts[0] <= 1, counts[-1]), (True, 12))
            self.assertEqual({chunk["usage"]["prompt_tokens"] for chunk in chunks}, {last["usage"]["prompt_tokens"]})
            self.assertEqual((last["choices"], last["usage"]["completion_tokens"]), ([], 24))
            self.assertFalse(any("usage" in chunk for chunk in self.server.stream(path, body)))

    def test_stop_tokens_beside_the_model_s_own(self):
        body = TEXT | {"temperature": 0, "max_tokens": 30, "ignore_eos": True, "logprobs": 0}
        tokens = self.server.post("/v1/completions", body)[1]["choices"][0]["logprobs"]["tokens"]
        stop = tokens[10]
        [token] = self.server.post("/tokenize", {"content": stop})[1]["tokens"]
        choice = self.server.post("/v1/completions", body | {"stop_token_ids": [token]})[1]["choices"][0]
        self.assertEqual((choice["finish_reason"], choice["logprobs"]["tokens"]), ("stop", tokens[: tokens.index(stop)]))

    def test_an_answer_that_goes_on_with_the_last_message(self):
        begun = CHAT["messages"] + [{"role": "assistant", "content": "God created the"}]
        going_on = {"messages": begun, "continue_final_message": True}
        self.assertEqual(self.server.post("/apply-template", going_on)[1]["prompt"],
                         "<|im_start|>user\nIn the beginning<|im_end|>\n<|im_start|>assistant\nGod created the")
        for words in ("|", "<", "im_end", "a b \n"):  # what stands in the template's marker too
            last = going_on | {"messages": CHAT["messages"] + [{"role": "assistant", "content": words}]}
            cut = self.server.post("/apply-template", last)[1]["prompt"]
            self.assertIn(cut.removeprefix("<|im_start|>user\nIn the beginning<|im_end|>\n<|im_start|>assistant\n"), (words, words.strip()))
        prompt = self.server.post("/apply-template", going_on | {"add_generation_prompt": False})[1]["prompt"]
        same = {"temperature": 0, "max_tokens": 8}
        said = self.server.post("/v1/chat/completions", going_on | same)[1]["choices"][0]["message"]["content"]
        self.assertEqual(said, self.server.post("/v1/completions", same | {"prompt": prompt})[1]["choices"][0]["text"])
        for wrong in (going_on | {"add_generation_prompt": True}, CHAT | {"continue_final_message": True},
                      {"messages": CHAT["messages"] + [{"role": "assistant", "content": ""}], "continue_final_message": True}):
            self.refuse("/v1/chat/completions", wrong, "continue_final_message")


class Refusals(Case):
    def test_parameters_by_name(self):
        text, chat = "/v1/completions", "/v1/chat/completions"
        for body, param in [
            ({}, "prompt"), ({"prompt": 7}, "prompt"), ({"prompt": []}, "prompt"), ({"prompt": [-1]}, "prompt"),
            ({"prompt": [4096]}, "prompt"), ({"prompt": ["a", 3]}, "prompt[1]"), ({"prompt": [[1.5]]}, "prompt[0]"),
            (TEXT | {"max_tokens": -5}, "max_tokens"), (TEXT | {"max_tokens": 1e99}, "max_tokens"),
            (TEXT | {"temperature": "hot"}, "temperature"), (TEXT | {"temperature": -1}, "temperature"),
            (TEXT | {"top_p": 2}, "top_p"), (TEXT | {"top_k": 1.5}, "top_k"), (TEXT | {"n": 0}, "n"), (TEXT | {"n": 1000}, "n"),
            (TEXT | {"seed": 2**64}, "seed"), (TEXT | {"stop": [""]}, "stop"), (TEXT | {"stop": ["a"] * 17}, "stop"),
            (TEXT | {"stream": "yes"}, "stream"), (TEXT | {"stream_options": {}}, "stream_options"),
            (TEXT | {"logprobs": 21}, "logprobs"), (TEXT | {"logprobs": True}, "logprobs"),
            (TEXT | {"logit_bias": {"x": 1}}, "logit_bias"), (TEXT | {"logit_bias": {"4096": 1}}, "logit_bias"),
            (TEXT | {"logit_bias": 5}, "logit_bias"), (TEXT | {"mirostat": 2}, "mirostat"),
            (TEXT | {"xtc_probability": 0.5}, "xtc_probability"), (TEXT | {"suffix": "end"}, "suffix"),
            (TEXT | {"stream": True, "stream_options": {"continuous_usage_stats": 1}}, "continuous_usage_stats"),
            (TEXT | {"stop_token_ids": [4096]}, "stop_token_ids"), (TEXT | {"stop_token_ids": 3}, "stop_token_ids"),
            (TEXT | {"min_tokens": 3}, "min_tokens"), (TEXT | {"skip_special_tokens": False}, "skip_special_tokens"),
            (TEXT | {"return_token_ids": True}, "return_token_ids"),
            (TEXT | {"samplers": ["top_k"]}, "samplers"), (TEXT | {"frobnicate": 1}, "frobnicate"),
            (TEXT | {"prompt": "word " * 600}, "prompt"),
        ]:
            self.assertTrue(self.refuse(text, body, param).startswith(param + ":"))
        for body, param in [
            ({}, "messages"), ({"messages": []}, "messages"), ({"messages": ["hi"]}, "messages[0]"),
            ({"messages": [{"content": "hi"}]}, "messages[0].role"), ({"messages": [{"role": "user"}]}, "messages[0].content"),
            ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
            ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type"),
            (CHAT | {"top_logprobs": 2}, "top_logprobs"), (CHAT | {"tools": {}}, "tools"), (CHAT | {"tools": [{}]}, "tools[0]"),
            (CHAT | {"chat_template_kwargs": 1}, "chat_template_kwargs"),
            (CHAT | {"reasoning_effort": "low"}, "reasoning_effort"), (CHAT | {"reasoning_effort": "none"}, "reasoning_effort"),
            (CHAT | {"reasoning_format": "other"}, "reasoning_format"),
            (CHAT | {"thinking_budget_tokens": 100}, "thinking_budget_tokens"),
            (CHAT | {"functions": [{}]}, "functions"),
        ]:
            self.refuse(chat, body, param)

    def test_a_prompt_beyond_the_context_has_its_own_code(self):
        answer = self.server.post("/v1/completions", TEXT | {"prompt": "word " * 600})[1]
        self.assertEqual(answer["error"]["code"], "context_length_exceeded")


TEMPLATE = """{#- <tool_call> {"name", "arguments"} </tool_call> -#}
{%- if tools %}Tools: {{ tools | tojson }}
{% endif %}{% for message in messages %}{{ message.role }}: {{ message.content }}
{% endfor %}assistant: {% if enable_thinking %}<think>
{% endif %}"""


class Structured(Case):
    """What an answer has to look like, and what it is taken apart into."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        path = Path(folder.name) / "template.jinja"
        path.write_text(TEMPLATE)
        cls.options = ["--chat-template", path, "-np", 4, "-c", 512]
        super().setUpClass()

    TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
                                               "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}},
              "required": ["name", "age", "tags"], "additionalProperties": False}

    def answer(self, **more):
        status, answer = self.server.post("/v1/chat/completions", {"messages": CHAT["messages"], "max_tokens": 150} | more)
        self.assertEqual(status, 200, answer)
        return answer["choices"][0]

    def test_schemas(self):
        for seed in range(3):
            choice = self.answer(seed=seed, temperature=1.5, response_format={
                "type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": self.SCHEMA}})
            self.assertEqual(choice["finish_reason"], "stop", choice)
            value = json.loads(choice["message"]["content"])
            self.assertEqual(list(value), ["name", "age", "tags"])
            self.assertLessEqual(len(value["name"]), 8)
            self.assertIn(value["age"], range(121))
        text = self.server.post("/completion", {"prompt": "Numbers:", "n_predict": 60, "json_schema": {
            "type": "array", "items": {"type": "integer", "maximum": 9, "minimum": 0}, "minItems": 2, "maxItems": 2}})[1]["content"]
        self.assertEqual(len(json.loads(text)), 2)

    def test_grammars(self):
        for seed in range(4):
            body = TEXT | {"grammar": 'root ::= ("yes" | "no") "!"', "seed": seed, "temperature": 2}
            answer = self.server.post("/v1/completions", body)[1]["choices"][0]
            self.assertIn(answer["text"], ("yes!", "no!"))
            self.assertEqual(answer["finish_reason"], "stop")
            streamed = "".join(chunk["choices"][0]["text"] for chunk in self.server.stream("/v1/completions", body))
            self.assertEqual(streamed, answer["text"])

    def test_refusals(self):
        self.refuse("/v1/completions", TEXT | {"grammar": "root ::= ("}, "grammar")
        self.refuse("/v1/completions", TEXT | {"grammar": 'root ::= "a"', "json_schema": {}}, "grammar")
        self.refuse("/v1/completions", TEXT | {"response_format": {"type": "xml"}}, "response_format.type")
        self.refuse("/v1/completions", TEXT | {"response_format": {"type": "json_schema"}}, "response_format.json_schema")
        self.refuse("/v1/completions", TEXT | {"json_schema": {"type": "no such type"}}, "json_schema")

    CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bonn"}}\n</tool_call>'

    def test_calls_of_tools(self):
        grammar = "root ::= " + json.dumps("Well. " + self.CALL)
        choice = self.answer(tools=self.TOOLS, grammar=grammar)
        self.assertEqual(choice["finish_reason"], "tool_calls", choice)
        self.assertEqual(choice["message"]["content"], "Well.")
        [call] = choice["message"]["tool_calls"]
        self.assertEqual((call["type"], call["function"]["name"]), ("function", "weather"))
        self.assertEqual(json.loads(call["function"]["arguments"]), {"city": "Bonn"})
        chunks = self.server.stream("/v1/chat/completions", {"messages": CHAT["messages"], "tools": self.TOOLS, "grammar": grammar})
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        [streamed] = [one for delta in deltas for one in delta.get("tool_calls", [])]
        self.assertEqual((streamed["index"], streamed["function"]), (0, call["function"]))
        self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "tool_calls")
        for none in ({}, {"tools": self.TOOLS, "tool_choice": "none"}):
            self.assertEqual(self.answer(grammar=grammar, **none)["message"]["content"], "Well. " + self.CALL)
        twice = "root ::= " + json.dumps(self.CALL + "\n" + self.CALL)
        for parallel, count in ((None, 2), (True, 2), (False, 1)):
            answer = self.answer(tools=self.TOOLS, grammar=twice, parallel_tool_calls=parallel)
            self.assertEqual((len(answer["message"]["tool_calls"]), answer["finish_reason"]), (count, "tool_calls"))
        status, several = self.server.post("/v1/chat/completions", {"messages": CHAT["messages"], "tools": self.TOOLS, "grammar": twice, "n": 2})
        self.assertEqual(status, 200, several)
        self.assertEqual(len({one["id"] for each in several["choices"] for one in each["message"]["tool_calls"]}), 4)
        # The conversation goes on with the call and its result.
        messages = CHAT["messages"] + [choice["message"], {"role": "tool", "tool_call_id": call["id"], "content": "rain"}]
        status, answer = self.server.post("/v1/chat/completions", {"messages": messages, "tools": self.TOOLS, "max_tokens": 2})
        self.assertEqual(status, 200, answer)

    def test_tool_choice(self):
        """A call is written whatever the model would say, with arguments that fit."""
        person = {"type": "object", "properties": {"age": {"$ref": "#/$defs/age"}, "tag": {"enum": ["a", "b"]}},
                  "required": ["age", "tag"], "additionalProperties": False, "$defs": {"age": {"type": "integer", "minimum": 0, "maximum": 120}}}
        tools = [{"type": "function", "function": {"name": "say \"so\"", "parameters": {"type": "object", "properties": {
                     "word": {"type": "string", "maxLength": 5}}, "required": ["word"], "additionalProperties": False}}},
                 {"type": "function", "function": {"name": "person", "parameters": person}}]
        named = {"type": "function", "function": {"name": "person"}}
        called = set()
        for seed in range(6):
            for choice in ("required", named):
                answer = self.answer(tools=tools, tool_choice=choice, parallel_tool_calls=False, seed=seed, temperature=2)
                self.assertEqual(answer["finish_reason"], "tool_calls", answer)
                self.assertFalse(answer["message"]["content"])
                [call] = answer["message"]["tool_calls"]
                name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
                if name == "person":
                    self.assertIn(arguments["age"], range(121))
                    self.assertIn(arguments["tag"], ("a", "b"))
                else:
                    self.assertEqual((name, choice), ('say "so"', "required"))
                    self.assertLessEqual(len(arguments["word"]), 5)
                called.add((name, choice == named))
        self.assertEqual(called, {("person", True), ("person", False), ('say "so"', False)})
        chunks = self.server.stream("/v1/chat/completions", {"messages": CHAT["messages"], "tools": tools, "tool_choice": named})
        [streamed] = [one for chunk in chunks for one in chunk["choices"][0]["delta"].get("tool_calls", [])]
        self.assertEqual(streamed["function"]["name"], "person")
        nothing = [{"type": "function", "function": {"name": "f", "parameters": {"additionalProperties": False}}}]
        [call] = self.answer(tools=nothing, tool_choice="required")["message"]["tool_calls"]
        self.assertEqual(call["function"], {"name": "f", "arguments": "{}"})
        for more, param in [({"tool_choice": "required"}, "tool_choice"), ({"tools": tools, "tool_choice": "must"}, "tool_choice"),
                            ({"tools": tools, "tool_choice": {"type": "function"}}, "tool_choice.function.name"),
                            ({"tools": tools, "tool_choice": named | {"function": {"name": "g"}}}, "tool_choice.function.name"),
                            ({"tools": tools, "tool_choice": "required", "json_schema": {}}, "tool_choice"),
                            ({"tools": [{"function": {"name": "f", "parameters": {"type": "array"}}}], "tool_choice": "required"},
                             "tools[0].function.parameters.type"),
                            ({"tools": [{"function": {"name": "f", "parameters": {"not": {}}}}], "tool_choice": "required"}, "tools")]:
            self.refuse("/v1/chat/completions", {"messages": CHAT["messages"]} | more, param)

    def test_reasoning(self):
        props = self.server.get("/props")[1]
        self.assertEqual(props["default_generation_settings"]["params"]["chat_template_kwargs"], {"enable_thinking": False})
        self.assertTrue(props["chat_template_caps"]["supports_tools"])
        choice = self.answer(max_tokens=20, ignore_eos=True, grammar='root ::= "ok"', chat_template_kwargs={"enable_thinking": True})
        self.assertEqual(choice["message"]["content"], "")
        self.assertGreater(len(choice["message"]["reasoning_content"]), 5)
        self.assertEqual(self.answer(grammar='root ::= "ok"')["message"], {"role": "assistant", "content": "ok"})
        thinking = {"max_tokens": 20, "ignore_eos": True, "seed": 1, "chat_template_kwargs": {"enable_thinking": True}}
        apart, together = (self.answer(**thinking, reasoning_format=form)["message"] for form in ("auto", "none"))
        self.assertEqual(apart["reasoning_content"], together["content"].strip())
        self.assertNotIn("reasoning_content", together)

    def test_a_schema_beside_the_type(self):
        for kind in ("json_object", "json_schema"):
            content = self.answer(response_format={"type": kind, "schema": {"const": 7}})["message"]["content"]
            self.assertEqual(content, "7", kind)

    def test_efforts_go_to_the_template(self):
        def prompt(**more):
            status, answer = self.server.post("/apply-template", {"messages": CHAT["messages"]} | more)
            return answer["prompt"] if status == 200 else answer["error"]["param"]

        self.assertTrue(prompt(chat_template_kwargs={"enable_thinking": True}).endswith("<think>\n"))
        self.assertEqual(prompt(reasoning_effort="none"), prompt(chat_template_kwargs={"enable_thinking": False}))
        self.assertEqual(prompt(reasoning_effort="high"), "reasoning_effort")  # this template knows no degrees

    def test_what_vllm_s_clients_send(self):
        sent = {"min_tokens": 0, "skip_special_tokens": True, "spaces_between_special_tokens": True, "stop_token_ids": [],
                "include_stop_str_in_output": False, "return_token_ids": False, "detokenize": True, "priority": 0, "request_id": "a",
                "repetition_penalty": 1.0, "best_of": 1, "use_beam_search": False, "prompt_logprobs": None}
        self.assertEqual(self.answer(grammar='root ::= "ok"', **sent)["message"]["content"], "ok")

    def test_what_the_page_of_llama_cpp_sends(self):
        sent = {"return_progress": True, "reasoning_format": "auto", "backend_sampling": False, "reasoning_control": True,
                "temperature": 0.8, "dynatemp_range": 0, "dynatemp_exponent": 1, "top_k": 40, "top_p": 0.95, "min_p": 0.05,
                "xtc_probability": 0, "xtc_threshold": 0.1, "typ_p": 1, "repeat_last_n": 64, "repeat_penalty": 1,
                "presence_penalty": 0, "frequency_penalty": 0, "dry_multiplier": 0, "dry_base": 1.75, "dry_allowed_length": 2,
                "dry_penalty_last_n": -1, "timings_per_token": True, "thinking_budget_tokens": -1, "max_tokens": -1,
                "samplers": ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]}
        chunks = self.server.stream("/v1/chat/completions", CHAT | sent | {"grammar": 'root ::= "ok"', "ignore_eos": False})
        self.assertEqual("".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks), "ok")


class Keys(Case):
    options = ["--api-key", "secret", "--alias", "my-model", "--cors-origin", "https://example.org"]

    def test_all_but_health_and_page_ask_for_the_key(self):
        for path in ("/health", "/v1/health"):
            self.assertEqual(self.server.get(path)[0], 200)
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer secret2"}, {"Authorization": ""}):
            self.assertEqual(self.server.get("/v1/models", **headers)[0], 401, headers)
            self.assertEqual(self.server.post("/v1/completions", TEXT, **headers)[0], 401)
        status, models = self.server.get("/v1/models", Authorization="Bearer secret")
        self.assertEqual((status, models["data"][0]["id"]), (200, "my-model"))
        self.assertEqual(self.server.get("/v1/models", **{"X-Api-Key": "secret"})[0], 200)

    def test_pages_of_the_named_origin_may_read(self):
        status, headers, _ = self.server.request("OPTIONS", "/v1/chat/completions")
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (204, "https://example.org"))

    def test_a_model_without_a_template_has_no_chats(self):
        status, answer = self.server.post("/v1/chat/completions", CHAT, Authorization="Bearer secret")
        self.assertEqual(status, 400)
        self.assertIn("--chat-template", answer["error"]["message"])


class Lifetime(unittest.TestCase):
    def test_a_client_that_goes_away_frees_its_slot(self):
        with Server("-np", 1, "-c", 1024) as server:
            server.stream("/v1/completions", TEXT | {"max_tokens": 1000, "ignore_eos": True}, stop_after=2)
            connection = server.connect()
            connection.request("POST", "/v1/completions", json.dumps(TEXT | {"max_tokens": 1000, "ignore_eos": True}))
            deadline = time.time() + 30
            while server.metrics()["lieq_running"] == 0 and time.time() < deadline:
                time.sleep(0.02)
            connection.close()
            while server.metrics()["lieq_cancelled_total"] < 2 and time.time() < deadline:
                time.sleep(0.02)
            metrics = server.metrics()
            self.assertEqual((metrics["lieq_cancelled_total"], metrics["lieq_running"], metrics["lieq_waiting"]), (2, 0, 0))
            self.assertEqual(server.post("/v1/completions", TEXT)[0], 200)

    def test_more_than_the_queue_holds_is_told_to_come_back(self):
        with Server("-np", 1, "--queue", 1, "-c", 1024) as server:
            body = json.dumps(TEXT | {"max_tokens": 1000, "ignore_eos": True})
            waiting = [server.connect() for _ in range(2)]
            for count, connection in enumerate(waiting):
                connection.request("POST", "/v1/completions", body)
                deadline = time.time() + 30
                while server.metrics()["lieq_texts_total"] < count + 1 and time.time() < deadline:
                    time.sleep(0.02)
                time.sleep(0.2)  # the first is running before the second is counted as waiting
            status, headers, answer = server.request("POST", "/v1/completions", json.dumps(TEXT))
            self.assertEqual((status, headers["Retry-After"]), (429, "1"), answer)
            for connection in waiting:
                connection.close()

    def test_ctrl_c_lets_answers_end_and_a_second_one_does_not(self):
        for presses in (1, 2):
            with Server("-c", 1024, "--grace", 60) as server:
                got = []
                client = threading.Thread(target=lambda: got.append(
                    server.post("/v1/completions", TEXT | {"max_tokens": 900, "ignore_eos": True})))
                client.start()
                deadline = time.time() + 30
                while server.metrics()["lieq_running"] == 0 and time.time() < deadline:
                    time.sleep(0.02)
                server.interrupt(signal.SIGTERM if presses == 1 else signal.SIGINT)  # service managers send SIGTERM
                time.sleep(0.3)
                self.assertRaises(ConnectionRefusedError, server.get, "/health")
                if presses == 2:
                    server.interrupt()
                self.assertEqual(server.wait(), 0)
                client.join()
                self.assertEqual(got[0][0], 200 if presses == 1 else 503, got)

    def test_environment_mirrors(self):
        with Server(env={"LLAMA_ARG_ALIAS": "named", "LLAMA_ARG_CTX_SIZE": "200", "LLAMA_ARG_N_PARALLEL": "3"}) as server:
            self.assertEqual(server.get("/v1/models")[1]["data"][0]["id"], "named")
            props = server.get("/props")[1]
            self.assertEqual((props["total_slots"], props["default_generation_settings"]["n_ctx"]), (3, 200))

    def test_an_address_of_ipv6_is_told_as_browsers_want_it(self):
        if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists() or not Path("/proc/net/if_inet6").read_text():
            self.skipTest("needs IPv6, which is not configured")
        server = subprocess.Popen([LIEQ, "serve", DEMO, "--host", "::1", "--port", "0"], stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL)
        self.assertRegex(server.stdout.readline(), r" at http://\[::1\]:\d+$")
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=60)

    def test_usage(self):
        def refuse(*args, env=None):
            done = subprocess.run([LIEQ, "serve", *map(str, args)], capture_output=True, text=True, timeout=60,
                                  env=os.environ | (env or {}))
            self.assertEqual((done.stdout, len(done.stderr.splitlines())), ("", 1), done)
            return done.returncode, done.stderr

        self.assertEqual(refuse()[0], 2)
        self.assertEqual(refuse("/nowhere", "--port", 0)[0], 1)
        self.assertEqual(refuse(DEMO, "--port", 0, "-c", 5000)[0], 2)
        self.assertEqual(refuse(DEMO, env={"LLAMA_ARG_PORT": "eighty"})[0], 2)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            status, error = refuse(DEMO, "--port", taken.getsockname()[1])
            self.assertEqual(status, 1)
            self.assertIn("in use", error)


if __name__ == "__main__":
    unittest.main()
