#!/usr/bin/env python3
"""Evaluation throughput of lieq and of transformers + torch, side by side in one run.

    bench/eval_vs_transformers.py LIEQ MODEL_FOLDER TEXT [--windows 4] [--rounds 3] [--threads 2]

Both score the same first windows of 2048 tokens of TEXT (perplexity: all logits, log-softmax in float32 or better).
Rounds alternate between the programs, so that a slow moment of the machine hits all; the best round of each counts.
Loading and tokenising are not timed. Needs torch and transformers from PyPI.
"""

import argparse
import json
import math
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

WINDOW = 2048


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def run_lieq(args: argparse.Namespace, compute: str) -> tuple[float, float]:
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run(
            [args.lieq, "eval", args.model, "--text", args.text, "--window", str(WINDOW), "--chunks", str(args.windows),
             "--compute", compute, "--threads", str(args.threads), "--output", out.name],
            check=True, capture_output=True)
        record = json.loads(Path(out.name).read_text())[0]
    return record["seconds"], record["perplexity"]


def run_torch(model, windows: torch.Tensor) -> tuple[float, float]:
    start, total = time.perf_counter(), 0.0
    with torch.inference_mode():
        for window in windows:
            logits = model(window[None], use_cache=False).logits[0, :-1]
            total += torch.nn.functional.cross_entropy(logits.float(), window[1:], reduction="sum").item()
    return time.perf_counter() - start, math.exp(total / (windows.shape[0] * (WINDOW - 1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lieq")
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(Path(args.model) / "tokenizer.json"))
    ids = tokenizer(Path(args.text).read_text(encoding="utf-8"), return_tensors="pt").input_ids[0]
    windows = ids[: args.windows * WINDOW].reshape(args.windows, WINDOW)
    contenders = {f"lieq {compute}": lambda compute=compute: run_lieq(args, compute) for compute in ("fp32", "bf16")}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        model = AutoModelForCausalLM.from_pretrained(args.model, dtype=dtype).eval()
        run_torch(model, windows[:1])  # warm-up
        contenders[f"torch {name}"] = lambda model=model: run_torch(model, windows)

    results: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(args.rounds):
        for name, run in contenders.items():
            results[name].append(run())

    print(f"{cpu_name()}, {args.threads} threads; torch {torch.__version__}; {args.windows} windows of {WINDOW} tokens, "
          f"best of {args.rounds} rounds")
    rates = {name: windows.numel() / min(seconds for seconds, _ in runs) for name, runs in results.items()}
    for name, runs in results.items():
        print(f"{name:11} {rates[name]:8.1f} tokens/s   perplexity {runs[0][1]:.4f}")
    ours = max(rate for name, rate in rates.items() if name.startswith("lieq"))
    theirs = max(rate for name, rate in rates.items() if name.startswith("torch"))
    print(f"best of lieq / best of torch: {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
