"""Train the demo model for a fixed wall time on the CPU."""
import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model import Config, Qwen3

# Share of each source in every batch.
MIX = {"kjv": 0.43, "faq": 0.37, "handbook": 0.08, "gcide": 0.12}


class Stream:
    """Windows of one token file, each seen once per pass, in random order."""

    def __init__(self, path: Path, rng: np.random.Generator) -> None:
        self.ids, self.rng = np.fromfile(path, dtype="<u2").astype(np.int64), rng
        self.order: list[int] = []
        self.used = 0

    def next(self, n: int) -> np.ndarray:
        if not self.order:
            start = int(self.rng.integers(n))  # other cuts in every pass
            self.order = list(self.rng.permutation(np.arange(start, len(self.ids) - n, n)))
        i = min(self.order.pop(), len(self.ids) - n - 1)
        self.used += n
        return self.ids[i:i + n + 1]


def orthogonalise(g: Tensor) -> Tensor:
    """Newton-Schulz iteration: pushes all singular values of each matrix towards 1."""
    x = g.mT if g.shape[-2] > g.shape[-1] else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        s = x @ x.mT
        x = 3.4445 * x + (2.0315 * s @ s - 4.7750 * s) @ x
    return x.mT if g.shape[-2] > g.shape[-1] else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised, for (stacks of) hidden matrices."""

    def __init__(self, params, lr: float, momentum: float = 0.95, decay: float = 0.1) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["momentum"])
                u = orthogonalise(p.grad.lerp(m, group["momentum"]))
                scale = max(1.0, p.shape[-2] / p.shape[-1]) ** 0.5
                p.mul_(1 - group["lr"] * group["decay"])
                p.add_(u, alpha=-group["lr"] * scale)


def lr_factor(t: float, warm: float = 0.02, flat: float = 0.35) -> float:
    """Warm up, stay, then fall linearly to zero; t is the used share of the time."""
    if t < warm:
        return max(t / warm, 0.02)
    return min(1.0, max(0.0, (1 - t) / (1 - flat)))


@torch.no_grad()
def validate(model: Qwen3, data: Path, windows: dict[str, int], size: int = 512) -> dict[str, float]:
    """Loss over evenly spread windows of every held-out file."""
    out = {}
    for name, n in windows.items():
        ids = torch.from_numpy(np.fromfile(data / f"{name}_val.bin", dtype="<u2").astype(np.int64))
        w = ids[:len(ids) // size * size].view(-1, size)
        w = w[torch.linspace(0, len(w) - 1, min(n, len(w))).long()]
        out[name] = sum(model.loss(b).item() * len(b) for b in w.split(8)) / len(w)
    return out


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--data", type=Path, required=True, help="folder written by prepare.py")
    ap.add_argument("--out", type=Path, required=True, help="folder for checkpoints and curve.jsonl")
    ap.add_argument("--seconds", type=float, default=4650, help="wall time of the whole training")
    ap.add_argument("--every", type=float, default=300, help="seconds between checkpoints")
    ap.add_argument("--batch", type=int, default=4096, help="tokens per step")
    ap.add_argument("--seq", type=int, default=256, help="window length in the first part")
    ap.add_argument("--long-seq", type=int, default=512, help="window length after --long-from")
    ap.add_argument("--long-from", type=float, default=0.5, help="share of the time")
    ap.add_argument("--lr", type=float, default=0.02, help="Muon, hidden matrices")
    ap.add_argument("--adam-lr", type=float, default=0.003, help="AdamW, embedding and norms")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--stop-after", type=float, help="seconds, to try settings")
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    rng = np.random.default_rng(a.seed)

    streams = {k: Stream(a.data / f"{k}_train.bin", rng) for k in MIX}
    model = Qwen3(Config())
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    matrices = list(model.m.parameters())
    others = [model.embed, model.norm, *model.n.parameters()]
    opts = [Muon(matrices, a.lr),
            torch.optim.AdamW(others, a.adam_lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)]
    base = [a.lr, a.adam_lr]

    start = last_print = last_save = time.monotonic()
    cpu0, step, tokens, recent = time.process_time(), 0, 0, []
    names, probs = list(MIX), list(MIX.values())
    while True:
        now = time.monotonic()
        t = (now - start) / a.seconds
        done = t >= 1 or (a.stop_after is not None and now - start >= a.stop_after)
        if now - last_print > 15 or done:
            print(f"{now - start:6.0f} s  step {step:5d}  {tokens:8d} tokens  "
                  f"{tokens / (now - start + 1e-9):6.0f} t/s  loss {np.mean(recent[-30:]):.4f}", flush=True)
            last_print = now
        if now - last_save > a.every or done:
            val = validate(model, a.data, {"kjv": 24, "faq": 8, "handbook": 8, "gcide": 8})
            row = {"seconds": round(now - start), "cpu_seconds": round(time.process_time() - cpu0),
                   "step": step, "tokens": tokens, "train": round(float(np.mean(recent[-50:])), 4),
                   **{k: round(v, 4) for k, v in val.items()},
                   "seen": {k: s.used for k, s in streams.items()}}
            print(json.dumps(row), flush=True)
            with open(a.out / "curve.jsonl", "a") as f:
                f.write(json.dumps(row) + "\n")
            part = a.out / "model.part"
            torch.save({"config": model.c.dict(), "model": model.state_dict(), "row": row,
                        "args": {k: str(v) for k, v in vars(a).items()}}, part)
            part.rename(a.out / f"model-{step:06d}.pt")
            last_save = now
        if done:
            break
        seq = a.seq if t < a.long_from else a.long_seq
        picks = rng.choice(len(names), size=a.batch // seq, p=probs)
        batch = torch.from_numpy(np.stack([streams[names[i]].next(seq) for i in picks]))
        loss = model.loss(batch)
        loss.backward()
        for p in others:  # a spike in a rare token's row must not move the rest
            torch.nn.utils.clip_grad_norm_([p], 1.0)
        for opt, lr in zip(opts, base):
            for group in opt.param_groups:
                group["lr"] = lr * lr_factor(t)
            opt.step()
            opt.zero_grad(set_to_none=True)
        recent.append(loss.item())
        if not math.isfinite(recent[-1]):
            raise SystemExit(f"loss {recent[-1]} at step {step}")
        step, tokens = step + 1, tokens + batch.shape[0] * seq
    print("done", flush=True)


if __name__ == "__main__":
    main()
