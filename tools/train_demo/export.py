"""Write a checkpoint of train.py as a Hugging Face model folder (BF16)."""
import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from model import Config, Qwen3, to_hf

EOT = "<|endoftext|>"


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("checkpoint", type=Path)
    ap.add_argument("demo", type=Path, help="model folder; already holds tokenizer.json")
    a = ap.parse_args()

    ck = torch.load(a.checkpoint, weights_only=True)
    model = Qwen3(Config(**ck["config"]))
    model.load_state_dict(ck["model"])
    c = model.c
    eot = Tokenizer.from_file(str(a.demo / "tokenizer.json")).token_to_id(EOT)

    write_json(a.demo / "config.json", {
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": eot,
        "eos_token_id": eot,
        "head_dim": c.head_dim,
        "hidden_act": "silu",
        "hidden_size": c.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": c.intermediate_size,
        "max_position_embeddings": c.max_position_embeddings,
        "max_window_layers": c.num_hidden_layers,
        "model_type": "qwen3",
        "num_attention_heads": c.num_attention_heads,
        "num_hidden_layers": c.num_hidden_layers,
        "num_key_value_heads": c.num_key_value_heads,
        "rms_norm_eps": c.rms_norm_eps,
        "rope_scaling": None,
        "rope_theta": c.rope_theta,
        "sliding_window": None,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.51.0",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": c.vocab_size})
    write_json(a.demo / "generation_config.json", {
        "bos_token_id": eot, "eos_token_id": eot, "do_sample": True,
        "temperature": 0.8, "top_k": 40, "top_p": 0.95, "transformers_version": "4.51.0"})
    write_json(a.demo / "tokenizer_config.json", {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {str(eot): {
            "content": EOT, "lstrip": False, "normalized": False,
            "rstrip": False, "single_word": False, "special": True}},
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": EOT,
        "errors": "replace",
        "model_max_length": c.max_position_embeddings,
        "pad_token": EOT,
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None})
    weights = {k: v.to(torch.bfloat16) for k, v in to_hf(model).items()}
    part = a.demo / "model.safetensors.part"
    save_file(weights, part, metadata={"format": "pt"})
    part.chmod(0o644)
    part.rename(a.demo / "model.safetensors")  # readers never see half a file
    print(f"{a.checkpoint.name}: {sum(v.numel() for v in weights.values())} parameters,",
          f"{(a.demo / 'model.safetensors').stat().st_size} bytes;", ck["row"])


if __name__ == "__main__":
    main()
