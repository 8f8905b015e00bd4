#!/usr/bin/env python3
"""Runs the lieq program as a user would: cli_test.py CLASS [unittest options]. Paths come from the environment."""

import gzip
import json
import math
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from random import Random

LIEQ = os.environ["LIEQ"]
SOURCE = Path(os.environ["LIEQ_SOURCE_DIR"])
SHARED = Path(os.environ["LIEQ_SHARED_DIR"])
DEMO = SOURCE / "demo"
HOSTILE = SOURCE / "tests/data/hostile"
TINY = SOURCE / "tests/data/tiny-llama"
TINY_GGUF = SOURCE / "tests/data/tiny-llama.gguf"


def lieq(*args, stdin: str | bytes = "") -> subprocess.CompletedProcess:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([LIEQ, *map(str, args)], input=data, capture_output=True, timeout=300)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class Case(unittest.TestCase):
    def succeed(self, *args, stdin: str | bytes = "") -> str:
        done = lieq(*args, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refuse(self, status: int, *args, stdin: str | bytes = "") -> str:
        """The one line of a refusal: nothing on standard output, no stack trace."""
        done = lieq(*args, stdin=stdin)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith("lieq: "), lines[0])
        return lines[0]


class Inspect(Case):
    def test_demo_as_text(self):
        text = self.succeed("inspect", DEMO)
        for part in ("Qwen3ForCausalLM", "12 of hidden_size 256", "byte-level BPE (Qwen2 pattern), 4096 ids", "16.000 true bits"):
            self.assertIn(part, text)

    def test_json_counts_every_parameter_once(self):
        info = json.loads(self.succeed("inspect", TINY, "--json"))
        header = (TINY / "model.safetensors").read_bytes()
        tensors = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])
        tensors.pop("__metadata__", None)
        count = sum(math.prod(tensor["shape"]) for tensor in tensors.values())
        self.assertEqual(info["parameters"], count)
        self.assertEqual(info["file_bytes"], (TINY / "model.safetensors").stat().st_size)

    def test_gguf_and_folder_agree(self):
        folder, gguf = (json.loads(self.succeed("inspect", path, "--json")) for path in (TINY, TINY_GGUF))
        for key in ("architecture", "parameters", "hidden_size", "num_hidden_layers", "vocab_size", "tie_word_embeddings"):
            self.assertEqual(folder[key], gguf[key], key)


class InTemporaryFolder(Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class Evaluate(InTemporaryFolder):
    def evaluate(self, *args) -> list[dict]:
        output = self.folder / "r.json"
        self.table = self.succeed("eval", *args, "--output", output)
        return json.loads(output.read_text())

    def test_demo_perplexity_equals_transformers(self):
        golden = json.loads((DEMO / "golden.json").read_text())
        (record,) = self.evaluate(DEMO, "--text", DEMO / "heldout.txt", "--window", golden["window"])
        self.assertEqual(record["num_tokens"], golden["windows"] * golden["scored_per_window"])
        self.assertAlmostEqual(record["perplexity"] / golden["perplexity"], 1, delta=1e-5)
        self.assertAlmostEqual(record["nll"], golden["mean_nll"], delta=1e-5)
        for field in ("model", "text", "protocol", "window", "perplexity_stderr", "code_bits", "true_bits", "file_bytes"):
            self.assertIn(field, record)
        self.assertNotIn("kl", record)
        self.assertIn(f"{record['perplexity']:.4f}", self.table)

    def test_the_same_model_twice_has_no_distance(self):
        first, second = self.evaluate(DEMO, str(DEMO) + "/", "--text", DEMO / "heldout.txt", "--window", 128, "--chunks", 8)
        self.assertEqual(second["kl"], 0)
        self.assertEqual(second["top1"], 1)
        self.assertEqual(first["nll"], second["nll"])

    def test_results_do_not_depend_on_threads(self):
        args = (DEMO, "--text", DEMO / "heldout.txt", "--window", 200, "--chunks", 5)
        one, two = (self.evaluate(*args, "--threads", n)[0] for n in (1, 2))
        one.pop("seconds"), two.pop("seconds")
        self.assertEqual(one, two)

    def test_brain_float_is_close_but_not_equal(self):
        args = (DEMO, "--text", DEMO / "heldout.txt", "--window", 512, "--chunks", 4)
        exact, rounded = self.evaluate(*args)[0], self.evaluate(*args, "--compute", "bf16")[0]
        self.assertNotEqual(exact["nll"], rounded["nll"])
        self.assertAlmostEqual(exact["nll"], rounded["nll"], delta=0.01)

    def test_wikitext_perplexity_of_a_golden_model(self):
        golden = SHARED / "golden/models/qwen3_tied_f16"
        if not golden.exists():
            self.skipTest(f"needs {golden}")
        gguf = SHARED / "golden/gguf/qwen3_tied_f16.Q8_0.gguf"
        records = self.evaluate(golden, gguf, "--text", SHARED / "golden/models/eval.txt", "--window", 256, "--chunks", 4)
        self.assertGreater(records[1]["kl"], 0)
        self.assertLess(records[1]["kl"], 0.01)
        self.assertGreater(records[1]["top1"], 0.9)
        self.assertEqual(records[1]["true_bits"], 8.5)

    def test_jsonl_documents(self):
        text = self.folder / "t.jsonl"
        text.write_text("".join(json.dumps({"body": "In the beginning was the Word. " * 20}) + "\n" for _ in range(3)))
        (record,) = self.evaluate(DEMO, "--text", text, "--field", "body", "--window", 64)
        self.assertGreater(record["num_tokens"], 100)
        self.assertIn("'text'", self.refuse(1, "eval", DEMO, "--text", text, "--window", 64))

    def test_short_and_empty_texts_are_refused(self):
        text = self.folder / "t.txt"
        text.write_text("too short")
        line = self.refuse(2, "eval", DEMO, "--text", text, "--output", self.folder / "out.json")
        self.assertIn("t.txt", line)
        self.assertIn("expected at least one window of", line)
        text.write_text("")
        self.assertIn("t.txt", self.refuse(1, "eval", DEMO, "--text", text, "--output", self.folder / "out.json"))
        self.assertFalse((self.folder / "out.json").exists())

    def test_invalid_utf8_is_replaced_and_counted(self):
        text = self.folder / "t.txt"
        text.write_bytes(b"In the beginning \xff\xfe was the Word. " * 30)
        done = lieq("eval", DEMO, "--text", text, "--window", 64)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("60 invalid UTF-8 sequences replaced", done.stderr)

    def test_a_window_beyond_the_context_is_refused(self):
        line = self.refuse(2, "eval", DEMO, "--text", DEMO / "heldout.txt", "--window", 100000)
        self.assertIn("max_position_embeddings = 1024", line)

    def test_an_output_that_cannot_be_written_is_an_error(self):
        done = lieq("eval", DEMO, "--text", DEMO / "heldout.txt", "--window", 64, "--chunks", 1, "--output", self.folder / "no/r.json")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no/r.json", done.stderr.splitlines()[-1])


class Generate(Case):
    def test_greedy_text_equals_transformers(self):
        golden = json.loads((DEMO / "golden.json").read_text())
        for run in golden["greedy"]:
            if run["min_margin"] < 1e-3:
                continue  # too close to call for two float32 implementations
            text = self.succeed("run", DEMO, "-p", run["prompt"], "-n", len(run["ids"]), "--temp", 0, "--ignore-eos")
            self.assertEqual(text, run["prompt"] + run["text"] + "\n")

    def test_sampling_repeats_with_its_seed(self):
        texts = [self.succeed("run", DEMO, "-p", "And", "-n", 20, "--temp", 1, "--seed", seed) for seed in (1, 1, 2)]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def test_the_context_limit_is_named(self):
        self.assertIn("max_position_embeddings", self.refuse_run("-n", 100000))

    def refuse_run(self, *args) -> str:
        done = lieq("run", DEMO, "-p", "And", *args)
        self.assertEqual(done.returncode, 2)
        return done.stderr

    def test_an_empty_prompt_is_refused(self):
        done = lieq("run", DEMO, "-p", "")
        self.assertEqual(done.returncode, 2)
        self.assertIn("prompt", done.stderr)


    def test_bad_sampling_options_are_named(self):
        for args, name in ((("--top-p", 2), "top_p"), (("--top-p", 0), "top_p"), (("--temp", -1), "temperature"), (("--min-p", 1.5), "min_p"),
                           (("--repeat-penalty", 0), "repeat_penalty"), (("--top-k", -1), "top-k"), (("--ctx-size", 5000), "max_position_embeddings = 1024")):
            self.assertIn(name, self.refuse(2, "run", DEMO, "-p", "And", *args))

    def test_sampling_steps_that_leave_one_token_are_greedy(self):
        greedy = self.succeed("run", DEMO, "-p", "And", "-n", 12)
        for args in (("--top-k", 1), ("--top-p", 1e-9), ("--min-p", 1)):
            self.assertEqual(self.succeed("run", DEMO, "-p", "And", "-n", 12, "--temp", 1, *args), greedy)

    def test_a_prompt_from_a_file(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("In the beginning\n")
            file.flush()
            self.assertEqual(self.succeed("run", DEMO, "-f", file.name, "-n", 5), self.succeed("run", DEMO, "-p", "In the beginning", "-n", 5))
        self.assertIn("nowhere.txt", self.refuse(1, "run", DEMO, "-f", "nowhere.txt"))

    def test_until_the_context_is_full(self):
        done = lieq("run", DEMO, "-p", "And", "-n", -1, "-c", 30, "--ignore-eos")
        self.assertEqual(done.returncode, 0, done.stderr)
        prompt, new = (int(part.split()[0]) for part in re.findall(r"\d+ tokens", done.stderr))
        self.assertEqual(prompt + new, 31)  # the last token takes no room


#: The demo model was not taught to talk, so it is told how a conversation looks, and stays greedy.
CHAT = ("chat", DEMO, "--chat-template", "chatml", "--temp", 0, "--ignore-eos", "-n", 6)


def chatml(*turns: str) -> str:
    roles = ("user", "assistant")
    said = "".join(f"<|im_start|>{roles[i % 2]}\n{turn}<|im_end|>\n" for i, turn in enumerate(turns))
    return said + "<|im_start|>assistant\n"


class Terminal:
    """lieq with a pseudo-terminal as its standard input and output."""

    def __init__(self, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(LIEQ, [LIEQ, *map(str, args)])
        self.seen = ""

    def read(self) -> bool:
        try:
            data = os.read(self.fd, 4096)
        except OSError:  # the other side has gone
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, text: str) -> str:
        """Reads until `text` comes; returns what was before it."""
        while text not in self.seen:
            if not self.read():
                raise AssertionError(f"no {text!r} in {self.seen!r}")
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def status(self) -> int:
        while self.read():
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Chat(InTemporaryFolder):
    def continuation(self, prompt: str) -> str:
        """What run makes of a prompt that chat should have made."""
        return self.succeed("run", DEMO, "-p", prompt, "-n", 6, "--ignore-eos").removeprefix(prompt)

    def test_each_line_is_a_turn(self):
        first = self.continuation(chatml("In the beginning")).removesuffix("\n")
        second = self.continuation(chatml("In the beginning", first, "And God said"))
        self.assertEqual(self.succeed(*CHAT, stdin="In the beginning\n\nAnd God said\n"), f"{first}\n{second}")

    def test_a_common_history_is_not_run_again(self):
        one, two = lieq(*CHAT, stdin="In the beginning\n"), lieq(*CHAT, stdin="In the beginning\nAnd God said\n")
        tokens = [int(re.search(r"prompt: (\d+) tokens", done.stderr)[1]) for done in (one, two)]
        whole = self.succeed("tokenize", DEMO, stdin=chatml("In the beginning", "x", "And God said").replace("\n", " ") + "\n").split()
        self.assertLess(tokens[1], tokens[0] + len(whole))

    def test_the_first_message_as_an_option(self):
        answer = self.continuation(chatml("In the beginning"))
        self.assertEqual(self.succeed(*CHAT, "-p", "In the beginning", stdin="never read\n"), answer)

    def test_system_prompt_and_template_arguments(self):
        template = self.folder / "t.jinja"
        template.write_text("{% for m in messages %}{{ m.role }}={{ m.content }};{% endfor %}{{ mood }}{{ n + 1 }}{{ enable_thinking }}")
        args = ("-sys", "Be kind", "--template-arg", "mood=good", "--template-arg", "n=1", "--no-think")
        answer = self.continuation("system=Be kind;user=And;good2False")
        self.assertEqual(self.succeed("chat", DEMO, "--chat-template", template, "--temp", 0, "--ignore-eos", "-n", 6, *args, "-p", "And"), answer)

    def test_clear_starts_anew(self):
        answers = self.succeed(*CHAT, stdin="And\n/clear\nAnd\n/exit\nAnd\n").splitlines()
        alone = self.succeed(*CHAT, stdin="And\n").splitlines()
        self.assertEqual(answers, alone * 2)

    def test_seeds(self):
        sampled = ("chat", DEMO, "--chat-template", "chatml", "--temp", 1, "--ignore-eos", "-n", 20, "-p", "And")
        texts = [self.succeed(*sampled, "--seed", seed) for seed in (1, 1, 2)]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def test_stop_tokens_of_generation_config(self):
        model = self.folder / "m"
        shutil.copytree(DEMO, model)
        (model / "chat_template.jinja").write_text("{{ messages[-1].content }}")
        ids = self.succeed("tokenize", DEMO, stdin=self.succeed("run", DEMO, "-p", "In the beginning", "-n", 3, "--ignore-eos")).split()
        for stops in (int(ids[-1]), [4095, int(ids[-1])]):
            (model / "generation_config.json").write_text(json.dumps({"eos_token_id": stops}))
            text = self.succeed("chat", model, "--temp", 0, "-p", "In the beginning", "-n", 10)
            whole = self.succeed("run", DEMO, "-p", "In the beginning", "-n", 2, "--ignore-eos").removeprefix("In the beginning")
            self.assertEqual(text, whole)

    def test_a_conversation_beyond_the_context_is_refused(self):
        line = self.refuse(2, *CHAT, "-c", 16, "-p", "And God said " * 10)
        for part in ("context of 16", "/clear", "--ctx-size", "1024"):
            self.assertIn(part, line)
        self.assertIn("max_position_embeddings = 1024", self.refuse(2, *CHAT, "-c", 2000, "-p", "x"))

    def test_templates_that_do_not_work(self):
        line = self.refuse(1, "chat", DEMO, "-p", "x")
        for part in ("demo", "no chat template", "--chat-template", "chatml"):
            self.assertIn(part, line)
        template = self.folder / "t.jinja"
        args = ("chat", DEMO, "--chat-template", template, "-p", "x")
        template.write_text("a\n{% for m in messages %}")
        self.assertIn("t.jinja: line 2", self.refuse(1, *args).replace("line 3", "line 2"))
        template.write_text("{{ raise_exception('only haiku') }}")
        self.assertIn("only haiku", self.refuse(2, *args))
        self.assertIn("nonsense", self.refuse(2, "chat", DEMO, "--chat-template", "nonsense", "-p", "x"))
        self.assertIn("KEY=VALUE", self.refuse(2, "chat", DEMO, "--chat-template", "chatml", "--template-arg", "x", "-p", "x"))

    def test_ctrl_c_stops_the_answer_and_ctrl_d_leaves(self):
        terminal = Terminal("chat", DEMO, "--chat-template", "chatml", "--temp", 0, "--ignore-eos")
        terminal.wait_for("> ")
        terminal.type("And God said\n")
        terminal.wait_for("And God said\r\n")
        while len(terminal.seen) < 20:  # a thousand tokens would follow
            self.assertTrue(terminal.read())
        terminal.type("\x03")
        terminal.wait_for("> ")
        terminal.type("/help\n")
        terminal.wait_for("/clear")
        terminal.wait_for("> ")
        terminal.type("\x04")
        terminal.wait_for("tokens/s")
        self.assertEqual(terminal.status(), 0)

    def test_ctrl_c_at_the_prompt_leaves(self):
        terminal = Terminal(*CHAT)
        terminal.wait_for("> ")
        terminal.type("\x03")
        terminal.wait_for("tokens/s")
        self.assertEqual(terminal.status(), 0)

    def test_an_overflow_at_a_terminal_is_told_and_the_talk_goes_on(self):
        terminal = Terminal(*CHAT, "-c", 60)
        terminal.wait_for("> ")
        terminal.type("And God said " * 20 + "\n")
        terminal.wait_for("/clear")
        terminal.wait_for("> ")
        terminal.type("And\n")
        terminal.wait_for("And\r\n")
        self.assertNotIn("lieq:", terminal.wait_for("> "))
        terminal.type("/exit\n")
        self.assertEqual(terminal.status(), 0)


class Tokenize(Case):
    def test_golden_conversations(self):
        golden = SHARED / "golden/tokenizers/qwen3"
        if not golden.exists():
            self.skipTest(f"needs {golden}")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "tokenizer.json").write_bytes(gzip.decompress((golden / "tokenizer.json.gz").read_bytes()))
            shutil.copy(golden / "tokenizer_config.json", folder)
            lines = (golden / "chat.jsonl").read_text()
            got = [json.loads(line) for line in self.succeed("tokenize", folder, "--chat", stdin=lines).split("\n") if line]
        expected = [json.loads(line) for line in lines.split("\n") if line]
        self.assertEqual(got, [{"prompt": line["prompt"], "ids": line["ids"]} for line in expected])

    TEXTS = ["In the beginning God created the heaven and the earth.", "", "  two  blanks ", "naïve 12345 — ünïcödé 😀", "a\tb"]

    def test_lines_go_there_and_back(self):
        for model in (DEMO, DEMO / "tokenizer.json", TINY_GGUF):
            ids = self.succeed("tokenize", model, "--no-special", stdin="".join(t + "\n" for t in self.TEXTS))
            self.assertEqual(len(ids.splitlines()), len(self.TEXTS))
            back = self.succeed("tokenize", model, "--decode", stdin=ids)
            self.assertEqual(back.splitlines(), self.TEXTS)

    def test_jsonl_goes_there_and_back(self):
        texts = [*self.TEXTS, "line\nbreaks\r\nand \u2028 separators"]
        lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
        ids = self.succeed("tokenize", DEMO, "--jsonl", stdin=lines)
        self.assertTrue(all(isinstance(i, int) for i in json.loads(ids.splitlines()[0])["ids"]))
        back = self.succeed("tokenize", DEMO, "--jsonl", "--decode", stdin=ids)
        self.assertEqual([json.loads(line)["text"] for line in back.split("\n") if line], texts)

    def test_golden_ids(self):
        golden = SHARED / "golden/models/llama_gqa_untied_f32"
        strings = SHARED / "golden/tokenizers/strings.jsonl"
        if not strings.exists():
            self.skipTest(f"needs {strings}")
        texts = {json.loads(line)["i"]: json.loads(line)["text"] for line in strings.read_text().splitlines()}
        expected = [json.loads(line) for line in (golden / "encode.jsonl").read_text().splitlines()]
        lines = "".join(json.dumps({"text": texts[e["i"]]}) + "\n" for e in expected)
        for option, pick in (((), lambda e: e["ids_special"] or e["ids"]), (("--no-special",), lambda e: e["ids"])):
            got = self.succeed("tokenize", golden, "--jsonl", *option, stdin=lines).splitlines()
            self.assertEqual([json.loads(line)["ids"] for line in got], [pick(e) for e in expected])

    def test_bad_lines_are_named(self):
        for args, stdin, parts in (
            (("--decode",), "1 2\n3 x\n", ("line 2", "'3 x'")),
            (("--decode",), "4096\n", ("line 1", "4096")),
            (("--decode", "--jsonl"), '{"id": [1]}\n', ("line 1", "ids")),
            (("--jsonl",), '{"text": 7}\n', ("line 1", "'text'", "expected a string")),
            (("--jsonl",), "not json\n", ("line 1", "not valid JSON")),
        ):
            done = lieq("tokenize", DEMO, *args, stdin=stdin)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            for part in parts:
                self.assertIn(part, done.stderr)

    def test_invalid_utf8_is_replaced_and_counted(self):
        done = lieq("tokenize", DEMO, stdin=b"a\xffb\n")
        self.assertEqual(done.returncode, 0)
        self.assertIn("1 invalid UTF-8 sequence", done.stderr)


class BadInput(Case):
    """Every hostile file gives its one line through the program too."""

    def test_hostile_models(self):
        expected = json.loads((HOSTILE / "expected.json").read_text())
        self.assertGreaterEqual(len(expected), 25)
        for name, case in expected.items():
            if case["via"] == "safetensors":
                continue  # single files are no models; the io tests read them
            model = HOSTILE / name
            if case["via"] == "folder":  # shards without a config.json: lend them one
                with tempfile.TemporaryDirectory() as folder:
                    for file in {file.name: file for file in [TINY / "config.json", *model.iterdir()]}.values():
                        (Path(folder) / file.name).symlink_to(file)
                    line = self.refuse(1, "inspect", folder)
                    parts = [part for part in case["error"] if not part.startswith(name)]
            else:
                status = 2 if name.startswith("gguf_split_later") else 1  # naming the wrong part is wrong usage
                line, parts = self.refuse(status, "inspect", model), case["error"]
            for part in parts:
                self.assertIn(part, line, name)

    def test_the_models_they_were_made_from_are_good(self):
        for model in (TINY, TINY_GGUF):
            self.succeed("inspect", model)

    def test_missing_and_wrong_paths(self):
        self.assertIn("no such file or folder", self.refuse(1, "inspect", "nowhere"))
        self.assertIn("expected the model folder", self.refuse(1, "inspect", TINY / "model.safetensors"))
        self.assertIn("README.md", self.refuse(1, "inspect", SOURCE / "README.md"))
        self.assertIn("nowhere.txt", self.refuse(1, "eval", DEMO, "--text", "nowhere.txt"))


#: A short quantisation of the demo model: few tokens, one round of descent.
QUICK = ("--calib", DEMO / "heldout.txt", "--calib-windows", 4, "--calib-window", 64, "--sweeps", 1)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def write_outlier_model(folder: Path) -> None:
    """The demo model with every eighth input of q, k, v, gate and up made 256 times larger and its norm gain as much smaller:
    powers of two, so the model computes exactly the same, but min-max ranges are spoiled."""
    shutil.copytree(DEMO, folder)
    data = bytearray((folder / "model.safetensors").read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    for name, tensor in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        part = name.split(".")[-2]
        shift = -8 if part.endswith("layernorm") else 8 if part in ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj") else 0
        if shift == 0:
            continue
        columns = tensor["shape"][-1]
        begin, end = (start + offset for offset in tensor["data_offsets"])
        for position in range(begin, end, 16):  # every eighth BF16
            if (position - begin) // 2 % columns % 8 == 0:
                bits = int.from_bytes(data[position : position + 2], "little")
                if bits & 0x7F80:  # not zero: the exponent takes the factor
                    data[position : position + 2] = (bits + (shift << 7)).to_bytes(2, "little")
    (folder / "model.safetensors").write_bytes(data)


class Quantize(InTemporaryFolder):
    def test_stages_give_what_quantize_gives(self):
        """diagnose -> allocate -> quantize --plan writes the same weights as quantize alone would from the same scores."""
        scores, plan, svg = self.folder / "scores.json", self.folder / "plan.json", self.folder / "depth.svg"
        self.succeed("diagnose", DEMO, "--text", DEMO / "heldout.txt", "--per-bucket", 5, "-o", scores, "--svg", svg)
        self.assertEqual(svg.read_text().count('<polyline class="mean"'), 2)
        self.succeed("allocate", scores, "--top", 2, "-o", plan)
        bits = [layer["bits"] for layer in json.loads(plan.read_text())["layers"]]
        self.assertEqual(sorted(bits), [2] * 10 + [4] * 2)
        self.succeed("quantize", DEMO, "-o", self.folder / "a", "--plan", plan, *QUICK)
        table = self.succeed("quantize", DEMO, "-o", self.folder / "b", "--scores", scores, "--top", 2, *QUICK)
        self.assertEqual((self.folder / "a/model.safetensors").read_bytes(), (self.folder / "b/model.safetensors").read_bytes())
        self.assertIn("KL", table)
        info = json.loads(self.succeed("inspect", self.folder / "a", "--json"))
        self.assertEqual([layer["code_bits"] for layer in info["layers"]], bits)
        provenance = json.loads((self.folder / "b/lieq.json").read_text())
        self.assertEqual([layer["bits"] for layer in provenance["plan"]["layers"]], bits)
        self.assertEqual(len(provenance["linears"]), 12 * 7)
        self.assertFalse(list(self.folder.glob("*.partial")))

    def test_the_quantised_model_runs_and_compares(self):
        self.succeed("quantize", DEMO, "-o", self.folder / "q", "--bits", 4, *QUICK)
        out = self.folder / "r.json"
        self.succeed("eval", DEMO, self.folder / "q", "--text", DEMO / "heldout.txt", "--window", 256, "--chunks", 8, "-o", out)
        original, quantised = json.loads(out.read_text())
        self.assertEqual(quantised["code_bits"], 4)
        self.assertLess(quantised["perplexity"], 1.1 * original["perplexity"])
        self.assertGreater(quantised["kl"], 0)
        self.assertTrue(self.succeed("run", self.folder / "q", "-p", "In the beginning", "-n", 5).startswith("In the beginning"))

    def test_any_number_of_threads_gives_the_same_bytes(self):
        for threads in (1, 2, 3):
            self.succeed("quantize", DEMO, "-o", self.folder / str(threads), "--top", 1, "--threads", threads, *QUICK)
        one, two, three = (contents(self.folder / str(n)) for n in (1, 2, 3))
        self.assertEqual(one["model.safetensors"], two["model.safetensors"])
        self.assertEqual(one["model.safetensors"], three["model.safetensors"])

    def test_a_collapsed_model_is_called_broken(self):
        """Two bits from the extremes of a group ruin a model with outlier channels: status 3, files kept with a warning."""
        model = self.folder / "outliers"
        write_outlier_model(model)
        done = lieq("quantize", model, "-o", self.folder / "q", "--bits", 2, "--method", "rtn", "--grid", "asym", "--no-search", *QUICK)
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn("this model is broken", done.stderr.splitlines()[-1])
        self.assertIn("broken", json.loads((self.folder / "q/lieq.json").read_text())["warning"])
        self.succeed("inspect", self.folder / "q")

    def test_refusals(self):
        existing = self.folder / "there"
        existing.mkdir()
        text = self.folder / "t.txt"
        text.write_text("short")
        plan = self.folder / "plan.json"
        scores = self.folder / "scores.json"
        self.succeed("diagnose", DEMO, "--text", DEMO / "heldout.txt", "--per-bucket", 2, "-o", scores)
        self.succeed("allocate", scores, "--top", 1, "-o", plan)
        broken = json.loads(plan.read_text())
        broken["layers"][3]["layer"] = 99
        wrong = self.folder / "wrong.json"
        wrong.write_text(json.dumps(broken))
        for args, parts in (
            (("-o", existing, "--bits", 2), ("there", "--force")),
            (("-o", self.folder / "q"), ("budget", "--bits")),
            (("-o", self.folder / "q", "--bits", 2, "--top", 1), ("budget",)),
            (("-o", self.folder / "q", "--bits", 1.5), ("2",)),
            (("-o", self.folder / "q", "--size", "1MiB"), ("expected",)),
            (("-o", self.folder / "q", "--bits", 2, "--plan", plan), ("--plan",)),
            (("-o", self.folder / "q", "--plan", wrong), ("wrong.json", "99")),
            (("-o", self.folder / "q", "--bits", 2, "--group-size", 48), ("48",)),
            (("-o", self.folder / "q", "--bits", 2, "--calib", text), ("t.txt", "tokens")),
        ):
            done = lieq("quantize", DEMO, *args, *([] if "--calib" in args else QUICK))
            self.assertIn(done.returncode, (1, 2), (args, done.stdout))
            lines = [line for line in done.stderr.splitlines() if "warning" not in line and "%" not in line]
            self.assertEqual(len(lines), 1, done.stderr)
            for part in parts:
                self.assertIn(part, lines[0])
        self.assertFalse((self.folder / "q").exists())
        self.assertEqual(list(existing.iterdir()), [])

    def test_a_foreign_language_is_noticed(self):
        text = self.folder / "zh.txt"
        text.write_text("天地玄黄宇宙洪荒日月盈昃辰宿列张" * 60, encoding="utf-8")
        done = lieq("quantize", DEMO, "-o", self.folder / "q", "--top", 1, "--calib", text, "--calib-windows", 4, "--calib-window", 64, "--dry-run")
        self.assertIn("bytes a token", done.stderr)

    def test_a_full_disk_leaves_nothing_half_written(self):
        def small_files_only():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # a layer's checkpoint is larger

        done = subprocess.run([LIEQ, "quantize", DEMO, "-o", self.folder / "q", "--top", "1", *map(str, QUICK)],
                              capture_output=True, preexec_fn=small_files_only)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be written", done.stderr.decode().splitlines()[-1])
        self.assertFalse((self.folder / "q").exists())
        self.assertEqual([f.name for f in (self.folder / "q.partial").iterdir()], ["fingerprint.json"])
        self.succeed("quantize", DEMO, "-o", self.folder / "q", "--top", 1, *QUICK)  # with room, the run goes on

    def test_another_run_does_not_go_on_with_these_layers(self):
        partial = self.folder / "q.partial"
        partial.mkdir()
        (partial / "fingerprint.json").write_text('{"lieq": "0.0.0"}')
        done = lieq("quantize", DEMO, "-o", self.folder / "q", "--top", 1, *QUICK)
        self.assertEqual(done.returncode, 2)
        self.assertIn("unfinished run", done.stderr.splitlines()[-1])
        self.succeed("quantize", DEMO, "-o", self.folder / "q", "--top", 1, "--force", *QUICK)


class Resume(InTemporaryFolder):
    def test_killed_at_twenty_moments(self):
        """kill -9 at any time, then the same command again: the bytes of a run that nobody disturbed."""
        command = [LIEQ, "quantize", str(DEMO), "-o", str(self.folder / "q"), "--top", "1", *map(str, QUICK)]
        start = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        whole = time.monotonic() - start
        expected = contents(self.folder / "q")
        random = Random(7)
        resumed = 0
        for _ in range(20):
            shutil.rmtree(self.folder / "q")
            running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 1.1 * whole))
            running.kill()
            running.wait()
            if (self.folder / "q").exists():  # it was already done
                self.assertEqual(contents(self.folder / "q"), expected)
                continue
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            resumed += "going on after layer" in done.stderr
            self.assertEqual(contents(self.folder / "q"), expected)
            self.assertEqual([f.name for f in self.folder.iterdir() if ".partial" in f.name], [])
        self.assertGreater(resumed, 3)


class Usage(Case):
    def test_wrong_usage_is_status_2(self):
        for args in ((), ("inspect",), ("nonsense",), ("eval", DEMO), ("run", DEMO), ("chat",), ("eval", DEMO, "--text", "x", "--compute", "fp8"),
                     ("inspect", DEMO, "--threads", "0"), ("eval", DEMO, "--text", "x", "--window", "one")):
            self.refuse(2, *args)

    def test_help_and_version(self):
        self.assertIn("inspect", self.succeed("--help"))
        for verb in ("inspect", "eval", "run", "chat", "tokenize"):
            self.assertIn("MODEL", self.succeed(verb, "--help"))
        self.assertRegex(self.succeed("--version"), r"^lieq \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    unittest.main()
