#!/usr/bin/env python3
"""Draws KL and perplexity against true bits, a line for each program, from the points that peers.py has measured.

    figure.py docs/peers.json -o docs/peers.svg

Needs matplotlib."""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "lieq"  # the same bytes every time
matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
import matplotlib.pyplot as plt  # noqa: E402

STYLES = {"lieq": ("#1d5fa8", "o"), "lieq, for other engines": ("#5fa3d9", "D"), "llama.cpp": ("#b3541e", "s"),
          "AutoRound": ("#6d6d6d", "^")}
LABELLED = ("llama.cpp", "AutoRound")  # the others' points are no types, only budgets


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points")
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    record = json.loads(pathlib.Path(args.points).read_text())
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4), layout="constrained")
    for axes, value, title in ((left, lambda one: one["kl"], "KL to the original, nats a token"),
                               (right, lambda one: 100 * (one["ratio"] - 1), "perplexity above the original's, %")):
        for program, (colour, marker) in STYLES.items():
            points = sorted((one["true_bits"], value(one), one["label"]) for one in record["points"] if one["program"] == program)
            if not points:
                continue
            axes.plot([p[0] for p in points], [p[1] for p in points], color=colour, marker=marker, markersize=4, label=program,
                      linestyle="none" if program in LABELLED else "-")
            for bits, y, label in points if program in LABELLED else ():
                axes.annotate(label, (bits, y), textcoords="offset points", xytext=(4, 4), fontsize=7, color=colour)
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="true bits per weight of the layers", yscale="log")
        axes.grid(alpha=0.3)
    left.legend(frameon=False, fontsize=8)
    figure.suptitle(record["title"], fontsize=10)
    figure.savefig(args.output, metadata={"Date": None})


if __name__ == "__main__":
    main()
