#!/usr/bin/env python3
"""Zero-shot throughput of lieq and of lm-evaluation-harness with a torch model, side by side in one run.

    bench/eval_vs_harness.py LIEQ MODEL_FOLDER TASKS_DIR [--tasks hellaswag,mmlu_high_school_biology] [--limit 40]
                             [--num-fewshot 0] [--batch-sizes 1,8] [--rounds 1] [--threads 1] [--dtype float32]

Both answer the first questions of each task, read from TASKS_DIR/TASK.jsonl (the harness's hub downloads are replaced
by these files). Timed are tokenising and scoring: of the harness its `loglikelihood`, of lieq what it reports; CPU
seconds (user and system) of lieq are those of the whole process, loading included. Rounds alternate; the best of each
counts, of the harness also the best batch size. Log-likelihoods are compared too. Needs lm-eval, torch and transformers
from PyPI.
"""

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch's idle threads would take CPU time from others
import datasets
import lm_eval
import torch
from lm_eval.models.huggingface import HFLM

PATHS = {"baber/piqa": "piqa", "aps/super_glue": "boolq", "Rowan/hellaswag": "hellaswag",
         "allenai/winogrande": "winogrande"}


def serve_local_files(folder: Path) -> None:
    """Makes datasets.load_dataset read the task files instead of asking the hub."""

    def docs(task: str, subject: str | None = None):
        lines = (json.loads(line)["doc"] for line in (folder / f"{task}.jsonl").open(encoding="utf-8"))
        return datasets.Dataset.from_list([doc for doc in lines if subject is None or doc["subject"] == subject])

    def load(path: str, name: str | None = None, **_):
        if path == "cais/mmlu":
            splits = {"test": docs("mmlu", name), "dev": docs("mmlu_dev", name)}
        elif path == "allenai/ai2_arc":
            splits = {"test": docs(name.lower().replace("-", "_"))}
        else:
            splits = {"validation": docs(PATHS[path])}
        splits.setdefault("train", next(iter(splits.values())))
        return datasets.DatasetDict(splits)

    datasets.load_dataset = load


class TimedLM(HFLM):
    wall = cpu = 0.0

    def loglikelihood(self, requests, disable_tqdm=True):
        wall, cpu = time.perf_counter(), time.process_time()
        result = super().loglikelihood(requests, disable_tqdm=True)
        self.wall, self.cpu = time.perf_counter() - wall, time.process_time() - cpu
        return result


def run_harness(model: TimedLM, task: str, batch: int, args: argparse.Namespace) -> tuple[float, float, list[float]]:
    model.batch_size_per_gpu = batch
    done = lm_eval.simple_evaluate(model=model, tasks=[task], limit=args.limit, num_fewshot=args.num_fewshot,
                                   bootstrap_iters=0)
    samples = sorted(done["samples"][task], key=lambda sample: sample["doc_id"])
    return model.wall, model.cpu, [response[0] for sample in samples for response in sample["filtered_resps"]]


def run_lieq(task: str, args: argparse.Namespace) -> tuple[float, float, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.json"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        shots = ["--num-fewshot", str(args.num_fewshot)] if args.num_fewshot else []
        subprocess.run([args.lieq, "eval", args.model, "--tasks", task, "--tasks-dir", args.tasks_dir, "--limit",
                        str(args.limit), "--threads", str(args.threads), "--log-samples", "--output", out, *shots],
                       check=True, capture_output=True, env={**os.environ, "XDG_CACHE_HOME": folder})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        samples = [json.loads(line) for line in (Path(folder) / f"samples_{task}.jsonl").open(encoding="utf-8")]
        scores = [float(response[0]) for sample in samples for response in sample["filtered_resps"]]
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return json.loads(out.read_text())["lieq"]["seconds"], cpu, scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lieq")
    parser.add_argument("model")
    parser.add_argument("tasks_dir")
    parser.add_argument("--tasks", default="hellaswag,mmlu_high_school_biology")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--num-fewshot", type=int, default=0)
    parser.add_argument("--batch-sizes", default="1,8", help="of the harness; lieq chooses its own")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32", help="of the harness; lieq computes in float32")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    serve_local_files(Path(args.tasks_dir))
    model = TimedLM(pretrained=args.model, dtype=args.dtype, device="cpu")
    batches = [int(size) for size in args.batch_sizes.split(",")]
    cpu_name = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"{cpu_name}, {args.threads} threads; lm-eval {lm_eval.__version__}, torch {torch.__version__} {args.dtype}, "
          f"batches {args.batch_sizes}; {args.limit} questions, {args.num_fewshot} shots, "
          f"best of {args.rounds} rounds", flush=True)
    for task in args.tasks.split(","):
        harness, lieq = [], []
        for _ in range(args.rounds):
            lieq.append(run_lieq(task, args))
            harness += [run_harness(model, task, batch, args) for batch in batches]
        apart = max(abs(a - b) for a, b in zip(harness[0][2], lieq[0][2], strict=True))
        wall, cpu = ([min(run[i] for run in runs) for runs in (harness, lieq)] for i in (0, 1))
        print(f"{task}: questions/s harness {args.limit / wall[0]:.2f}, lieq {args.limit / wall[1]:.2f}: "
              f"ratio {wall[0] / wall[1]:.2f}; CPU seconds {cpu[0]:.1f}, {cpu[1]:.1f}: ratio {cpu[0] / cpu[1]:.2f}; "
              f"log-likelihoods at most {apart:.1e} apart", flush=True)


if __name__ == "__main__":
    main()
