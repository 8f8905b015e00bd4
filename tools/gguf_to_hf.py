#!/usr/bin/env python3
"""Writes a Llama GGUF file as a Hugging Face folder with F16 weights: gguf_to_hf.py MODEL.gguf FOLDER

Only what SmolLM2 needs: architecture llama, a byte-level BPE tokenizer of kind `smollm`.
Weights are dequantised by gguf-py and rounded to F16; the rows of q and k go back from interleaved to
half-split rotary order. The tokenizer keeps SmolLM2's splitting of digits, which other converters lose.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from gguf import GGUFReader, dequantize
from safetensors.numpy import save_file

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def hf_name(name: str) -> str:
    stem, kind = name.rsplit(".", 1)
    if stem in TOP_NAMES:
        return f"{TOP_NAMES[stem]}.{kind}"
    _, layer, part = stem.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.{kind}"


def half_split(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head from (pair, half) order back to (half, pair)."""
    per_head = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return per_head.swapaxes(1, 2).reshape(rows.shape)


def config(value) -> dict:
    heads = value("llama.attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": value("llama.embedding_length"),
        "intermediate_size": value("llama.feed_forward_length"),
        "num_hidden_layers": value("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": value("llama.attention.head_count_kv"),
        "head_dim": value("llama.embedding_length") // heads,
        "vocab_size": value("llama.vocab_size"),
        "max_position_embeddings": value("llama.context_length"),
        "rms_norm_eps": round(float(value("llama.attention.layer_norm_rms_epsilon")), 9),
        "rope_theta": float(value("llama.rope.freq_base")),
        "rope_scaling": None,
        "hidden_act": "silu",
        "initializer_range": 0.041666666666666664,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": value("tokenizer.ggml.bos_token_id"),
        "eos_token_id": value("tokenizer.ggml.eos_token_id"),
        "torch_dtype": "float16",
    }


def tokenizer(value) -> dict:
    tokens, types = value("tokenizer.ggml.tokens"), value("tokenizer.ggml.token_type")
    control = 3
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
            for i, (token, kind) in enumerate(zip(tokens, types))
            if kind == control
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": value("tokenizer.ggml.merges"),
        },
    }


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main(source: str, target: str) -> None:
    reader = GGUFReader(source)

    def value(key: str):
        return reader.fields[key].contents()

    if value("general.architecture") != "llama" or value("tokenizer.ggml.pre") != "smollm":
        sys.exit(f"{source}: expected architecture llama with tokenizer smollm")
    heads = {"attn_q": value("llama.attention.head_count"), "attn_k": value("llama.attention.head_count_kv")}
    tensors = {}
    for tensor in reader.tensors:
        weights = dequantize(tensor.data, tensor.tensor_type).astype(np.float16)
        part = tensor.name.rsplit(".", 1)[0].split(".")[-1]
        tensors[hf_name(tensor.name)] = half_split(weights, heads[part]) if part in heads else weights

    folder = Path(target)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "model"
        made.mkdir()
        save_file(tensors, made / "model.safetensors", metadata={"format": "pt"})
        write_json(made / "config.json", config(value))
        write_json(made / "tokenizer.json", tokenizer(value))
        write_json(made / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|im_start|>",
                                                    "eos_token": "<|im_end|>", "chat_template": value("tokenizer.chat_template")})
        write_json(made / "generation_config.json", {"bos_token_id": value("tokenizer.ggml.bos_token_id"),
                                                     "eos_token_id": value("tokenizer.ggml.eos_token_id")})
        os.rename(made, folder)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
