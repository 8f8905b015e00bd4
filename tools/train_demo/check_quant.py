"""Perplexity on heldout.txt when all transformer matrices are rounded to few bits.

Plain round to nearest: each group of neighbouring weights in a row gets 2^bits
evenly spaced levels from its smallest to its largest weight.  The embedding
(which is also the output head) and the norms stay as they are.
"""
import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from model import load_hf, perplexity, window_nll


def rtn(w: Tensor, bits: int, group: int) -> Tensor:
    g = w.reshape(-1, group)
    lo, hi = g.amin(1, keepdim=True), g.amax(1, keepdim=True)
    step = ((hi - lo) / (2**bits - 1)).clamp_min(1e-12)
    return (((g - lo) / step).round() * step + lo).view_as(w)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("demo", type=Path)
    ap.add_argument("--group", type=int, default=64)
    ap.add_argument("--bits", type=int, nargs="*", default=[8, 4, 3, 2])
    ap.add_argument("--threads", type=int, default=1, help="more are slow on a busy machine")
    ap.add_argument("--windows", type=int, help="only the first so many windows")
    a = ap.parse_args()
    torch.set_num_threads(a.threads)

    model = load_hf(a.demo)
    text = (a.demo / "heldout.txt").read_text(encoding="utf-8")
    ids = Tokenizer.from_file(str(a.demo / "tokenizer.json")).encode(text).ids
    if a.windows:
        ids = ids[:a.windows * 512]
    full = {k: v.detach().clone() for k, v in model.m.items()}

    print("| weights | relative error | perplexity | times FP32 |\n|---|---|---|---|")
    base = perplexity(window_nll(model, ids))
    print(f"| BF16 as stored | 0 | {base:.3f} | 1.000 |")
    for bits in a.bits:
        err = total = 0.0
        with torch.no_grad():
            for k, w in full.items():
                q = rtn(w, bits, a.group)
                err += (q - w).square().sum().item()
                total += w.square().sum().item()
                model.m[k].copy_(q)
        ppl = perplexity(window_nll(model, ids))
        print(f"| {bits} bit, group {a.group} | {(err / total) ** 0.5:.4f} | {ppl:.3f} | {ppl / base:.3f} |",
              flush=True)


if __name__ == "__main__":
    main()
