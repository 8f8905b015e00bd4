"""Print sampled continuations of some prompts."""
import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer

from model import load_hf


@torch.no_grad()
def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("demo", type=Path)
    ap.add_argument("prompts", nargs="+")
    ap.add_argument("--tokens", type=int, default=80)
    ap.add_argument("--temperature", type=float, default=0.7)
    ap.add_argument("--top-k", type=int, default=40)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    torch.manual_seed(a.seed)
    tok, model = Tokenizer.from_file(str(a.demo / "tokenizer.json")), load_hf(a.demo)
    for p in a.prompts:
        ids = tok.encode(p).ids
        for _ in range(a.tokens):
            top = (model(torch.tensor([ids]))[0, -1] / a.temperature).topk(a.top_k)
            ids.append(top.indices[torch.multinomial(top.values.softmax(0), 1)].item())
        print(tok.decode(ids, skip_special_tokens=False), end="\n\n")


if __name__ == "__main__":
    main()
