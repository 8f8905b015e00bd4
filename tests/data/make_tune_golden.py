#!/usr/bin/env python3
"""Writes tune-golden/: a random Qwen3 model with every bias and norm there is, codes of 2 and 3 bits in the place of its
linears, and what torch and transformers give in float64 for KL(original || quantised) and its gradients at the
logarithms of group scales and of norm gains. Needs torch 2, transformers 4.51 or later and safetensors."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.func import functional_call
from transformers import Qwen3Config, Qwen3ForCausalLM

FOLDER = Path(__file__).resolve().parent / "tune-golden"
GROUP, SEQUENCES, LENGTH = 16, 3, 20
LINEARS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
           "mlp.up_proj", "mlp.down_proj"]
GAINS = ["input_layernorm", "post_attention_layernorm"]
HEAD_GAINS = ["self_attn.q_norm", "self_attn.k_norm"]

FIELDS = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 80,
    "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 100.0, "hidden_act": "silu",
    "attention_bias": True, "tie_word_embeddings": False, "torch_dtype": "float32",
}


def make_original():
    config = Qwen3Config(**{k: v for k, v in FIELDS.items() if k not in ("architectures", "torch_dtype")},
                         attn_implementation="eager")
    model = Qwen3ForCausalLM(config)
    for name, weight in model.named_parameters():
        scale = 0.15 if "norm" in name else 0.3 if name.endswith("bias") else 0.25
        values = scale * torch.randn(weight.shape) + (1 if "norm" in name else 0)
        weight.data = values.half().float()  # exact in the file
    return model.eval().double()


def quantise(weight, bits):
    """Random scales near the right size, half-integer zero points: codes that are wrong enough to matter."""
    out, columns = weight.shape
    groups = weight.reshape(out, columns // GROUP, GROUP)
    scales = (groups.abs().amax(-1) * (0.9 + 0.4 * torch.rand(groups.shape[:2])) / 2 ** (bits - 1)).half()
    scales[::5] *= -1
    double_zeros = torch.randint(2**bits - 1, 2**bits + 2, scales.shape)
    codes = torch.round(groups / scales.double()[..., None] + double_zeros[..., None] / 2).clamp(0, 2**bits - 1)
    return codes, scales, double_zeros


def main():
    torch.manual_seed(5)
    original = make_original()
    save_file({n: p.detach().half() for n, p in original.named_parameters()},
              str(FOLDER / "model.safetensors"))
    (FOLDER / "config.json").write_text(json.dumps(FIELDS, indent=1) + "\n")

    tokens = torch.randint(0, FIELDS["vocab_size"], (SEQUENCES, LENGTH))
    fixed = {n: p.detach() for n, p in original.named_parameters()}
    expected = {"tokens": tokens.int()}
    free, weights = {}, dict(fixed)
    for layer in range(FIELDS["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for name in LINEARS:
            codes, scales, double_zeros = quantise(fixed[prefix + name + ".weight"], 3 if layer == 0 else 2)
            expected[prefix + name + ".codes"] = codes.reshape(codes.shape[0], -1).byte()
            expected[prefix + name + ".scales"] = scales
            expected[prefix + name + ".double_zeros"] = double_zeros.to(torch.uint8)
            log_scale = torch.zeros(scales.shape, dtype=torch.float64, requires_grad=True)
            free[prefix + name] = log_scale
            values = scales.double()[..., None] * log_scale.exp()[..., None] * (codes - double_zeros[..., None] / 2)
            weights[prefix + name + ".weight"] = values.reshape(codes.shape[0], -1)
        for name in GAINS + HEAD_GAINS:
            log_gain = torch.zeros(fixed[prefix + name + ".weight"].shape, dtype=torch.float64, requires_grad=True)
            free[prefix + name] = log_gain
            weights[prefix + name + ".weight"] = fixed[prefix + name + ".weight"] * log_gain.exp()
    with torch.no_grad():
        p = original(input_ids=tokens).logits.log_softmax(-1)
    q = functional_call(original, weights, kwargs={"input_ids": tokens}).logits.log_softmax(-1)
    kl = (p.exp() * (p - q)).sum(-1)
    kl.mean().backward()
    expected["kl"] = kl.detach().reshape(-1)
    for name, value in free.items():
        expected[name + ".gradient"] = value.grad.float()
    save_file({n: t.contiguous() for n, t in expected.items()}, str(FOLDER / "expected.safetensors"))
    print(f"KL {kl.mean():.4f}, largest gradient {max(v.grad.abs().max() for v in free.values()):.3g}")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main()
