#!/usr/bin/env python3
"""Draws perplexity against true bits, a line for each program, from the points of a file.

    figure.py docs/peers.json -o docs/peers.svg

The file: {"title", "points": [{"program", "label", "true_bits", "ratio"}]}; ratio: perplexity over the original's. Each
point's command stands in the document that the file names. Needs matplotlib."""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "lieq"  # the same bytes every time
import matplotlib.pyplot as plt  # noqa: E402

STYLES = {"lieq": ("#1d5fa8", "o"), "llama-quantize": ("#b3541e", "s")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points")
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    record = json.loads(pathlib.Path(args.points).read_text())
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for program, (colour, marker) in STYLES.items():
        points = sorted((one["true_bits"], one["ratio"], one["label"]) for one in record["points"] if one["program"] == program)
        axes.plot([p[0] for p in points], [p[1] for p in points], color=colour, marker=marker, label=program)
        for bits, ratio, label in points:
            axes.annotate(label, (bits, ratio), textcoords="offset points", xytext=(6, 5), fontsize=8, color=colour)
    axes.set(xlabel="true bits per weight of the layers", ylabel="perplexity / original's", title=record["title"])
    axes.set_ylim(bottom=1)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(args.output, metadata={"Date": None})


if __name__ == "__main__":
    main()
