"""Draw curve.jsonl as an SVG picture and print it as a Markdown table."""
import argparse
import json
from pathlib import Path

COLOURS = {"train": "#999999", "kjv": "#c0392b", "faq": "#2471a3", "handbook": "#1e8449", "gcide": "#b9770e"}
W, H, LEFT, TOP, RIGHT, BOTTOM = 720, 400, 52, 34, 96, 44


def svg(rows: list[dict]) -> str:
    values = [r[k] for r in rows for k in COLOURS]
    lo, hi = int(min(values)), int(max(values)) + 1
    xmax = max(r["seconds"] for r in rows) / 60

    def x(v: float) -> float:
        return LEFT + v / xmax * (W - LEFT - RIGHT)

    def y(v: float) -> float:
        return TOP + (hi - v) / (hi - lo) * (H - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">',
           f'<rect width="{W}" height="{H}" fill="white"/>',
           f'<text x="{LEFT}" y="20">Loss (nats per token) on held-out text, and of training</text>']
    for i in range(2 * lo, 2 * hi + 1):
        v = i / 2
        out.append(f'<line x1="{LEFT}" x2="{W - RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="#dddddd"/>'
                   f'<text x="{LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v:g}</text>')
    for m in range(0, int(xmax) + 1, 10):
        out.append(f'<text x="{x(m):.1f}" y="{H - BOTTOM + 18}" text-anchor="middle">{m}</text>')
    out.append(f'<text x="{(W - RIGHT + LEFT) / 2}" y="{H - 8}" text-anchor="middle">minutes of training</text>')
    last = -1e9  # labels at the right end must not overlap
    for k, c in sorted(COLOURS.items(), key=lambda kc: y(rows[-1][kc[0]])):
        pts = " ".join(f'{x(r["seconds"] / 60):.1f},{y(r[k]):.1f}' for r in rows)
        last = max(last + 14, y(rows[-1][k]) + 4)
        out.append(f'<polyline points="{pts}" fill="none" stroke="{c}" stroke-width="2"/>'
                   f'<text x="{W - RIGHT + 6}" y="{last:.1f}" fill="{c}">{k} {rows[-1][k]:.2f}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("curve", type=Path, help="curve.jsonl of train.py")
    ap.add_argument("picture", type=Path, help="loss.svg to write")
    a = ap.parse_args()
    rows = [json.loads(s) for s in a.curve.read_text().splitlines()]
    a.picture.write_text(svg(rows), encoding="utf-8")
    cols = ["seconds", "step", "tokens", *COLOURS]
    print("| " + " | ".join(cols) + " |\n|" + "---:|" * len(cols))
    for r in rows:
        print("| " + " | ".join(f"{r[c]:.3f}" if isinstance(r[c], float) else str(r[c]) for c in cols) + " |")


if __name__ == "__main__":
    main()
