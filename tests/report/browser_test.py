#!/usr/bin/env python3
"""Opens a report in headless Chromium: browser_test.py. Paths come from the environment; exit 77: no Chromium here.

Results of every kind are made up, drawn by `lieq report`, and read back from the page that the browser has built."""

import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import unittest
from html import unescape
from pathlib import Path

LIEQ = os.environ["LIEQ"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NASTY = "a<b>&\"c\"'d'</script><img src=x onerror=fail()>"
LAYERS = 30
LINEARS = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
]

# Collects what goes wrong, and afterwards what there is; the answer is left in the page, or sent to the page around it.
BEFORE = """<script>
window.errors = [];
addEventListener('error', (event) => errors.push(String(event.message)));
for (const kind of ['error', 'warn']) console[kind] = (...words) => errors.push(words.join(' '));
function fail() { errors.push('a name became markup'); }
</script>"""
AFTER = """<script>
addEventListener('load', () => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const shown = all('svg.panel').filter((svg) => svg.getClientRects().length);
  const words = (svg) => all('text', svg).filter((text) => text.textContent);
  const leaves = (text) => {
    const box = text.closest('svg').getBoundingClientRect(), own = text.getBoundingClientRect();
    return Math.max(box.left - own.left, own.right - box.right, box.top - own.top, own.bottom - box.bottom) > 1.5;
  };
  const tip = document.getElementById('tip');
  const steps = [];
  for (const svg of shown) {
    const mark = svg.querySelector('.mark[tabindex="0"]'), last = all('.mark', svg).at(-1);
    if (!mark) continue;
    mark.focus();
    const first = [tip.style.visibility, tip.textContent === mark.dataset.tip];
    mark.dispatchEvent(new KeyboardEvent('keydown', {key: 'End', bubbles: true}));
    steps.push([...first, document.activeElement === last, tip.textContent === last.dataset.tip]);
  }
  const cells = (row) => [...row.cells].map((cell) => cell.dataset.value ?? cell.textContent);
  const tables = (figure) => all('table', figure).map((table) => [...table.rows].map(cells));
  const panel = (svg) => {
    const box = svg.getBoundingClientRect();
    return [svg.closest('figure').id, box.width, box.height, all('polyline,circle,rect,path', svg).length];
  };
  const answer = JSON.stringify({errors, steps,
    outside: shown.flatMap(words).filter(leaves).map((text) => text.textContent),
    tables: Object.fromEntries(all('figure').map((figure) => [figure.id, tables(figure)])),
    panels: shown.map(panel),
    text: Math.min(...shown.flatMap(words).map((text) => text.getBoundingClientRect().height)),
    wide: [document.documentElement.scrollWidth, innerWidth],
    background: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.querySelector('svg.panel .metric')).fill});
  if (parent !== window) parent.postMessage(answer, '*');
  else document.body.append(Object.assign(document.createElement('pre'), {id: 'answer', textContent: answer}));
});
</script>"""
AROUND = """<!DOCTYPE html><meta charset="utf-8">
<iframe src="page.html" width="390" height="844" style="border:0"></iframe>
<script>addEventListener('message', (event) => {
  document.body.append(Object.assign(document.createElement('pre'), {id: 'answer', textContent: event.data}));
});</script>"""


def facts() -> dict:
    return {
        "name": "models/" + NASTY.replace("/", "|"),
        "architecture": "LlamaForCausalLM",
        "num_hidden_layers": LAYERS,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 1000,
        "parameters": LAYERS * 40000 + 64000 + 4000,
    }


def make_scores(rng: random.Random) -> dict:
    def numbers():
        return [rng.random() for _ in range(LAYERS)]

    order = rng.sample(range(1, LAYERS + 1), LAYERS)
    layers = [
        {
            "layer": l,
            "weights": 40000,
            "perplexity_drop": 10 ** rng.uniform(-1, 3),
            "compactness": rng.random(),
            "energy_gain": rng.random(),
            "compactness_normalised": rng.random(),
            "energy_gain_normalised": rng.random(),
            "score": rng.random(),
            "rank": order[l],
        }
        for l in range(LAYERS)
    ]
    cells = [
        {
            "corpus": corpus,
            "bucket": bucket,
            "passages": 3,
            "tokens": 99,
            "compactness": numbers(),
            "energy_gain": numbers(),
            "perplexity": 20.5,
            "perplexity_drop": [10 ** rng.uniform(-1, 3) for _ in range(LAYERS)],
            "rho_compactness": rng.uniform(-1, 1),
            "rho_energy_gain": rng.uniform(-1, 1),
        }
        for corpus in ("wiki.txt", NASTY, "dolly.jsonl", "hh-rlhf.jsonl")
        for bucket in ("33-128", "129-512")
    ]
    return {
        "model": facts(),
        "cells": cells,
        "layers": layers,
        "warnings": [],
        "options": {
            "score": "lieq",
            "normalize": "log",
            "geometry_input": "normed",
            "compute": "fp32",
            "alpha": 0.4,
            "beta": 0.3,
            "gamma": 0.3,
            "top_k": 8,
            "draws": 4,
            "seed": 42,
            "passages": 1,
            "per_bucket": 100,
        },
    }


def make_plan(rng: random.Random) -> dict:
    return {
        "model": facts(),
        "ranking": "score",
        "budget": {"kind": "top", "value": 2},
        "choices": [2, 4],
        "group_size": 64,
        "rest_bits": 16,
        "layers": [
            {"layer": l, "bits": rng.choice([2, 2, 2, 4]), "weights": 40000, "reason": f"rank {l}: {NASTY}"}
            for l in range(LAYERS)
        ],
    }


def make_text(rng: random.Random, model: str, bits: float, size: int) -> dict:
    record = {
        "model": model,
        "text": "wiki.txt",
        "protocol": "gptq",
        "compute": "fp32",
        "window": 2048,
        "num_tokens": 4096,
        "nll": 3.0,
        "perplexity": rng.uniform(10, 60),
        "perplexity_stderr": rng.random(),
        "code_bits": bits,
        "true_bits": bits,
        "file_bytes": size,
        "seconds": 1.5,
    }
    return record | ({"kl": rng.random(), "kl_stderr": rng.random() / 10, "top1": rng.random()} if bits < 16 else {})


def make_tasks(rng: random.Random, model: str, bits: float, size: int) -> dict:
    names = ("piqa", "boolq", "hellaswag")
    return {
        "results": {
            name: {"alias": name, "sample_len": 50, "acc,none": rng.random(), "acc_stderr,none": rng.random() / 20}
            for name in names
        },
        "configs": {},
        "higher_is_better": {name: {"acc": True} for name in names},
        "n-shot": {name: 0 for name in names},
        "date": 1.0,
        "lieq": {
            "model": model,
            "path": model,
            "compute": "fp32",
            "version": "0",
            "code_bits": bits,
            "true_bits": bits,
            "file_bytes": size,
        },
    }


def make_shapes(rng: random.Random) -> dict:
    kernels = [("dense fp32", 0), ("dense bf16", 0), ("2-bit g64", 2), ("4-bit g64", 4), ("read", 0)]
    return {
        "isa": "avx2",
        "threads": 2,
        "group_size": 64,
        "records": [
            {"in": i, "out": o, "tokens": t, "kernel": k, "seconds": rng.uniform(1e-4, 1), **({"bits": b} if b else {})}
            for i, o in ((3072, 8192), (4096, 14336))
            for t in (1, 4, 16, 64, 256, 1024, 2048)
            for k, b in kernels
        ],
    }


def make_speeds(rng: random.Random) -> list:
    def rate(tokens):
        return {"tokens": tokens, "mean": rng.uniform(10, 1000), "stddev": rng.uniform(0, 50)}

    return [
        {
            "model": m,
            "threads": 2,
            "activations": "int8",
            "linear_true_bits": b,
            "prompt_tokens_per_second": rate(512),
            "decode_tokens_per_second": rate(64),
            "memory": {"linears": 1000000, "embeddings": 300000, "cache": 20000},
        }
        for m, b in (("full", 16), (NASTY, 2.3))
    ]


def make_folder(rng: random.Random) -> dict:
    linears = [
        {
            "layer": l,
            "linear": k,
            "bits": 2,
            "loss": rng.random(),
            "relative_loss": 10 ** rng.uniform(-4, -1),
            "compared_loss": -1,
            "fell_back_to_rtn": False,
        }
        for l in range(LAYERS)
        for k in LINEARS
    ]
    return {
        "source": facts()["name"],
        "fingerprint": {"model": "0123456789abcdef"},
        "linears": linears,
        "options": {"method": "gptq"},
        "plan": make_plan(rng),
    }


def make_sweep(rng: random.Random) -> dict:
    cells = [
        {
            "top": top,
            "method": m,
            "scores": s,
            "layers": list(range(top)),
            "code_bits": 2 + top / 15,
            "true_bits": 2.3 + top / 15,
            "bytes": 10**6 + top,
            "eval": make_tasks(rng, "cell", 2, 5),
        }
        for m in ("gptq", "awq")
        for s in ("geometry", "random")
        for top in range(1, 17)
    ]
    return {
        "kind": "lieq-sweep",
        "model": {"label": "full", "hash": "ab"},
        "machine": {"cpu": "A CPU", "cores": 2},
        "lieq": {"version": "0.1.0"},
        "date": "2026-11-23T01:02:03Z",
        "command": "lieq sweep full",
        "options": {},
        "planned": len(cells),
        "baseline": make_tasks(rng, "full", 16, 9),
        "cells": cells,
    }


class Browser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        rng = random.Random(1)
        models = [("full", 16, 20000000), (NASTY, 2.3, 5000000), ("gptq-4bit", 4.3, 8000000)]
        cls.data = {
            "scores": make_scores(rng),
            "texts": [make_text(rng, *m) for m in models],
            "tasks": [make_tasks(rng, *m) for m in models],
            "shapes": make_shapes(rng),
            "speeds": make_speeds(rng),
            "quantised": make_folder(rng),
            "sweep": make_sweep(rng),
        }
        files = []
        for name, data in cls.data.items():
            files.append(cls.folder / f"{name}.json")
            files[-1].write_text(json.dumps(data))
        done = subprocess.run(
            [LIEQ, "report", *map(str, files), "-o", str(cls.folder / "report.html")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        cls.html = (cls.folder / "report.html").read_text()
        (cls.folder / "page.html").write_text(
            cls.html.replace("<body>", "<body>" + BEFORE, 1).replace("</body>", AFTER + "</body>", 1)
        )
        (cls.folder / "phone.html").write_text(AROUND)
        cls.wide = cls.open("page.html")

    @classmethod
    def chromium(cls, page: str, *options: str) -> str:
        command = [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--window-size=1200,900",
            f"--user-data-dir={cls.folder}/profile",
            *options,
            (cls.folder / page).as_uri(),
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=240).stdout

    @classmethod
    def open(cls, page: str, *options: str) -> dict:
        dom = cls.chromium(page, "--virtual-time-budget=8000", "--dump-dom", *options)
        found = re.search(r'<pre id="answer">(.*?)</pre>', dom, re.S)
        assert found, "the page gave no answer: " + dom[-500:]
        return json.loads(unescape(found[1]))

    def check(self, answer: dict):
        self.assertEqual(answer["errors"], [])
        self.assertEqual(answer["outside"], [])
        for figure, width, height, shapes in answer["panels"]:
            self.assertGreater(min(width, height), 50, figure)
            self.assertGreater(shapes, 0, figure)
        self.assertTrue(answer["steps"])
        for step in answer["steps"]:
            self.assertEqual(step, ["visible", True, True, True])

    def test_every_chart_is_drawn_without_errors(self):
        self.check(self.wide)
        figures = {
            figure.split("-", 2)[-1] if figure.startswith("model-") else figure for figure, *_ in self.wide["panels"]
        }
        self.assertEqual(
            figures,
            {"perplexity-1", "accuracy-1", "sweep", "depth", "taxonomy", "plan", "bytes", "losses", "speed", "latency"},
        )
        self.assertLessEqual(self.wide["wide"][0], self.wide["wide"][1])
        self.assertLess(len(self.html), 1_000_000)
        self.assertNotRegex(self.html, r"(?:src|href)\s*=\s*[\"']?(?:https?:|//)|url\(|@import|<link|fetch\(")

    def test_a_phone_shows_all_of_it(self):
        answer = self.open("phone.html")
        self.check(answer)
        self.assertEqual(len(answer["panels"]), len(self.wide["panels"]))
        self.assertLessEqual(answer["wide"][0], 390)
        self.assertGreater(answer["text"], 9)  # pixels

    def test_values_are_those_of_the_files(self):
        tables = {
            name.split("-", 2)[-1] if name.startswith("model-") else name: table
            for name, table in self.wide["tables"].items()
        }

        def rows(figure, index=0):
            return tables[figure][index][1:]

        for row, record in zip(rows("perplexity-1"), self.data["texts"], strict=True):
            self.assertEqual(row[0], record["model"])
            self.assertEqual([float(row[4]), float(row[5])], [record["perplexity"], record["perplexity_stderr"]])
            if "kl" in record:
                self.assertEqual(float(row[6]), record["kl"])
        for row in rows("accuracy-1"):
            for m, model in enumerate(self.data["tasks"]):
                own = model["results"][row[0]]
                self.assertEqual(
                    [float(row[4 + 2 * m]), float(row[5 + 2 * m])], [own["acc,none"], own["acc_stderr,none"]]
                )
        for row, layer in zip(rows("depth"), self.data["scores"]["layers"], strict=True):
            self.assertEqual([int(row[0]), int(row[1])], [layer["layer"], layer["rank"]])
            self.assertEqual(
                [float(x) for x in row[2:]],
                [layer["score"], layer["perplexity_drop"], layer["compactness"], layer["energy_gain"]],
            )
        for row, cell in zip(rows("taxonomy"), self.data["scores"]["cells"], strict=True):
            self.assertEqual([float(row[5]), float(row[6])], [cell["rho_compactness"], cell["rho_energy_gain"]])
        for row, linear in zip(rows("losses"), self.data["quantised"]["linears"], strict=True):
            self.assertEqual(
                [int(row[0]), row[1], float(row[3])], [linear["layer"], linear["linear"], linear["relative_loss"]]
            )
        for row, layer in zip(rows("plan"), self.data["quantised"]["plan"]["layers"], strict=True):
            self.assertEqual([int(row[1]), row[3]], [layer["bits"], layer["reason"]])
        for row, record in zip(rows("latency"), self.data["shapes"]["records"], strict=True):
            self.assertEqual(
                [int(row[2]), row[3], float(row[5])], [record["tokens"], record["kernel"], record["seconds"]]
            )
        for row, record in zip(rows("speed"), self.data["speeds"], strict=True):
            self.assertEqual(float(row[5]), record["prompt_tokens_per_second"]["mean"])
        for row, cell in zip(rows("sweep")[1:], self.data["sweep"]["cells"], strict=True):
            mean = sum(task["acc,none"] for task in cell["eval"]["results"].values()) / 3
            self.assertEqual([row[0], row[1], int(row[2])], [cell["method"], cell["scores"], cell["top"]])
            self.assertAlmostEqual(float(row[6]), 100 * mean, places=9)

    def test_colours_follow_the_scheme(self):
        dark = self.open("page.html", "--blink-settings=preferredColorScheme=0")
        light = self.open("page.html", "--blink-settings=preferredColorScheme=1")
        self.assertEqual(light["background"], "rgb(255, 255, 255)")
        self.assertNotEqual(dark["background"], light["background"])
        self.assertNotEqual(dark["ink"], light["ink"])

    def test_it_prints(self):
        self.chromium("report.html", f"--print-to-pdf={self.folder}/report.pdf", "--no-pdf-header-footer")
        pdf = (self.folder / "report.pdf").read_bytes()
        self.assertTrue(pdf.startswith(b"%PDF"))
        pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))
        self.assertTrue(2 <= pages <= 20, pages)


if __name__ == "__main__":
    if CHROMIUM is None:
        print("chromium is not installed: the report is not tested in a browser")
        raise SystemExit(77)
    unittest.main()
