"""Check the model folder against transformers (FP32) and write golden.json."""
import argparse
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, logging

from model import load_hf, perplexity, window_nll

PROMPTS = ["And it came to pass", "The meaning of freedom is", "To install a package,"]
# Text with everything the splitter treats specially.
TRICKY = "It's 2026!  Cafe\u0301, na\u00efve \u65e5\u672c\u8a9e \U0001f600\r\n\n\t x=1;  <|endoftext|> I'LL\u00a0go  \n"


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("demo", type=Path)
    ap.add_argument("--windows", type=int, default=8, help="windows listed one by one")
    a = ap.parse_args()
    torch.set_grad_enabled(False)
    logging.set_verbosity_error()
    logging.disable_progress_bar()

    text = (a.demo / "heldout.txt").read_text(encoding="utf-8")
    tok = AutoTokenizer.from_pretrained(a.demo)
    own = Tokenizer.from_file(str(a.demo / "tokenizer.json"))
    for t in (text, TRICKY, *PROMPTS):
        if tok(t).input_ids != own.encode(t).ids:
            raise SystemExit(f"AutoTokenizer differs on {t[:40]!r}")
    ids = tok(text).input_ids
    if tok.decode(ids) != text:
        raise SystemExit("the text does not survive the tokenizer")

    model = AutoModelForCausalLM.from_pretrained(a.demo, dtype=torch.float32, attn_implementation="eager").eval()
    nll = window_nll(lambda x: model(x).logits, ids)
    mine = window_nll(load_hf(a.demo), ids)
    gap = max(abs(x - y) for x, y in zip(nll, mine))
    print(f"perplexity {perplexity(nll):.5f}, own code {perplexity(mine):.5f}, "
          f"largest window difference {gap:.2e}")
    if gap > 1e-4:
        raise SystemExit("transformers and the training code disagree")

    greedy = []
    for p in PROMPTS:
        seq, margin = tok(p).input_ids, float("inf")
        n = len(seq)
        for _ in range(32):  # no cache and no early stop: the plain definition
            top = model(torch.tensor([seq])).logits[0, -1].topk(2)
            margin = min(margin, (top.values[0] - top.values[1]).item())
            seq = seq + [top.indices[0].item()]
        greedy.append({"prompt": p, "prompt_ids": seq[:n], "ids": seq[n:],
                       "text": tok.decode(seq[n:]), "min_margin": round(margin, 6)})
        print(repr(p + greedy[-1]["text"]))

    golden = {"made_with": "transformers, FP32, BF16 weights widened",
              "heldout_first_ids": ids[:64], "heldout_tokens": len(ids),
              "window": 512, "windows": len(nll), "scored_per_window": 511,
              "window_nll": [round(x, 7) for x in nll[:a.windows]],
              "mean_nll": round(sum(nll) / len(nll), 7), "perplexity": round(perplexity(nll), 6),
              "greedy": greedy}
    (a.demo / "golden.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
