"""A lean Qwen3 in plain torch.  The weights of all layers are stacked in one
tensor per kind, which lets Muon treat every kind of matrix in one batch."""
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Callable

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn


@dataclass
class Config:
    vocab_size: int = 4096
    hidden_size: int = 256
    intermediate_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 64
    max_position_embeddings: int = 1024
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6

    dict = asdict


# Short name -> name inside a Hugging Face layer.
MATRICES = {"q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj",
            "o": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj",
            "down": "mlp.down_proj"}
NORMS = {"ln1": "input_layernorm", "ln2": "post_attention_layernorm",
         "qn": "self_attn.q_norm", "kn": "self_attn.k_norm"}


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Qwen3(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.c = c
        n, h, f, d = c.num_hidden_layers, c.hidden_size, c.intermediate_size, c.head_dim
        qd, kd = c.num_attention_heads * d, c.num_key_value_heads * d
        shapes = {"q": (qd, h), "k": (kd, h), "v": (kd, h), "o": (h, qd),
                  "gate": (f, h), "up": (f, h), "down": (h, f)}
        self.embed = nn.Parameter(torch.randn(c.vocab_size, h) * 0.02)
        self.m = nn.ParameterDict()
        for k, (rows, cols) in shapes.items():
            w = torch.randn(n, rows, cols) * (0.6 / math.sqrt(cols))
            # Blocks that start as the identity train faster in the first steps.
            self.m[k] = nn.Parameter(torch.zeros_like(w) if k in ("o", "down") else w)
        self.n = nn.ParameterDict({k: nn.Parameter(torch.ones(n, h if k[0] == "l" else d))
                                   for k in NORMS})
        self.norm = nn.Parameter(torch.ones(h))
        inv = c.rope_theta ** -(torch.arange(0, d, 2).double() / d)
        ang = torch.arange(c.max_position_embeddings).double()[:, None] * inv
        self.register_buffer("cos", ang.cos().float(), persistent=False)
        self.register_buffer("sin", ang.sin().float(), persistent=False)

    def rms(self, x: Tensor, w: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), w, self.c.rms_norm_eps)

    def forward(self, ids: Tensor) -> Tensor:
        c, (b, t) = self.c, ids.shape
        cos, sin = self.cos[:t], self.sin[:t]
        rep = c.num_attention_heads // c.num_key_value_heads
        m = {k: p.unbind(0) for k, p in self.m.items()}
        n = {k: p.unbind(0) for k, p in self.n.items()}

        def heads(x: Tensor) -> Tensor:
            return x.view(b, t, -1, c.head_dim).transpose(1, 2)

        x = F.embedding(ids, self.embed)
        for i in range(c.num_hidden_layers):
            y = self.rms(x, n["ln1"][i])
            q = rotate(self.rms(heads(F.linear(y, m["q"][i])), n["qn"][i]), cos, sin)
            k = rotate(self.rms(heads(F.linear(y, m["k"][i])), n["kn"][i]), cos, sin)
            v = heads(F.linear(y, m["v"][i]))
            k, v = k.repeat_interleave(rep, 1), v.repeat_interleave(rep, 1)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + F.linear(y.transpose(1, 2).reshape(b, t, -1), m["o"][i])
            y = self.rms(x, n["ln2"][i])
            y = F.silu(F.linear(y, m["gate"][i])) * F.linear(y, m["up"][i])
            x = x + F.linear(y, m["down"][i])
        return F.linear(self.rms(x, self.norm), self.embed)

    def loss(self, ids: Tensor) -> Tensor:
        """Mean loss of predicting every token but the first of each row."""
        logits = self(ids[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


def to_hf(model: Qwen3) -> dict[str, Tensor]:
    """Weights under the names of transformers' Qwen3ForCausalLM."""
    out = {"model.embed_tokens.weight": model.embed, "model.norm.weight": model.norm}
    for i in range(model.c.num_hidden_layers):
        for params, names in ((model.m, MATRICES), (model.n, NORMS)):
            for k, name in names.items():
                out[f"model.layers.{i}.{name}.weight"] = params[k][i]
    return {k: v.detach().contiguous() for k, v in out.items()}


def load_hf(folder: Path) -> Qwen3:
    """The model of a Hugging Face folder, weights widened to FP32."""
    cfg = json.loads((folder / "config.json").read_text())
    model = Qwen3(Config(**{f.name: cfg[f.name] for f in fields(Config)}))
    t = load_file(folder / "model.safetensors")
    for k, v in to_hf(model).items():
        if t[k].shape != v.shape:
            raise SystemExit(f"{k}: {t[k].shape} instead of {v.shape}")
    with torch.no_grad():
        model.embed.copy_(t["model.embed_tokens.weight"])
        model.norm.copy_(t["model.norm.weight"])
        for params, names in ((model.m, MATRICES), (model.n, NORMS)):
            for k, name in names.items():
                for i in range(model.c.num_hidden_layers):
                    params[k][i].copy_(t[f"model.layers.{i}.{name}.weight"])
    return model.eval()


@torch.no_grad()
def window_nll(logits_of: Callable[[Tensor], Tensor], ids: list[int], size: int = 512) -> list[float]:
    """Mean NLL of each whole, non-overlapping window; its first token is not scored."""
    out = []
    for w in torch.tensor(ids[:len(ids) // size * size]).view(-1, size):
        logits = logits_of(w[None, :-1])[0].float()
        out.append(F.cross_entropy(logits, w[1:]).item())
    return out


def perplexity(nll: list[float]) -> float:
    return math.exp(sum(nll) / len(nll))  # all windows score the same number of tokens
