#!/usr/bin/env python3
"""What each step of the recipe is worth: quantises a model under every setting of a list, on several draws of calibration
text, and prints a table.

    bench/quality/ablation.py --lieq build/release/lieq/cli/lieq --model MODEL --calib FILE --kl NAME=FILE ... \\
        --perplexity NAME=FILE ... [--draws 3] [--window 2048] [--chunks 8] [--only "NAME;NAME"] -o FOLDER

A draw is one of `--draws` equal parts of the calibration text, cut at lines. KL is the mean over tokens; its error is that of
the mean over draws, or with one draw that over tokens. Rows that lie in FOLDER are not measured again, so an interrupted
run goes on. Models are deleted once they are scored.
"""

import argparse
import json
import math
import pathlib
import re
import resource
import shlex
import shutil
import statistics
import subprocess
import sys

# Name and options beside those of every run. The first is what others are compared with.
SETTINGS = [
    ("half", "--top 1 --grid half"),
    ("half, full correction", "--top 1 --grid half --correction 1"),
    ("half, no correction", "--top 1 --grid half --no-correction"),
    ("half, no gains", "--top 1 --grid half --no-gains"),
    ("half, no descent", "--top 1 --grid half --sweeps 0"),
    ("skew", "--top 1"),
    ("half, refined", "--top 1 --grid half --refine"),
    ("uniform half", "--bits 2 --grid half"),
    ("paper-gptq", "--recipe paper-gptq --top 1"),
    ("paper-awq-gptq", "--recipe paper-awq-gptq --top 1"),
    ("paper-awq", "--recipe paper-awq --top 1"),
    ("paper-rtn", "--recipe paper-rtn --top 1"),
]


def named(text):
    name, _, file = text.partition("=")
    if not file:
        raise argparse.ArgumentTypeError(f"found '{text}', expected NAME=FILE")
    return name, file


def draws_of(file, count, folder):
    """The text cut into equal parts at line ends."""
    lines = pathlib.Path(file).read_text(encoding="utf-8").splitlines(keepends=True)
    parts = []
    for d in range(count):
        part = folder / f"calibration-{d}{pathlib.Path(file).suffix}"
        part.write_text("".join(lines[d * len(lines) // count:(d + 1) * len(lines) // count]), encoding="utf-8")
        parts.append(part)
    return parts


def run(command, log):
    """User and system seconds of it. A model that collapsed (status 3) is a result."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(log, "w", encoding="utf-8") as out:
        status = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    if status not in (0, 3):
        sys.exit(f"{shlex.join(command)}: status {status}, see {log}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def score(arguments, model, file, windows, log):
    """The records of the original and the quantised model."""
    result = log.with_suffix(".json")
    command = [arguments.lieq, "eval", arguments.model, str(model), "--text", file, "--window", str(arguments.window), "-o", str(result)]
    run(command + (["--chunks", str(windows)] if windows else []), log)
    return json.loads(result.read_text(encoding="utf-8"))


def measure(arguments, name, options, draw, calibration, folder):
    row_file = folder / f"{re.sub('[^a-z0-9]+', '-', name)}-{draw}.row.json"
    if row_file.exists():
        return json.loads(row_file.read_text(encoding="utf-8"))
    made = folder / "model"
    shutil.rmtree(made, ignore_errors=True)
    command = [arguments.lieq, "quantize", arguments.model, "-o", str(made), "--calib", str(calibration),
               *options.split(), *shlex.split(arguments.options)]
    print(f"{name}, draw {draw}: {shlex.join(command)}", file=sys.stderr, flush=True)
    row = {"name": name, "options": options, "draw": draw, "seconds": run(command, row_file.with_suffix(".log")),
           "kl": {}, "kl_stderr": {}, "ratio": {}}
    for text, file in arguments.kl:
        records = score(arguments, made, file, arguments.chunks, folder / "kl.log")
        row["true_bits"] = records[1]["true_bits"]
        row["kl"][text], row["kl_stderr"][text] = records[1]["kl"], records[1].get("kl_stderr", 0)
    for text, file in arguments.perplexity:
        records = score(arguments, made, file, arguments.perplexity_chunks, folder / "perplexity.log")
        row["ratio"][text] = records[1]["perplexity"] / records[0]["perplexity"]
    shutil.rmtree(made, ignore_errors=True)
    row_file.write_text(json.dumps(row, indent=1), encoding="utf-8")
    return row


def error_of(rows, text):
    """Of the mean over draws: their own spread if there are several, else the tokens' standard error."""
    values = [row["kl"][text] for row in rows]
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else rows[0]["kl_stderr"][text]


def table(rows_by_name, kl_texts, perplexity_texts):
    head = ["setting", "true bits", *(f"KL {t}" for t in kl_texts), *(f"ppl ratio {t}" for t in perplexity_texts), "CPU s"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, rows in rows_by_name.items():
        cells = [f"{name}: `{rows[0]['options']}`", f"{rows[0]['true_bits']:.2f}"]
        cells += [f"{statistics.mean(r['kl'][t] for r in rows):.4f} ± {error_of(rows, t):.4f}" for t in kl_texts]
        cells += [f"{statistics.mean(r['ratio'][t] for r in rows):.3f}" for t in perplexity_texts]
        cells.append(f"{statistics.mean(r['seconds'] for r in rows):.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lieq", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--calib", required=True, help="text whose parts are the draws")
    parser.add_argument("--kl", type=named, nargs="+", required=True, metavar="NAME=FILE")
    parser.add_argument("--perplexity", type=named, nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=8, help="windows that KL is measured on, for each text")
    parser.add_argument("--window", type=int, default=2048, help="tokens in a window that is scored")
    parser.add_argument("--perplexity-chunks", type=int, default=10)
    parser.add_argument("--options", default="", help="options of every quantisation, e.g. '--calib-windows 48'")
    parser.add_argument("--only", default="", help="names of settings, by semicolons")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    wanted = [name.strip() for name in arguments.only.split(";") if name.strip()]
    parts = draws_of(arguments.calib, arguments.draws, arguments.output)
    rows = {}
    for draw, part in enumerate(parts):
        for name, options in SETTINGS:
            if wanted and name not in wanted:
                continue
            rows.setdefault(name, []).append(measure(arguments, name, options, draw, part, arguments.output))
    print(table(rows, [t for t, _ in arguments.kl], [t for t, _ in arguments.perplexity]))


if __name__ == "__main__":
    main()
