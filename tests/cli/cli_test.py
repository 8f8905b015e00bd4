#!/usr/bin/env python3
"""Runs the lieq program as a user would: cli_test.py CLASS [unittest options]. Paths come from the environment."""

import gzip
import hashlib
import json
import math
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import unittest.mock
from pathlib import Path
from random import Random
from xml.etree import ElementTree

LIEQ = os.environ["LIEQ"]
SOURCE = Path(os.environ["LIEQ_SOURCE_DIR"])
SHARED = Path(os.environ["LIEQ_SHARED_DIR"])
DEMO = SOURCE / "demo"
HOSTILE = SOURCE / "tests/data/hostile"
TINY = SOURCE / "tests/data/tiny-llama"
TINY_GGUF = SOURCE / "tests/data/tiny-llama.gguf"


def lieq(*args, stdin: str | bytes = "", isa: str = "auto") -> subprocess.CompletedProcess:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([LIEQ, *map(str, args)], input=data, capture_output=True, timeout=300, env=os.environ | {"LIEQ_ISA": isa})
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
        self.assertEqual([gguf["layers"][0][key] for key in ("type", "code_bits", "true_bits")], ["Q4_0", 4, 4.5])


class InTemporaryFolder(Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class WithRecords(InTemporaryFolder):
    def evaluate(self, *args) -> list[dict]:
        output = self.folder / "r.json"
        self.table = self.succeed("eval", *args, "--output", output)
        return json.loads(output.read_text())


class Evaluate(WithRecords):
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

    def test_gguf_blocks_are_multiplied_from_their_codes(self):
        text = self.folder / "t.txt"
        text.write_text("In the beginning was the word. " * 40)
        options = ("--text", text, "--window", 64)
        folder, gguf = self.evaluate(TINY, TINY_GGUF, *options)
        self.assertLess(gguf["kl"], 1e-9)  # the same weights
        rounded = self.evaluate(TINY_GGUF, *options, "--activations", "int8")[0]
        self.assertNotEqual(rounded["nll"], gguf["nll"])
        self.assertAlmostEqual(rounded["nll"], gguf["nll"], delta=0.01)
        for model, warned in ((TINY, True), (TINY_GGUF, False)):
            done = lieq("eval", model, *options, "--activations", "int8")
            self.assertEqual("7 of its linears are not packed" in done.stderr, warned, done.stderr)

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

    def test_folders_of_outputs_are_made(self):
        out = self.folder / "new/deep/r.json"
        self.succeed("eval", DEMO, "--text", DEMO / "heldout.txt", "--window", 64, "--chunks", 1, "--output", out)
        self.assertTrue(json.loads(out.read_text()))

    def test_an_output_that_cannot_be_written_is_refused_before_the_work(self):
        """By every verb that writes: the model, which would be missed first, is not even looked for."""
        (self.folder / "file").write_text("")
        bad = self.folder / "file/r.json"
        for args in (("eval", "nowhere", "--text", DEMO / "heldout.txt", "-o", bad),
                     ("eval", "nowhere", "--tasks", "piqa", "--log-samples", "-o", bad),
                     ("diagnose", "nowhere", "-o", bad), ("diagnose", "nowhere", "--svg", bad),
                     ("bench", "nowhere", "-o", bad), ("allocate", "nowhere", "--top", 1, "-o", bad),
                     ("quantize", "nowhere", "--top", 1, "-o", self.folder / "file/q"),
                     ("sweep", "nowhere", "--text", DEMO / "heldout.txt", "-o", self.folder / "file/s"),
                     ("pull", "a/b", "--local-dir", self.folder / "file/d")):
            line = self.refuse(1, *args)
            self.assertIn(str(self.folder / "file"), line, args)


def write_tasks(folder: Path) -> None:
    """Small files of each task, in the hub's fields."""
    verses = ["the heaven", "the earth", "the waters", "the light"]
    docs = {
        "piqa": [{"goal": f"Verse {i}: in the beginning God created", "sol1": verses[i % 4], "sol2": "a computer",
                  "label": i % 2} for i in range(6)],
        "winogrande": [{"sentence": f"And God said to Adam and Eve {i} that _ shall rule.", "option1": "Adam",
                        "option2": "Eve", "answer": "12"[i % 2]} for i in range(4)],
        "mmlu": [{"question": f" What was made on day {i}? ", "subject": subject, "choices": verses, "answer": i % 4}
                 for subject in ("world_religions", "anatomy") for i in range(5)],
        "mmlu_dev": [{"question": f"Which came {i}?", "subject": subject, "choices": verses, "answer": i % 4}
                     for subject in ("world_religions", "anatomy") for i in range(2)],
    }
    for task, records in docs.items():
        (folder / f"{task}.jsonl").write_text("".join(json.dumps({"task": task, "doc": doc}) + "\n" for doc in records))


class Tasks(InTemporaryFolder):
    def setUp(self):
        super().setUp()
        write_tasks(self.folder)
        os.environ["XDG_CACHE_HOME"] = str(self.folder / "cache")
        self.addCleanup(os.environ.pop, "XDG_CACHE_HOME")
        self.output = self.folder / "results.json"

    def run_tasks(self, *args):
        self.table = self.succeed("eval", *args, "--tasks-dir", self.folder, "--output", self.output)
        return json.loads(self.output.read_text())

    def test_one_model_gives_the_harnesss_table_and_json(self):
        results = self.run_tasks(DEMO, "--tasks", "winogrande,piqa", "--limit", 4)
        piqa = results["results"]["piqa"]
        self.assertEqual(piqa["alias"], "piqa")
        acc = piqa["acc,none"]
        self.assertAlmostEqual(piqa["acc_stderr,none"], math.sqrt(acc * (1 - acc) / 3), delta=1e-12)
        self.assertEqual(results["n-samples"]["piqa"], {"original": 6, "effective": 4})
        self.assertEqual(results["n-samples"]["winogrande"], {"original": 4, "effective": 4})
        self.assertEqual(results["n-shot"], {"piqa": 0, "winogrande": 0})
        self.assertEqual(results["versions"], {"piqa": 1, "winogrande": 1})
        self.assertEqual(results["higher_is_better"]["piqa"], {"acc": True, "acc_norm": True})
        self.assertEqual(results["group_subtasks"], {})
        self.assertEqual(results["config"]["limit"], 4)
        lines = self.table.splitlines()
        self.assertTrue(lines[0].startswith("lieq (pretrained="))
        self.assertRegex(lines[1], r"^\|  Tasks   \|Version\|Filter\|n-shot\| Metric \|   \| *Value *\|   \|Stderr\|$")
        self.assertTrue(lines[3].startswith("|piqa      |      1|none  |     0|acc     |↑  |"), lines[3])
        self.assertTrue(lines[4].startswith("|          |       |none  |     0|acc_norm|↑  |"), lines[4])
        self.assertEqual(len({len(line) for line in lines[1:]}), 1)

    def test_mmlu_groups_and_shots(self):
        (self.folder / "mmlu.jsonl").write_text((self.folder / "mmlu.jsonl").read_text() * 2)
        tasks = ("--tasks", "mmlu_world_religions,mmlu_anatomy")
        results = self.run_tasks(DEMO, *tasks, "--num-fewshot", 2, "--log-samples")
        self.assertEqual(results["n-shot"], {"mmlu_anatomy": 2, "mmlu_world_religions": 2})
        sample = json.loads((self.folder / "samples_mmlu_anatomy.jsonl").read_text().splitlines()[0])
        prompt = sample["arguments"]["gen_args_0"]["arg_0"]
        head = "The following are multiple choice questions (with answers) about anatomy.\n\nWhich came 0?\nA. "
        self.assertTrue(prompt.startswith(head), prompt)
        self.assertIn("\nAnswer: B\n\nWhat was made on day 0?\nA. ", prompt)
        self.assertTrue(prompt.endswith("\nAnswer:"))
        self.assertEqual(sample["arguments"]["gen_args_3"]["arg_1"], " D")
        self.assertEqual([len(sample[key]) for key in ("resps", "filtered_resps")], [4, 4])
        line = self.refuse(1, "eval", DEMO, *tasks, "--num-fewshot", 1, "--tasks-dir", self.without("mmlu_dev.jsonl"))
        self.assertIn("mmlu_dev.jsonl", line)
        line = self.refuse(2, "eval", DEMO, "--tasks", "mmlu_anatomy", "--num-fewshot", 3, "--tasks-dir", self.folder)
        self.assertIn("expected at most 2, the examples of mmlu_anatomy", line)

    def test_samples_are_hashed_as_the_harness_hashes_them(self):
        doc = {"label": 1, "sol2": "tilt\t\u00e9\u2028\u007f", "sol1": 'a "quoted" \\ word\n', "more": [],
               "goal": "Why\u001f?"}
        (self.folder / "piqa.jsonl").write_text(json.dumps(doc) + "\n")
        self.run_tasks(DEMO, "--tasks", "piqa", "--log-samples")
        sample = json.loads((self.folder / "samples_piqa.jsonl").read_text())
        self.assertEqual(sample["doc"], doc)
        self.assertEqual(list(sample["doc"]), ["goal", "sol1", "sol2", "label", "more"])  # the hub's columns first
        texts = {"doc_hash": json.dumps(sample["doc"], indent=2, ensure_ascii=False), "target_hash": "1",
                 "prompt_hash": "Question: Why\u001f?\nAnswer:"}
        for key, text in texts.items():
            self.assertEqual(sample[key], hashlib.sha256(text.encode()).hexdigest(), key)
        self.assertEqual(list(sample), ["doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter",
                                        "metrics", "doc_hash", "prompt_hash", "target_hash", "acc", "acc_norm"])

    def without(self, name: str) -> Path:
        copy = self.folder / "copy"
        copy.mkdir()
        for file in self.folder.glob("*.jsonl"):
            if file.name != name and not file.name.startswith("samples"):
                shutil.copy(file, copy)
        return copy

    def test_several_models_are_compared(self):
        models = self.run_tasks(DEMO, str(DEMO) + "/", "--tasks", "piqa,winogrande")
        self.assertEqual(models[0]["results"], models[1]["results"])
        self.assertNotIn("reference", models[0]["lieq"])
        self.assertEqual(models[1]["lieq"]["difference"]["mean"], {"acc": 0, "acc_stderr": 0, "p_value": 1})
        for part in ("mean acc ↑", "100.00 %", "piqa acc_norm ↑", "+0.0000 ± 0.0000 (p 1.0000)"):
            self.assertIn(part, self.table)

    def test_perplexity_tasks(self):
        text = ("--text", DEMO / "heldout.txt", "--window", 256, "--chunks", 4)
        results = self.run_tasks(DEMO, "--tasks", "ptb,piqa", *text)
        self.assertGreater(results["results"]["ptb"]["perplexity,none"], 1)
        self.assertEqual(results["higher_is_better"]["ptb"], {"perplexity": False})
        self.assertEqual(results["lieq"]["perplexity"][0]["protocol"], "gptq")
        self.assertRegex(self.table, r"\|ptb +\| +1\|none +\| +0\|perplexity\|↓")

    def test_killed_and_run_again(self):
        records = [{"goal": f"Verse {i}: " + "and God said " * (i % 40), "sol1": "let there be light", "sol2": "no",
                    "label": 0} for i in range(400)]
        (self.folder / "piqa.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in records))
        args = ("eval", DEMO, "--tasks", "piqa", "--tasks-dir", self.folder, "--log-samples", "--output", self.output)
        self.succeed(*args)
        expected = (self.folder / "samples_piqa.jsonl").read_bytes()
        running = subprocess.Popen([LIEQ, *map(str, args)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        journals = self.folder / "cache/lieq/eval"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and running.poll() is None:
            if any(file.read_text().count("\n") > 2 for file in journals.glob("*.journal")):
                break
            time.sleep(0.01)
        running.kill()
        running.wait()
        self.assertEqual(len(list(journals.glob("*.journal"))), 1)
        (self.folder / "samples_piqa.jsonl").unlink()
        self.succeed(*args)
        self.assertEqual((self.folder / "samples_piqa.jsonl").read_bytes(), expected)
        self.assertEqual(list(journals.iterdir()), [])

    def test_refusals(self):
        folder = ("--tasks-dir", self.folder)
        line = self.refuse(2, "eval", DEMO, "--tasks", "piqua", *folder)
        for part in ("'piqua'", "arc_challenge", "hellaswag", "wikitext2"):
            self.assertIn(part, line)
        line = self.refuse(1, "eval", DEMO, "--tasks", "boolq", *folder)
        for part in ("boolq.jsonl", "BoolQ/val.jsonl", "--tasks-dir"):
            self.assertIn(part, line)
        with (self.folder / "piqa.jsonl").open("a") as file:
            file.write('{"goal": 1}\n')
        line = self.refuse(1, "eval", DEMO, "--tasks", "piqa", *folder)
        self.assertIn("piqa.jsonl: line 7: field 'goal': found 1, expected a string", line)
        self.assertIn("--output", self.refuse(2, "eval", DEMO, "--tasks", "winogrande", "--log-samples", *folder))
        for option, value in (("--batch-size", "many"), ("--num-fewshot", 1)):
            self.assertIn(option, self.refuse(2, "eval", DEMO, "--tasks", "winogrande", option, value, *folder))
        self.assertIn("--text or --tasks", self.refuse(2, "eval", DEMO))


class Protocols(WithRecords):
    def test_llamacpp_scores_second_halves(self):
        text = ("--text", DEMO / "heldout.txt", "--chunks", 3)
        (record,) = self.evaluate(DEMO, *text, "--ppl", "llamacpp", "--window", 64)
        self.assertEqual(record["protocol"], "llamacpp")
        self.assertEqual(record["num_tokens"], 3 * 31)

    def test_gptq_is_the_default_and_joins_the_rows_of_wikitext(self):
        lines = (DEMO / "heldout.txt").read_text().splitlines()[:60]
        plain, wikitext, joined = (self.folder / name for name in ("plain.txt", "wiki.txt", "joined.jsonl"))
        plain.write_text("\n".join(lines) + "\n")
        lines.insert(0, " = Title = ")
        wikitext.write_text(" \n" + "\n".join(lines) + "\n")
        rows = ["", *(line + "\n" if line.strip() else "" for line in lines)]  # as the hub serves them
        joined.write_text(json.dumps({"text": "\n\n".join(rows)}))

        def measure(text, *options):
            (record,) = self.evaluate(DEMO, "--text", text, "--window", 64, *options)
            return record["protocol"], record["nll"]

        self.assertEqual(measure(wikitext), ("gptq", measure(joined)[1]))
        self.assertEqual(measure(wikitext), measure(wikitext, "--rows", "--ppl", "gptq"))
        self.assertEqual(measure(plain)[0], "windows")
        self.assertEqual(measure(plain), measure(plain, "--ppl", "gptq"))
        self.assertNotEqual(measure(plain)[1], measure(plain, "--rows")[1])

    def test_windows_overlap_by_a_stride(self):
        text = ("--text", DEMO / "heldout.txt", "--window", 64)
        (overlapping,) = self.evaluate(DEMO, *text, "--ppl", "gptq", "--stride", 32, "--chunks", 9)
        self.assertEqual(overlapping["num_tokens"], 63 + 8 * 32)
        self.assertEqual(overlapping["stride"], 32)

    def test_lm_eval_measures_words_and_bytes(self):
        text = DEMO / "heldout.txt"
        (record,) = self.evaluate(DEMO, "--text", text, "--ppl", "lm-eval")
        nats = record["nll"] * record["num_tokens"]
        contents = text.read_text()
        self.assertAlmostEqual(record["bits_per_byte"], nats / math.log(2) / len(contents.encode()), delta=1e-6)
        self.assertAlmostEqual(record["byte_perplexity"], math.exp(nats / len(contents.encode())), delta=1e-6)
        self.assertIn("word_perplexity", self.table)


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
        prompt, new = map(int, re.findall(r"(\d+) tokens,", done.stderr))
        self.assertEqual(prompt + new, 30)


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
        if not select.select([self.fd], [], [], 120)[0]:
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"nothing more came for two minutes after {self.seen!r}")
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
        for pause in (0, 0, 0, 0, 0.05):  # it may come before the program has begun to wait
            terminal = Terminal(*CHAT)
            terminal.wait_for("> ")
            time.sleep(pause)
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


class Bench(InTemporaryFolder):
    def test_table_and_record_agree(self):
        out = self.folder / "bench.json"
        text = self.succeed("bench", TINY, "-p", 33, "-n", 4, "-r", 3, "-t", 2, "-o", out)
        record = json.loads(out.read_text())[0]
        for part in ("tiny-llama", "pp33", "tg4", "t/s", "resident"):
            self.assertIn(part, text)
        for test, tokens in (("prompt", 33), ("decode", 4)):
            rates = record[f"{test}_tokens_per_second"]
            self.assertEqual(rates["tokens"], tokens)
            self.assertEqual(len(rates["samples"]), 3)
            self.assertAlmostEqual(rates["mean"], sum(rates["samples"]) / 3)
            self.assertIn(f"{rates['mean']:.2f} ± {rates['stddev']:.2f}", text)
            self.assertGreater(min(rates["samples"]), 0)
        self.assertGreater(record["read_bandwidth"], 0)
        # The cache of 33 positions: keys and values of one layer and head, 16 wide, half precision, in panels of 16.
        self.assertEqual(record["memory"]["cache"], 2 * 48 * 16 * 2)

    def test_embed_bits_shrink_the_embedding(self):
        def embeddings(*options):
            return json.loads(self.succeed("bench", TINY, "-p", 0, "-n", 1, "-r", 1, "--json", *options))[0]["memory"]["embeddings"]

        stored = embeddings()
        self.assertEqual(stored, 272 * 32 * 2)
        self.assertEqual(embeddings("--embed-bits", 16), stored)
        # 32 codes, one half-precision scale and one zero point of 16 bits (8-bit codes) or 8 bits a row.
        self.assertEqual(embeddings("--embed-bits", 8), 272 * (32 + 2 + 2))
        self.assertEqual(embeddings("--embed-bits", 4), 272 * (16 + 2 + 1))

    def test_refusals(self):
        self.assertIn("max_position_embeddings = 256", self.refuse(2, "bench", TINY, "-p", 257))
        self.assertIn("expected a MODEL or --shape", self.refuse(2, "bench"))
        self.refuse(2, "bench", TINY, "--embed-bits", 5)
        self.refuse(2, "bench", TINY, "--activations", "f32")
        self.refuse(1, "bench", self.folder / "nothing")


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
            if case["via"] in ("safetensors", "doubt"):
                continue  # single files are no models, doubts no errors; the io tests read them
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


def kill_when_there(file: Path, command: list[str]) -> None:
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not file.exists() and running.poll() is None:
        time.sleep(0.01)
    running.kill()
    running.wait()


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


class TeamSize(InTemporaryFolder):
    def made_by(self, threads: int) -> list:
        """What each job makes. Nothing that another number of threads has cached is taken."""
        def run(*args):
            done = subprocess.run([LIEQ, "-t", str(threads), *map(str, args)], capture_output=True, timeout=300,
                                  env=os.environ | {"XDG_CACHE_HOME": str(folder / "cache")})
            self.assertEqual(done.returncode, 0, done.stderr.decode())

        folder = self.folder / str(threads)
        folder.mkdir()
        few = ("--calib", "builtin,self", "--calib-windows", 4, "--calib-window", 96)
        run("diagnose", DEMO, "-o", folder / "scores.json", "--score", "lieq", "--per-bucket", 2, "--draws", 1, *few)
        run("quantize", DEMO, "-o", folder / "q", "--top", 1, "--scores", folder / "scores.json", "--sweeps", 2, *few)
        run("eval", DEMO, folder / "q", "--text", DEMO / "heldout.txt", "--window", 128, "--chunks", 3, "-o", folder / "eval.json")
        self.assertTrue((folder / "cache").exists())
        scored = [{**one, "seconds": 0, "model": ""} for one in json.loads((folder / "eval.json").read_text())]
        return [json.loads((folder / "scores.json").read_text()), contents(folder / "q"), scored]

    def test_any_number_of_threads_gives_the_same_bytes(self):
        """Also more of them than there are cores, which are put off in the middle of their work."""
        two = self.made_by(2)
        for threads in (8, 64):
            for a, b in zip(two, self.made_by(threads), strict=True):
                self.assertTrue(a == b, threads)


class Quantize(InTemporaryFolder):
    @classmethod
    def setUpClass(cls):
        """A cache of their own, which knows nothing of other builds."""
        cache = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cache.cleanup)
        cls.enterClassContext(unittest.mock.patch.dict(os.environ, XDG_CACHE_HOME=cache.name))

    def test_stages_give_what_quantize_gives(self):
        """diagnose -> allocate -> quantize --plan writes the same weights as quantize alone would from the same scores."""
        scores, plan, svg = self.folder / "scores.json", self.folder / "plan.json", self.folder / "depth.svg"
        self.succeed("diagnose", DEMO, "--text", DEMO / "heldout.txt", "--per-bucket", 5, "-o", scores, "--svg", svg)
        self.assertEqual(svg.read_text().count('<polyline class="l ink bold"'), 2)
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

    def test_measured_sensitivity_says_how_it_was_measured(self):
        """diagnose --sensitivity writes a KL for each layer and width, and what they come from; allocate ranks by them."""
        scores, plan = self.folder / "scores.json", self.folder / "plan.json"
        calibration = ("--calib", DEMO / "heldout.txt", "--calib-windows", 4, "--calib-window", 64)
        self.succeed("diagnose", TINY, *calibration, "--sensitivity", "2,8", "--group-size", 32, "-o", scores)
        read = json.loads(scores.read_text())
        for layer in read["layers"]:
            self.assertEqual(sorted(layer["sensitivity"]), ["2", "8"])
            self.assertGreater(layer["sensitivity"]["2"], layer["sensitivity"]["8"])
        how = read["sensitivity"]
        self.assertEqual({key: how[key] for key in ("window", "fit_tokens", "tokens", "method", "grid", "group_size")},
                         {"window": 64, "fit_tokens": 256, "tokens": 64, "method": "gptq", "grid": "skew", "group_size": 32})
        self.assertRegex(how["text_hash"], "^[0-9a-f]{16,}$")
        self.succeed("allocate", scores, "--top", 1, "--choices", "2,8", "--rank", "measured", "-o", plan)
        best = max(range(len(read["layers"])), key=lambda l: read["layers"][l]["sensitivity"]["2"] - read["layers"][l]["sensitivity"]["8"])
        self.assertEqual([layer["layer"] for layer in json.loads(plan.read_text())["layers"] if layer["bits"] == 8], [best])

    def test_widths_of_linears_by_their_shares_of_kl(self):
        """diagnose --kl-shares, allocate --per linear and quantize --plan make what quantize --per linear makes at once."""
        calibration = ("--calib", DEMO / "heldout.txt", "--calib-windows", 4, "--calib-window", 64)
        scores, plan = self.folder / "scores.json", self.folder / "plan.json"
        self.succeed("diagnose", TINY, *calibration, "--kl-shares", 2, "--group-size", 32, "-o", scores)
        read = json.loads(scores.read_text())
        self.assertEqual({key: read["kl_shares"][key] for key in ("bits", "grid", "group_size", "fit_tokens", "sweeps")},
                         {"bits": 2, "grid": "skew", "group_size": 32, "fit_tokens": 192, "sweeps": 1})
        self.assertEqual(len(read["layers"][0]["linears"]), 7)
        said = self.succeed("allocate", scores, "--bits", 2.5, "--per", "linear", "--group-size", 32, "-o", plan)
        linears = {(layer["layer"], name) for layer in json.loads(plan.read_text())["layers"] for name in layer.get("linears", {})}
        self.assertTrue(linears)
        self.assertIn("self_attn.", said + str(linears))
        common = ("--group-size", 32, "--embed-bits", 16, "--window", 64, "--chunks", 1, *calibration)
        self.succeed("quantize", TINY, "-o", self.folder / "a", "--plan", plan, *common)
        self.succeed("quantize", TINY, "-o", self.folder / "b", "--bits", 2.5, "--per", "linear", *common)
        self.assertEqual((self.folder / "a/model.safetensors").read_bytes(), (self.folder / "b/model.safetensors").read_bytes())
        rules = json.loads((self.folder / "a/config.json").read_text())["quantization_config"]["dynamic"]
        self.assertTrue(any("_proj$" in rule for rule in rules), rules)
        self.assertIn("expected kl-share", self.refuse(2, "allocate", scores, "--top", 1, "--per", "linear", "--rank", "score"))

    def test_bits_are_spent_on_what_engines_fuse(self):
        """--bits says nothing of layers: q, k, v and gate, up share widths, by KL. What was measured for it is kept. --per layer is the paper's."""
        calibration = ("--calib", DEMO / "heldout.txt", "--calib-windows", 4, "--calib-window", 64)
        common = (DEMO, "--bits", 2.5, "--sweeps", 1, "--embed-bits", 16, "--window", 64, "--chunks", 1, *calibration)
        first = lieq("quantize", *common, "-o", self.folder / "a", "--to", "gguf", "--dry-run")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("--per layer", first.stderr)
        made = lieq("quantize", *common, "-o", self.folder / "a", "--to", "gguf")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertIn("as measured before", made.stderr)
        self.assertTrue((self.folder / "a.gguf").exists())
        plan = json.loads((self.folder / "a/lieq.json").read_text())["plan"]
        self.assertEqual(plan["ranking"], "kl-share")
        widths = [{"bits": layer["bits"], **{name: one["bits"] for name, one in layer.get("linears", {}).items()}} for layer in plan["layers"]]
        self.assertGreater(len({width for layer in widths for width in layer.values()}), 1)
        for layer in widths:
            for fused in (("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), ("mlp.gate_proj", "mlp.up_proj")):
                self.assertEqual(len({layer.get(name, layer["bits"]) for name in fused}), 1, layer)
        self.succeed("quantize", *common, "-o", self.folder / "b", "--per", "layer")
        plan = json.loads((self.folder / "b/lieq.json").read_text())["plan"]
        self.assertEqual((plan["ranking"], [layer.get("linears") for layer in plan["layers"]]), ("score", [None] * len(plan["layers"])))

    def test_sensitivity_in_a_running_model(self):
        """--running: the width that a layer has there stands for what is left as it is; others leave less; ranked by the gain."""
        calibration = ("--calib", DEMO / "heldout.txt", "--calib-windows", 4, "--calib-window", 64)
        running, scores, plan = self.folder / "running", self.folder / "scores.json", self.folder / "plan.json"
        self.succeed("quantize", TINY, "-o", running, "--top", 0, "--choices", "2,8", "--group-size", 32, "--embed-bits", 16,
                     "--window", 64, "--chunks", 1, *calibration)
        self.succeed("diagnose", TINY, *calibration, "--sensitivity", "2,8", "--group-size", 32, "--running", running, "-o", scores)
        read = json.loads(scores.read_text())
        self.assertEqual(read["sensitivity"]["running"], str(running))
        self.assertEqual(len({layer["sensitivity"]["2"] for layer in read["layers"]}), 1)
        gains = [layer["sensitivity"]["2"] - layer["sensitivity"]["8"] for layer in read["layers"]]
        self.assertGreater(sum(gains), 0)
        self.succeed("allocate", scores, "--top", 1, "--choices", "2,8", "--rank", "measured", "-o", plan)
        raised = [layer["layer"] for layer in json.loads(plan.read_text())["layers"] if layer["bits"] == 8]
        self.assertEqual(raised, [gains.index(max(gains))])
        self.assertIn("requires --sensitivity", self.refuse(2, "diagnose", TINY, "--running", running))
        self.assertIn("expected a quantised form of", self.refuse(2, "diagnose", TINY, *calibration, "--sensitivity", "2",
                                                                  "--running", DEMO))

    def test_recipes_by_name(self):
        """--recipe sets every step, and an option given beside it changes one."""
        def options_of(*words):
            self.succeed("quantize", TINY, "-o", self.folder / "q", "--force", "--bits", 4, "--group-size", 32, "--calib",
                         DEMO / "heldout.txt", "--calib-windows", 4, "--calib-window", 64, "--window", 64, "--chunks", 1, *words)
            provenance = json.loads((self.folder / "q/lieq.json").read_text())
            return provenance["options"], (self.folder / "q/model.safetensors").read_bytes()
        named, weights = options_of("--recipe", "paper-gptq")
        self.assertEqual((named["method"], named["grid"], named["range"], named["sweeps"], named["corrected_target"], named["refit_gains"]),
                         ("gptq", "asym", "minmax", 0, False, False))
        self.assertEqual(weights, options_of("--method", "gptq", "--grid", "asym", "--no-search", "--no-correction", "--no-refit",
                                             "--no-gains", "--sweeps", 0)[1])
        changed, other = options_of("--recipe", "paper-gptq", "--grid", "sym")
        self.assertEqual(changed, {**named, "grid": "sym"})
        self.assertNotEqual(other, weights)
        self.assertEqual(options_of("--recipe", "paper-awq")[0]["awq_then"], "rtn")
        self.assertEqual(options_of("--recipe", "omniquant")[0]["method"], "omniquant")
        self.assertEqual(options_of("--recipe", "lieq")[0], options_of()[0])
        self.assertIn("paper-awq-gptq", self.refuse(2, "quantize", TINY, "-o", self.folder / "x", "--recipe", "none"))

    def test_sensitivity_on_the_models_own_text(self):
        """Diagnosis and sensitivity share the text that the model writes; no cache folder is needed to keep it."""
        nowhere = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
        scores = self.folder / "scores.json"
        done = subprocess.run([LIEQ, "diagnose", TINY, "--sensitivity", "2", "--group-size", "32", "--calib-windows", "8",
                               "--calib-window", "64", "-o", scores], capture_output=True, text=True, env=nowhere)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("KL at 2 bits", done.stdout)
        read = json.loads(scores.read_text())
        self.assertEqual((read["sensitivity"]["text"], read["sensitivity"]["fit_tokens"]), ("builtin,self", 512))
        self.assertEqual(read["cells"][0]["corpus"], "builtin,self")

    def test_uniform_widths_need_no_diagnosis(self):
        for budget, diagnosed in ((("--bits", 2), False), (("--bits", 4), False), (("--top", 1), True)):
            folder = self.folder / f"q{budget[1]}"
            self.succeed("quantize", DEMO, "-o", folder, *budget, "--method", "rtn", *QUICK)
            self.assertEqual("scores" in json.loads((folder / "lieq.json").read_text()), diagnosed, budget)

    def test_awq_scales_are_folded_into_what_comes_before(self):
        """With 8 bits nothing but rounding is lost, so a wrong fold would show at once; with 2 it still is a language model."""
        text = ("--text", DEMO / "heldout.txt", "--window", 256, "--chunks", 4)
        for bits, then, worst in ((8, "gptq", 1.01), (8, "rtn", 1.01), (2, "gptq", 3)):
            folder, out = self.folder / f"q{bits}-{then}", self.folder / "r.json"
            self.succeed("quantize", DEMO, "-o", folder, "--method", "awq", "--awq-then", then, "--bits", bits,
                         "--choices", bits, *QUICK)
            self.succeed("eval", DEMO, folder, *text, "-o", out)
            original, quantised = json.loads(out.read_text())
            self.assertLess(quantised["perplexity"], worst * original["perplexity"])

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

    def test_gguf_files_are_quantised_from_what_they_store(self):
        """Not through packed codes, whose sums round otherwise: what a folder with the same weights gives, to the bit."""
        text = self.folder / "t.txt"
        text.write_text("In the beginning was the word, and then there were others. " * 40)
        made = []
        for name, source in (("folder", TINY), ("gguf", TINY_GGUF)):
            out = self.folder / name
            self.succeed("quantize", source, "-o", out, "--bits", 2, "--choices", 2, "--group-size", 32, "--calib", text,
                         "--calib-window", 64, "--calib-windows", 4, "--embed-bits", 16)
            made.append(((out / "model.safetensors").read_bytes(), json.loads((out / "lieq.json").read_text())["linears"]))
        self.assertEqual(made[0], made[1])

    def test_gguf_files_become_whole_folders(self):
        """SentencePiece scores come back as merges, rope_freqs.weight as rope_scaling: ids and logits stay the same."""
        golden = SHARED / "golden"
        if not (golden / "gguf").exists():
            self.skipTest(f"needs {golden / 'gguf'}")
        texts = [json.loads(line) for line in (golden / "tokenizers/strings.jsonl").read_text().splitlines()]
        texts = {line["i"]: line["text"] for line in texts}
        options = ("--bits", 8, "--choices", 8, "--method", "rtn", "--grid", "asym", "--group-size", 32,
                   "--calib", golden / "models/eval.txt", "--calib-window", 128, "--calib-windows", 4)
        for name, kind in (("llama_rope3_tied_f16", "F16"), ("llama_bias_sharded_bf16", "Q8_0")):
            folder, source = self.folder / name, golden / "models" / name
            self.succeed("quantize", golden / f"gguf/{name}.{kind}.gguf", "-o", folder, *options)
            scaling = [json.loads((one / "config.json").read_text())["rope_scaling"] for one in (folder, source)]
            self.assertEqual(scaling[0], scaling[1])
            merges = [json.loads((one / "tokenizer.json").read_text())["model"]["merges"] for one in (folder, source)]
            pairs = [[m.split(" ") if isinstance(m, str) else m for m in one] for one in merges]
            self.assertEqual(pairs[0], pairs[1])
            expected = [json.loads(line) for line in (source / "encode.jsonl").read_text().splitlines()]
            lines = "".join(json.dumps({"text": texts[e["i"]]}) + "\n" for e in expected)
            for option, pick in (((), lambda e: e["ids_special"] or e["ids"]), (("--no-special",), lambda e: e["ids"])):
                got = self.succeed("tokenize", folder, "--jsonl", *option, stdin=lines).splitlines()
                self.assertEqual([json.loads(line)["ids"] for line in got], [pick(e) for e in expected])
        # The F16 file holds the folder's own weights, so quantising either gives the same model.
        self.succeed("quantize", golden / "models/llama_rope3_tied_f16", "-o", self.folder / "h", *options)
        self.succeed("eval", self.folder / "h", self.folder / "llama_rope3_tied_f16", "--text", golden / "models/eval.txt",
                     "--window", 128, "--chunks", 16, "--output", self.folder / "r.json")
        self.assertLess(json.loads((self.folder / "r.json").read_text())[1]["kl"], 1e-9)

    def test_without_a_budget_the_paper_s_is_taken(self):
        said = self.succeed("quantize", DEMO, "-o", self.folder / "q", "--dry-run", *QUICK)
        self.assertIn("--top 1", said)
        self.assertIn("4 bits: 1 layers", said)

    def test_the_plan_can_be_read_while_the_work_goes_on(self):
        log = self.folder / "log"
        with log.open("w") as out:
            running = subprocess.Popen([LIEQ, "quantize", DEMO, "-o", self.folder / "q", "--top", "1", "--calib", DEMO / "heldout.txt",
                                        "--calib-windows", "32", "--calib-window", "128"], stdout=out, stderr=out)
            try:
                while running.poll() is None and "it takes about" not in log.read_text():
                    time.sleep(0.01)
                self.assertIsNone(running.poll(), "the plan came only at the end")
            finally:
                running.kill()
                running.wait()

    def test_preview_shows_what_the_model_will_read(self):
        text = self.folder / "chat.txt"
        text.write_text("<|im_start|>user\nWhat is this?<|im_end|>\n[INST] Say it. [/INST]\n" * 200)
        done = lieq("quantize", DEMO, "-o", self.folder / "q", "--preview", "--calib", text, "--calib-windows", 4, "--calib-window", 64)
        self.assertEqual(done.returncode, 0, done.stderr)
        for part in ("4 windows of 64 tokens", "bytes a token", "of the vocabulary", "--- window 1 ---", "What is this?"):
            self.assertIn(part, done.stdout)
        self.assertIn("[INST]", done.stderr)
        self.assertFalse((self.folder / "q").exists())
        self.succeed("quantize", DEMO, "-o", self.folder / "q", "--top", 1, *QUICK)
        facts = json.loads((self.folder / "q/lieq.json").read_text())["calibration"]
        self.assertEqual((facts["windows"], facts["window"], facts["tokens"]), (4, 64, 256))
        self.assertEqual(facts["cut_markers"], [])

    def test_several_texts_to_fit_to_and_to_score(self):
        """Each gives as many windows; lieq.json names them, what was lost on each text, and what both models write."""
        text = self.folder / "a,b.txt"  # a comma in the name of a file that is there
        text.write_text("It is a truth universally acknowledged, that the night was dark.\n" * 400)
        once = self.succeed("quantize", DEMO, "-o", self.folder / "one", "--bits", 4, "--calib", text, *QUICK[2:])
        self.assertIn("calibration: " + str(text) + ", 4 windows", once)
        other = self.folder / "t.txt"
        other.write_text(text.read_text())
        table = self.succeed("quantize", DEMO, "-o", self.folder / "q", "--bits", 2, "--calib", f"{other},builtin,self", *QUICK[2:4],
                             *QUICK[4:], "--text", f"{DEMO / 'heldout.txt'},{other}", "--window", 128, "--chunks", 2)
        self.assertEqual(table.count("in windows of 128"), 2)
        self.assertIn("of the 4-grams are repetitions", table)
        written = json.loads((self.folder / "q/lieq.json").read_text())
        sources = written["calibration"]["sources"]
        self.assertEqual([(one["source"], one["windows"]) for one in sources], [(str(other), 1), ("builtin", 1), ("self", 2)])
        self.assertEqual(len({one["hash"] for one in sources}), 3)
        self.assertEqual([one["text"] for one in written["texts"]], [str(DEMO / "heldout.txt"), str(other)])
        self.assertTrue(all(one["kl"] > 0 for one in written["texts"]))
        smoke = written["smoke_test"]
        self.assertEqual([one["kind"] for one in smoke["answers"]], ["prose"] * 2 + ["code"] * 2)  # it has no chat template
        mean = sum(one["made_repeats"] for one in smoke["answers"]) / 4
        self.assertAlmostEqual(smoke["made_repeats"], mean)
        for wrong, part in (("builtin,,self", "empty name"), ("self,self", "self twice"), ("builtin,nowhere.txt", "nowhere.txt")):
            self.assertIn(part, self.refuse(1 if "nowhere" in wrong else 2, "quantize", DEMO, "-o", self.folder / "r", "--bits", 2,
                                            "--calib", wrong, *QUICK[2:]))

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

    def test_a_slash_after_the_folder_changes_nothing(self):
        self.succeed("quantize", DEMO, "-o", f"{self.folder}/q/", "--bits", 2, "--method", "rtn", *QUICK)
        self.assertEqual([f.name for f in self.folder.iterdir()], ["q"])
        self.assertIn("embed_trial", json.loads((self.folder / "q/lieq.json").read_text()))

    def test_another_run_does_not_go_on_with_these_layers(self):
        partial = self.folder / "q.partial"
        partial.mkdir()
        (partial / "fingerprint.json").write_text('{"lieq": "0.0.0"}')
        done = lieq("quantize", DEMO, "-o", self.folder / "q", "--top", 1, *QUICK)
        self.assertEqual(done.returncode, 2)
        self.assertIn("unfinished run", done.stderr.splitlines()[-1])
        self.succeed("quantize", DEMO, "-o", self.folder / "q", "--top", 1, "--force", *QUICK)


class Allocate(InTemporaryFolder):
    def setUp(self):
        super().setUp()
        self.scores = self.folder / "scores.json"
        self.succeed("diagnose", DEMO, "--text", DEMO / "heldout.txt", "--per-bucket", 4, "-o", self.scores)

    def test_plans_for_other_tools(self):
        plan = self.folder / "plan.json"
        self.succeed("allocate", self.scores, "--top", 3, "-o", plan)
        widths = [layer["bits"] for layer in json.loads(plan.read_text())["layers"]]
        self.assertEqual(sorted(widths), [2] * 9 + [4] * 3)

        gptq = json.loads(self.succeed("allocate", self.scores, "--top", 3, "--for", "gptqmodel"))
        (rule,) = gptq["dynamic"]
        for l, bits in enumerate(widths):
            self.assertEqual(bool(re.match(rule[2:], f"model.layers.{l}.mlp.up_proj")), bits == 4)

        file = self.folder / "types.txt"
        self.assertIn("code bits", self.succeed("allocate", self.scores, "--top", 3, "--for", "llama-quantize", "-o", file))
        types = [line.rsplit("=", 1) for line in file.read_text().splitlines()]
        for l, bits in enumerate(widths):
            found = [t for pattern, t in types if re.search(pattern, f"blk.{l}.attn_output.weight")]
            self.assertEqual(found, ["q4_k" if bits == 4 else "q2_k"])

        scope = {}
        exec(self.succeed("allocate", self.scores, "--top", 3, "--for", "mlx").split("if __name__")[0].replace("import mlx_lm", ""), scope)
        self.assertEqual(scope["LAYERS"], widths)

    def test_refusals(self):
        self.assertIn("expected one of llama-quantize, ", self.refuse(2, "allocate", self.scores, "--for", "make"))
        self.assertIn("mlx: group size: found 48", self.refuse(2, "allocate", self.scores, "--top", 1, "--group-size", 48, "--for", "mlx"))


class Check(Case):
    def test_engines_of_a_dense_model(self):
        text = self.succeed("check", DEMO)
        for part in ("container dense", "architecture qwen3", "llama.cpp", "lieq export --to gguf", "since"):
            self.assertIn(part, text)
        record = json.loads(self.succeed("check", DEMO, "--json"))
        self.assertEqual(record["facts"]["container"], "dense")
        loads = {engine["engine"]: engine["loads"] for engine in record["engines"]}
        self.assertTrue(loads["transformers"] and loads["vLLM"])
        self.assertFalse(loads["llama.cpp"])

    def test_status_of_one_engine(self):
        self.assertIn("llama-server", self.succeed("check", TINY_GGUF, "--for", "llama.cpp"))
        done = lieq("check", TINY_GGUF, "--for", "GPTQModel")
        self.assertEqual(done.returncode, 1)
        self.assertIn("GPTQModel does not load it: ", done.stderr)
        self.assertIn("expected one of llama.cpp, ", self.refuse(2, "check", DEMO, "--for", "word"))
        self.assertIn("no such file", self.refuse(1, "check", SOURCE / "nothing.gguf"))


class Prune(InTemporaryFolder):
    SHORT = ("--calib", DEMO / "heldout.txt", "--calib-windows", 4, "--calib-window", 64)

    def test_the_pruned_model_quantises(self):
        out = self.folder / "pruned"
        text = self.succeed("prune", DEMO, "--drop", 2, "-o", out, *self.SHORT)
        self.assertIn("10 layers", text)
        self.assertEqual(json.loads((out / "config.json").read_text())["num_hidden_layers"], 10)
        record = json.loads((out / "lieq.json").read_text())["pruned"]
        self.assertEqual(len(record["kept"]), 10)
        for removal in record["removals"]:
            self.assertIn(f"{removal['perplexity']:.4f}", text)
        # What was measured in memory is what the folder gives.
        results = self.folder / "r.json"
        self.succeed("quantize", out, "-o", self.folder / "q", "--method", "rtn", "--bits", 4, "--choices", "4", *self.SHORT)
        self.succeed("eval", out, self.folder / "q", "--text", DEMO / "heldout.txt", "--window", 64, "--chunks", 8, "-o", results)
        self.assertLess(json.loads(results.read_text())[1]["kl"], 1)

    def test_the_held_out_text_may_be_named(self):
        out = self.folder / "pruned"
        self.succeed("prune", DEMO, "--drop", 1, "-o", out, *self.SHORT, "--text", DEMO / "heldout.txt", "--window", 128, "--chunks", 6)
        record = json.loads((out / "lieq.json").read_text())["pruned"]
        results = self.folder / "r.json"
        self.succeed("eval", out, "--text", DEMO / "heldout.txt", "--window", 128, "--chunks", 6, "-o", results)
        self.assertAlmostEqual(json.loads(results.read_text())[0]["perplexity"] / record["removals"][0]["perplexity"], 1, delta=1e-6)

    def test_stopped_it_leaves_nothing(self):
        out = self.folder / "pruned"
        words = ["prune", DEMO, "--drop", 11, "-o", out, "--calib", DEMO / "heldout.txt", "--calib-window", 512]
        process = subprocess.Popen([LIEQ, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stderr.readline()  # progress, or what the first layer cost
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGINT, errors)
        self.assertEqual(output, b"")
        self.assertTrue(errors.endswith(b"lieq: stopped; nothing was written\n"), errors)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_refusals(self):
        out = self.folder / "out"
        for words, status, part in (
            ((DEMO, "-o", out), 2, "expected one of --drop and --keep-ppl"),
            ((DEMO, "--drop", 12, "-o", out), 2, "expected fewer than the 12"),
            ((DEMO, "--drop", 1, "-o", DEMO), 2, "exists already"),
            ((SOURCE / "nothing", "--drop", 1, "-o", out), 1, "no such file"),
        ):
            self.assertIn(part, self.refuse(status, "prune", *words))
        self.succeed("quantize", DEMO, "-o", self.folder / "q", "--method", "rtn", "--bits", 4, "--choices", "4", *self.SHORT)
        self.assertIn("layers go before they are quantised", self.refuse(1, "prune", self.folder / "q", "--drop", 1, "-o", out))
        self.assertFalse(out.exists())


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
            if (self.folder / "q").exists():  # it was already done: nothing of it is written later
                self.assertEqual(contents(self.folder / "q"), expected)
                continue
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            resumed += "going on after layer" in done.stderr
            self.assertEqual(contents(self.folder / "q"), expected)
            self.assertEqual([f.name for f in self.folder.iterdir() if ".partial" in f.name], [])
        self.assertGreater(resumed, 3)


    def test_killed_while_it_refines(self):
        """The state of --refine is written whole, and what follows from it is the same."""
        command = [LIEQ, "quantize", str(DEMO), "-o", str(self.folder / "q"), "--method", "rtn", "--bits", "2", "--choices", "2",
                   *map(str, QUICK), "--refine", "--refine-steps", "6", "--refine-tokens", "128", "--refine-rate", "0.005"]
        whole = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        self.assertRegex(whole, r"refined: KL \d\.\d{4} -> \d\.\d{4} on \d+ tokens that nothing was fitted to, best after step \d+ of 6")
        self.assertIn("q (refined)", whole)
        expected = contents(self.folder / "q")
        shutil.rmtree(self.folder / "q")
        kill_when_there(self.folder / "q.partial/refine.safetensors", command)
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        self.assertIn("of refining, from", done.stderr)
        self.assertEqual(contents(self.folder / "q"), expected)
        self.assertIn("--refine: found a K grid", self.refuse(2, "quantize", DEMO, "-o", self.folder / "k.gguf", "--grid", "q2_k", "--refine", *QUICK))
        self.assertIn("(refined)", self.succeed("eval", DEMO, self.folder / "q", "--text", DEMO / "heldout.txt", "--window", 64, "--chunks", 1))

    def test_refine_of_a_made_model(self):
        """lieq refine on a folder is what quantize --refine does in one go; other tools' codes are taken too."""
        made, whole, folder = self.folder / "made", self.folder / "whole", self.folder / "refined"
        rtn = ["--method", "rtn", "--bits", "2", "--choices", "2", *QUICK]
        self.succeed("quantize", DEMO, "-o", made, *rtn)
        self.succeed("quantize", DEMO, "-o", whole, *rtn, "--refine", "--refine-steps", 6, "--refine-tokens", 128, "--refine-rate", 0.005)
        steps = ["--steps", "6", "--tokens", "128", "--rate", "0.005", *map(str, QUICK[:-2])]
        command = [LIEQ, "refine", str(DEMO), str(made), "-o", str(folder), *steps]
        kill_when_there(self.folder / "refined.partial/refine.safetensors", command)
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        self.assertRegex(done.stdout, r"refined: KL \d\.\d{4} -> \d\.\d{4} on \d+ held-out tokens, best after step \d+ of 6")
        self.assertIn("refined (refined)", done.stdout)
        self.assertIn("of refining, from", done.stderr)
        self.assertEqual((folder / "model.safetensors").read_bytes(), (whole / "model.safetensors").read_bytes())
        record = json.loads((folder / "lieq.json").read_text())
        self.assertEqual(record["from"]["made"], json.loads((made / "lieq.json").read_text()))
        self.assertEqual(record["options"], record["from"]["made"]["options"])

        self.succeed("export", made, "--to", "gptq_v2", "-o", self.folder / "foreign")
        (self.folder / "foreign/lieq.json").unlink(missing_ok=True)
        self.succeed("refine", DEMO, self.folder / "foreign", "-o", self.folder / "again", *steps, "--to", "gguf")
        self.assertTrue((self.folder / "again.gguf").exists())

        there = sorted(f.name for f in self.folder.iterdir())
        self.assertIn("found BF16, expected codes in groups", self.refuse(2, "refine", DEMO, DEMO, "-o", self.folder / "x", *steps))
        self.assertIn("exists, expected a new folder", self.refuse(2, "refine", DEMO, made, "-o", folder, *steps))
        for output, words in ((made, ()), (self.folder, ()), (self.folder / "again", ("--to", "gguf"))):  # the last: beside it
            read = self.folder / "again.gguf" if words else made
            self.assertIn("is or holds the model that is read", self.refuse(2, "refine", DEMO, read, "-o", output, "--force", *steps, *words))
        self.assertIn("found a file, expected a folder", self.refuse(2, "refine", DEMO, made, "-o", self.folder / "x.gguf", *steps))
        self.succeed("prune", DEMO, "-o", self.folder / "pruned", "--drop", 1, *QUICK[:-2])
        self.assertIn("num_hidden_layers", self.refuse(1, "refine", self.folder / "pruned", made, "-o", self.folder / "x", *steps))
        self.assertEqual(sorted(f.name for f in self.folder.iterdir()), sorted([*there, "pruned"]))

    def test_refine_of_other_forms(self):
        """Whole rows, groups of two sizes, and what is no form of the model."""
        steps = ["--steps", 1, "--tokens", 64, *QUICK[:-2]]
        score = ("--text", DEMO / "heldout.txt", "--window", 64, "--chunks", 8)
        def kl(*models):
            self.succeed("eval", *models, *score, "-o", self.folder / "scores.json")
            return json.loads((self.folder / "scores.json").read_text())[-1]["kl"]
        self.succeed("quantize", DEMO, "-o", self.folder / "rows", "--method", "rtn", "--bits", 4, "--choices", 4, "--group-size", -1, *QUICK)
        self.succeed("quantize", DEMO, "-o", self.folder / "mixed", "--method", "rtn", "--top", 1, *QUICK)
        self.succeed("export", self.folder / "mixed", "--to", "gguf", "-o", self.folder / "mixed.gguf")
        for name in ("rows", "mixed.gguf"):
            made, refined = self.folder / name, self.folder / f"refined-{name.removesuffix('.gguf')}"
            self.succeed("refine", DEMO, made, "-o", refined, *steps, "--rate", 1e-12)  # changes no stored scale
            self.assertAlmostEqual(kl(DEMO, made), kl(DEMO, refined), delta=2e-3)  # the file's embedding is in 16 bits
        (self.folder / "rows/lieq.json").write_text('{"options": 5}')
        self.assertIn("expected an object", self.refuse(1, "refine", DEMO, self.folder / "rows", "-o", self.folder / "x", *steps))
        other = self.folder / "other"
        shutil.copytree(self.folder / "mixed", other)
        config = json.loads((other / "config.json").read_text())
        (other / "config.json").write_text(json.dumps({**config, "num_key_value_heads": 1}))
        self.refuse(1, "refine", DEMO, other, "-o", self.folder / "x", *steps)
        self.assertFalse((self.folder / "x").exists() or (self.folder / "x.partial").exists())

    def test_killed_while_it_is_scored(self):
        """A folder of the final name is whole: what scoring adds to lieq.json is in it from its first moment."""
        text = self.folder / "text.txt"
        text.write_bytes((DEMO / "heldout.txt").read_bytes()[:20000])
        command = [LIEQ, "quantize", str(DEMO), "-o", str(self.folder / "q"), "--top", "1", "--method", "rtn",
                   "--text", str(text), *map(str, QUICK)]
        kill_when_there(self.folder / "q.partial/model", command)
        self.assertFalse((self.folder / "q").exists())
        subprocess.run(command, check=True, capture_output=True)
        self.assertIn("embed_trial", json.loads((self.folder / "q/lieq.json").read_text()))
        self.assertEqual(sorted(f.name for f in self.folder.iterdir()), ["q", "text.txt"])


class WithTasks(InTemporaryFolder):
    def setUp(self):
        super().setUp()
        os.environ["XDG_CACHE_HOME"] = str(self.folder / "cache")
        self.addCleanup(os.environ.pop, "XDG_CACHE_HOME")
        self.data = self.folder / "data"
        self.data.mkdir()
        write_tasks(self.data)
        self.out = self.folder / "sweep"


class Sweep(WithTasks):
    """Grids on the demo model, with four short calibration windows and few questions."""

    def setUp(self):
        super().setUp()
        self.text = ("--text", DEMO / "heldout.txt", "--window", 64, "--chunks", 2)
        self.tasks = ("--tasks", "piqa,winogrande", "--tasks-dir", self.data, "--limit", 4)

    def command(self, *args) -> tuple:
        return ("sweep", DEMO, "-o", self.out, *QUICK, *args)

    def sweep(self, *args) -> dict:
        self.table = self.succeed(*self.command(*args))
        return json.loads((self.out / "results.json").read_text())

    def test_a_grid_of_cells(self):
        results = self.sweep("--top", "0..2,12", "--methods", "rtn,gptq", "--scores", "geometry,depth,random:3", *self.tasks, *self.text)
        self.assertEqual((results["kind"], results["planned"]), ("lieq-sweep", 4 * 2 * 3))
        cells = results["cells"]
        self.assertEqual(len(cells), 24)
        self.assertEqual({(c["top"], c["method"], c["scores"]) for c in cells},
                         {(t, m, s) for t in (0, 1, 2, 12) for m in ("rtn", "gptq") for s in ("geometry", "depth", "random:3")})
        by_widths = {}
        for cell in cells:
            self.assertEqual(len(cell["layers"]), cell["top"])
            self.assertAlmostEqual(cell["code_bits"], 2 + 2 * cell["top"] / 12)
            self.assertGreater(cell["true_bits"], cell["code_bits"])
            kept = by_widths.setdefault((cell["method"], *cell["layers"]), cell["eval"])
            self.assertEqual(kept, cell["eval"], "same widths and method, same numbers")
            self.assertIn("mean", cell["eval"]["lieq"]["difference"])
            self.assertGreater(cell["eval"]["results"]["heldout.txt"]["perplexity,none"], 10)
        self.assertIn(f"24 cells, {len(by_widths)} different models", self.table)
        self.assertLess(len(by_widths), 20)
        self.assertEqual(next(c["layers"] for c in cells if c["scores"] == "depth" and c["top"] == 2), [0, 11])
        self.assertNotIn("difference", results["baseline"]["lieq"])
        self.assertFalse((self.out / "work").exists(), "quantised models are deleted")
        self.assertIn(str(self.out / "results.json"), self.table)

    def test_cells_are_what_quantize_and_eval_give(self):
        """Sharing layers between runs changes no byte, and the records are those of eval."""
        results = self.sweep("--top", "1..2", "--keep", *self.text, "--kl")
        scores = self.folder / "scores.json"
        self.succeed("diagnose", DEMO, *QUICK[:-2], "-o", scores)
        for cell, model in zip(results["cells"], sorted((self.out / "models").iterdir())):
            by_hand = self.folder / f"q{cell['top']}"
            self.succeed("quantize", DEMO, "-o", by_hand, "--top", cell["top"], "--scores", scores, "--embed-bits", 16, *QUICK)
            self.assertEqual((model / "model.safetensors").read_bytes(), (by_hand / "model.safetensors").read_bytes())
            self.succeed("eval", DEMO, by_hand, *self.text, "-o", self.folder / "r.json")
            expected = json.loads((self.folder / "r.json").read_text())
            for record, own in zip(expected, (results["baseline"], cell["eval"])):
                for changes in ("model", "seconds", "kl_p99"):
                    record.pop(changes, None), own.pop(changes, None)
                self.assertEqual(record, own)

    def test_scores_are_measured_once(self):
        args = ("--top", "1", "--methods", "rtn", "--per-bucket", 2, *self.text)
        names = ("geometry", "lieq", "kl", "random")
        results = self.sweep("--scores", ",".join(names), *args)
        self.assertEqual([c["scores"] for c in results["cells"]], list(names))
        scores = json.loads((self.out / "scores.json").read_text())
        sensitivity = [layer["sensitivity"]["2"] - layer["sensitivity"]["4"] for layer in scores["layers"]]
        self.assertEqual(results["cells"][2]["layers"], [sensitivity.index(max(sensitivity))])
        before = (self.out / "scores.json").stat().st_mtime_ns
        again = self.sweep("--scores", ",".join(reversed(names)), *args)
        self.assertEqual((self.out / "scores.json").stat().st_mtime_ns, before)
        self.assertEqual(again["cells"], list(reversed(results["cells"])))

    def test_killed_and_run_again(self):
        args = ("--top", "0..3", "--methods", "gptq,rtn", *self.tasks, *self.text)
        command = [LIEQ, *map(str, self.command(*args))]
        expected = self.sweep(*args)
        shutil.rmtree(self.out)
        for stop, cells in ((signal.SIGKILL, 1), (signal.SIGINT, 3)):
            running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and running.poll() is None and len(list(self.out.glob("cells/*.json"))) < cells:
                time.sleep(0.01)
            running.send_signal(stop)
            message = running.communicate()[1]
            self.assertEqual(running.returncode, -stop)
        self.assertTrue(message.endswith("lieq: stopped; the same command goes on from here\n"), message)
        finished = {file: file.stat().st_mtime_ns for file in self.out.glob("cells/*.json")}
        self.assertGreaterEqual(len(finished), 3)
        results = self.sweep(*args)
        self.assertIn(f"({len(finished)} done already)", self.table)
        self.assertEqual({file: file.stat().st_mtime_ns for file in finished}, finished)
        for cell, other in zip(results["cells"], expected["cells"]):
            self.assertEqual(cell["eval"]["results"], other["eval"]["results"])
            self.assertEqual(cell["layers"], other["layers"])

    def test_a_grid_may_grow_but_not_change(self):
        self.sweep("--methods", "rtn", *self.text)
        results = self.sweep("--methods", "rtn", "--top", "1,2", *self.text)
        self.assertIn("(1 done already)", self.table)
        self.assertEqual(results["planned"], 2)
        before = contents(self.out)
        for changed, part in ((("--group-size", 32), "group_size = 64, this one has 32"), (("--grid", "half"), 'grid = "skew", this one has "half"'),
                              (("--calib-windows", 3), "calibration = "), (("--chunks", 1), "texts = ")):
            args = [a for a in self.command("--methods", "rtn", *self.text)]
            if changed[0] in args:
                del args[args.index(changed[0]) : args.index(changed[0]) + 2]
            line = self.refuse(2, *args, *changed)
            self.assertIn(f"{self.out}: a sweep lies here with {part}", line)
        self.assertEqual(contents(self.out), before)
        self.sweep("--methods", "rtn", "--group-size", 32, "--force", *self.text)
        self.assertNotIn("done already", self.table)

    def test_dry_run_makes_nothing(self):
        text = self.succeed(*self.command("--top", "1..3", "--dry-run", *self.text))
        self.assertRegex(text, r"^3 cells, 3 different models to make, each evaluated on about 128 tokens\nit takes about .* of disk\n$")
        self.assertFalse((self.out / "results.json").exists())

    def test_bad_input(self):
        for args, part in ((("--top", "13"), "--top: found '13', expected at most 12"), (("--top", "2..1"), "a range that rises"),
                           (("--top", "x"), "--top: found 'x'"), (("--scores", "best"), "--scores: found 'best', expected one of geometry, lieq, kl"),
                           (("--methods", "gguf"), "--methods"), (("--choices", "2,5"), "--choices"), (("--group-size", 48), "group_size: found 48")):
            self.assertIn(part, self.refuse(2, *self.command(*args, *self.text)))
        self.assertIn("--text or --tasks", self.refuse(2, *self.command()))
        self.assertIn("'piqua'", self.refuse(2, *self.command("--tasks", "piqua")))
        self.assertIn("--kl: found no text", self.refuse(2, *self.command("--kl", *self.tasks)))
        self.assertIn("no such", self.refuse(1, "sweep", self.folder / "none", "-o", self.out, *self.text))
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        (self.out / "thesis.txt").write_text("mine")
        self.assertIn("holds no sweep", self.refuse(2, *self.command(*self.text)))
        self.assertEqual([file.name for file in self.out.iterdir()], ["thesis.txt"])


class Reproduce(WithTasks):
    def work(self) -> tuple:
        (self.data / "c4-sample.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in (DEMO / "heldout.txt").read_text().split("\n") if line))
        shutil.copy(DEMO / "heldout.txt", self.data / "wikitext2-test.txt")
        return ("--tasks-dir", self.data, "--window", 64, "--chunks", 2, "--limit", 4, "--per-bucket", 2, *QUICK)

    def test_list(self):
        text = self.succeed("reproduce", "--list")
        for part in ("table1", "Table 3", "figure5", "Qwen3-0.6B=Qwen/Qwen3-0.6B", "LLaMA-2-7B"):
            self.assertIn(part, text)

    def test_without_models_the_paper_and_its_commands(self):
        text = self.succeed("reproduce", "table3", "--limit", 20, "--calib", "my text.txt")
        self.assertRegex(text, r"LieQ +paper +2.05 +- +71.89 +75.55 +45.31 +84.43 +46.50 +64.24 +63.89 +64.54\n")
        self.assertIn("lieq sweep Qwen/Qwen3-4B --top 0,1 --scores lieq --choices 2,4 --tasks piqa,arc_easy,arc_challenge,boolq,hellaswag,winogrande,mmlu"
                      " --limit 20 --calib 'my text.txt' -o reproduce/Qwen3-4B/accuracy --results table3-2bit.json\n", text)
        self.assertNotIn("Qwen3-0.6B", text)

    def test_our_numbers_stand_beside_the_papers(self):
        """The demo model standing in for a model of the paper, and under its own name."""
        work = self.work()
        text = self.succeed("reproduce", "table1", "--model", f"Qwen3-0.6B={DEMO}", "--model", DEMO, "-o", self.out, *work)
        results = json.loads((self.out / "Qwen3-0.6B/perplexity/table1-2bit.json").read_text())
        cell = next(c for c in results["cells"] if c["top"] == 1)
        ours = [cell["eval"]["results"][task]["perplexity,none"] for task in ("wikitext2", "c4")]
        named, own = text.split("\ndemo\n")
        self.assertRegex(named, r"FP16 +paper +16 +- +20.90 +30.31\nFP16 +ours +16.00 +16.00 ")
        self.assertRegex(named, rf"LieQ +paper +2 +- +36.19 +43.44\nLieQ +ours +2.17 +2.45 +{ours[0]:.2f} +{ours[1]:.2f}\nuniform +ours +2.00 ")
        self.assertRegex(named, r"LieQ +paper +3 +- +26.02 +36.89\nLieQ +ours +3.08 ")
        self.assertRegex(own, r"FP16 +paper +16 +- +- +-\n")
        self.assertRegex(own, rf"LieQ +ours +2.17 +2.45 +{ours[0]:.2f} +{ours[1]:.2f}\n")
        self.assertIn("the paper has no demo here", named)
        # The commands that are printed are what was done: nothing is left for them to do.
        for command in re.findall(r"^lieq (sweep .*)$", own, re.M):
            again = self.succeed(*command.split())
            self.assertRegex(again, r"2 cells, 2 different models to make \(2 done already\)")

    def test_figure5_has_no_numbers_of_the_paper(self):
        text = self.succeed("reproduce", "figure5", "--model", DEMO, "--tasks", "piqa,winogrande", "-o", self.out, "--scores", "depth", "--no-correction",
                            "--no-search", *self.work())
        self.assertRegex(text, r"LieQ, top 12 +ours +4.00 ")
        self.assertEqual(len(re.findall("^LieQ, top|^LieQ +ours", text, re.M)), 12)

    def test_bad_input(self):
        self.assertIn("expected table1, table2, table3, figure5", self.refuse(2, "reproduce", "table9"))
        self.assertIn("--model: found '=x'", self.refuse(2, "reproduce", "--model", "=x"))
        self.assertIn("--tasks: found 'mmlu', expected some of wikitext2,c4", self.refuse(2, "reproduce", "table1", "--tasks", "mmlu"))
        self.assertIn("--text", self.refuse(2, "reproduce", "--text", "x"))


class BenchShape(InTemporaryFolder):
    def test_shapes_as_table_and_json(self):
        output = self.folder / "bench.json"
        text = self.succeed("bench", "--shape", "64x96", "--bits", "2,3", "--tokens", "1,5", "--group-size", 32, "--seconds", 0.01, "-o", output)
        kernels = ["dense fp32", "dense bf16", "2-bit g32", "2-bit g32, fp32 inputs", "3-bit g32", "3-bit g32, fp32 inputs", "read"]
        records = json.loads(output.read_text())["records"]
        self.assertEqual([(r["tokens"], r["kernel"]) for r in records], [(t, k) for t in (1, 5) for k in kernels])
        for record in records:
            self.assertGreater(record["seconds"], 0)
            self.assertIn(record["kernel"], text)
        packed = records[2]
        self.assertEqual(packed["weight_bytes"], 96 * (64 * 2 // 8 + 64 // 32 * 2) + 96 // 16 * 2 * 8)
        self.assertAlmostEqual(packed["gb_per_s"] * packed["seconds"] * 1e9, packed["weight_bytes"], delta=1)

    def test_bad_shapes(self):
        self.assertIn("--shape: found '64', expected INxOUT", self.refuse(2, "bench", "--shape", "64"))
        self.assertIn("'64x0'", self.refuse(2, "bench", "--shape", "64x0"))
        self.assertIn("--group-size: found 48, expected a divisor of the 64 inputs", self.refuse(2, "bench", "--shape", "64x8", "--group-size", 48))

    def test_isa_is_chosen_by_name(self):
        done = lieq("bench", "--shape", "64x96", "--tokens", 1, "--seconds", 0, isa="scalar")
        self.assertIn(", scalar;", done.stdout)
        done = lieq("bench", "--shape", "64x96", isa="mmx")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("LIEQ_ISA: found 'mmx', expected auto or one of ", done.stderr)
        self.assertIn("scalar", done.stderr)


class Report(InTemporaryFolder):
    def results(self) -> list[Path]:
        """What the other verbs write, on small things."""
        write_tasks(self.folder)
        names = ("scores", "plan", "texts", "tasks", "shapes", "speed")
        scores, plan, texts, tasks, shapes, speed = files = [self.folder / f"{name}.json" for name in names]
        text = ("--text", DEMO / "heldout.txt")
        self.succeed("diagnose", DEMO, *text, "--per-bucket", 2, "--perplexity-drop", "-o", scores)
        self.succeed("allocate", scores, "--top", 2, "-o", plan)
        self.succeed("eval", DEMO, TINY, *text, "--window", 64, "--chunks", 2, "-o", texts)
        self.succeed("eval", DEMO, "--tasks", "piqa,winogrande,mmlu_anatomy", "--tasks-dir", self.folder, "-o", tasks)
        self.succeed("bench", "--shape", "64x96", "--tokens", "1,4", "--group-size", 32, "--seconds", 0.01, "-o", shapes)
        self.succeed("bench", TINY, "-p", 8, "-n", 4, "-r", 2, "-o", speed)
        return files

    def test_every_verbs_results_become_figures(self):
        page, svgs = self.folder / "report.html", self.folder / "figures"
        files = self.results()
        said = self.succeed("report", *files, "-o", page, "--svg", svgs)
        self.assertRegex(said, r"figures: 8 figures\n.*report.html: [0-9.]+ kB from 6 files\n$")
        figures = {"perplexity-1", "accuracy-1", "depth", "taxonomy", "plan", "bytes", "latency", "speed"}
        written = {path.stem for path in svgs.iterdir()}
        self.assertEqual(figures, written)
        for path in svgs.iterdir():
            ElementTree.fromstring(path.read_text())
        html = page.read_text()
        for figure in figures:
            self.assertIn(f'id="{figure}"', html)
        for record in json.loads(files[2].read_text()):
            self.assertIn(f'data-value="{record["perplexity"]!r}"', html)
        again = self.folder / "again.html"
        self.succeed("report", *files, "-o", again, "--svg", svgs)
        self.assertEqual(again.read_text().replace("again.html", "report.html"), html)

    def test_models_have_sections_of_their_own(self):
        records = []
        for model in (DEMO, TINY):
            records.append(self.folder / f"{model.name}.json")
            self.succeed("eval", model, "--text", DEMO / "heldout.txt", "--window", 64, "--chunks", 2, "-o", records[-1])
        self.succeed("report", *records, "-o", self.folder / "r.html")
        html = (self.folder / "r.html").read_text()
        for n, model in enumerate((DEMO, TINY), 1):
            self.assertIn(f"<h2>{model.name}</h2>", html)
            self.assertIn(f'id="model-{n}-perplexity-1"', html)

    def test_wrong_files_are_named(self):
        bad, page = self.folder / "bad.json", self.folder / "r.html"
        for text, message in (("{", "bad.json"), ("{}", "bad.json: found an object, expected a file of lieq diagnose, allocate,"),
                              ('[{"perplexity": 1, "nll": "x"}]', "bad.json: [0]: field 'window': missing, expected an integer"),
                              ('{"kind": "lieq-sweep"}', "bad.json: field 'lieq': missing, expected an object")):
            bad.write_text(text)
            self.assertIn(message, self.refuse(1, "report", bad, "-o", page))
        self.assertIn("nowhere.json", self.refuse(1, "report", self.folder / "nowhere.json", "-o", page))
        self.assertIn("found a folder without lieq.json", self.refuse(1, "report", DEMO, "-o", page))
        bad.write_text('{"isa": "avx2", "threads": 1, "records": []}')
        self.assertIn("found nothing to draw", self.refuse(1, "report", bad, "-o", page))
        self.assertFalse(page.exists())


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
