#!/usr/bin/env python3
"""Quantises one model with lieq and with other programs, all fitted to the same text, and measures KL to the original and
perplexity of each on a held-out text.

    peers.py --model demo --calibration data/calibration/prose.txt --text demo/heldout.txt --window 512 --windows 64 \\
        --ggml libggml-base.so --auto-round PYTHON --folder build/peers -o docs/peers.json

llama.cpp's types are made by ggml_quantize_chunk of that library with an importance matrix, as llama-quantize --pure makes
them, so the model's inputs must be multiples of 256; AutoRound runs in the Python given. Without --ggml or --auto-round
their points are left out. What is in FOLDER already is not made again. Only linears of the layers are quantised."""

import argparse
import json
import pathlib
import re
import subprocess
import sys

TYPES = ("IQ2_XXS", "IQ2_XS", "IQ2_S", "Q2_K", "IQ3_XXS", "IQ3_S", "Q3_K", "IQ4_XS", "Q4_K")
BITS = (2.2, 2.31, 2.45, 2.625, 3.06, 3.44, 4.25)
LIEQ = {"lieq": ("--grid", "half", "--per", "linear", "--choices", "2,3,4", "--group-size", "128"),
        "lieq, for other engines": ()}
AUTO_ROUND = """
import sys
from auto_round import AutoRound
model, text, window, windows, bits, output = sys.argv[1:]
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(model)
network = AutoModelForCausalLM.from_pretrained(model, dtype="float32")
import json, pathlib
ids = tokenizer(pathlib.Path(text).read_text())["input_ids"]
size = int(window)
import torch
batches = [torch.tensor([ids[i * size:(i + 1) * size]]) for i in range(int(windows))]
AutoRound(network, tokenizer, bits=int(bits), group_size=64, sym=False, iters=200, dataset=batches, seqlen=size,
          nsamples=len(batches), device_map="cpu").quantize_and_save(output, format="auto_gptq")
"""


def run(words, log):
    with open(log, "w") as file:
        done = subprocess.run(list(map(str, words)), stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: exit status {done.returncode}, see {log}")
    return pathlib.Path(log).read_text()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "calibration", "text", "folder", "output"):
        parser.add_argument(*(["-o"] if name == "output" else []), "--" + name, required=True)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--windows", type=int, default=64, help="of the calibration text, and of the held-out one")
    parser.add_argument("--ggml")
    parser.add_argument("--auto-round")
    parser.add_argument("--build", default="build/release")
    args = parser.parse_args()
    folder = pathlib.Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    points = []

    def score(program, label, name, *options):
        """One row, from the log where it is there."""
        log = folder / f"{name}.score"
        done = r"true bits ([\d.]+)[^\n]*\n.*ratio ([\d.]+) .*KL ([\d.]+) \+- ([\d.]+)"
        found = re.search(done, log.read_text(), re.S) if log.exists() else None
        if not found:
            text = run([f"{args.build}/bench/quantize_bench", "--model", args.model, "--calibration", args.calibration,
                        "--samples", args.windows, "--window", args.window, "--text", args.text, "--eval-window", args.window,
                        "--eval-windows", args.windows, *options], log)
            found = re.search(done, text, re.S)
        bits, ratio, kl, error = map(float, found.groups())
        points.append({"program": program, "label": label, "true_bits": bits, "ratio": ratio, "kl": kl, "kl_stderr": error})
        print(f"{program:24} {label:8} {bits:6.3f} bits  KL {kl:.4f} +- {error:.4f}  perplexity / original {ratio:.4f}", flush=True)

    for program, options in LIEQ.items():
        for bits in BITS if options else BITS[1:]:  # groups of 64 take 2.28 at least
            name = f"{'half' if options else 'skew'}-{bits}"
            if not (folder / name).exists():
                run([f"{args.build}/lieq/cli/lieq", "quantize", args.model, "-o", folder / name, "--true-bits", bits, *options, "--calib",
                     args.calibration, "--calib-windows", args.windows, "--calib-window", args.window], folder / f"{name}.log")
            score(program, f"{bits:g}", name, "--from", folder / name)
    for label in TYPES if args.ggml else ():
        score("llama.cpp", label, label, "--ggml", args.ggml, "--ggml-type", label)
    for bits in (2, 3, 4) if args.auto_round else ():
        output = folder / f"auto-round-{bits}"
        if not output.exists():
            run([args.auto_round, "-c", AUTO_ROUND, args.model, args.calibration, args.window, args.windows, bits, output],
                folder / f"auto-round-{bits}.log")
        model = next(path.parent for path in sorted(output.rglob("config.json")))
        score("AutoRound", f"W{bits}", f"auto-round-{bits}", "--from", model)
    name, fitted, scored = (pathlib.Path(path).name for path in (args.model, args.calibration, args.text))
    tokens = args.windows * args.window
    title = f"{name}: fitted to {tokens} tokens of {fitted}, scored on {tokens} of {scored}"
    pathlib.Path(args.output).write_text(json.dumps({"title": title, "points": points}, indent=1) + "\n")


if __name__ == "__main__":
    main()
