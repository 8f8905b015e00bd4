#!/usr/bin/env python3
"""Writes a model of random weights: right in shape, wrong in every word. For measuring speed and memory.

    random_model.py OUT --bits 2                  a GPTQ folder, linears of random 2-bit codes (what lieq runs)
    random_model.py OUT.gguf                      an F16 GGUF for llama-quantize and llama-bench (needs gguf-py)

The default shape is LLaMA 3.2 1B. No tokenizer is written: `lieq bench` and llama-bench need none.
"""
import argparse
import json
import pathlib

import numpy

SHAPES = {
    "llama-3.2-1b": dict(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
                         num_key_value_heads=8, head_dim=64, vocab_size=128256, rope_theta=500000.0),
    "llama-3.2-3b": dict(hidden_size=3072, intermediate_size=8192, num_hidden_layers=28, num_attention_heads=24,
                         num_key_value_heads=8, head_dim=128, vocab_size=128256, rope_theta=500000.0),
    "smollm2-135m": dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                         num_key_value_heads=3, head_dim=64, vocab_size=49152, rope_theta=100000.0),
}


def linears(shape):
    """(name in Hugging Face, name in GGUF, out, in) of one layer's linears."""
    hidden, inner, q = shape["hidden_size"], shape["intermediate_size"], shape["num_attention_heads"] * shape["head_dim"]
    kv = shape["num_key_value_heads"] * shape["head_dim"]
    return [("self_attn.q_proj", "attn_q", q, hidden), ("self_attn.k_proj", "attn_k", kv, hidden),
            ("self_attn.v_proj", "attn_v", kv, hidden), ("self_attn.o_proj", "attn_output", hidden, q),
            ("mlp.gate_proj", "ffn_gate", inner, hidden), ("mlp.up_proj", "ffn_up", inner, hidden),
            ("mlp.down_proj", "ffn_down", hidden, inner)]


def normal(random, rows, cols):
    """Weights whose products keep the variance of their input."""
    return (random.standard_normal((rows, cols), dtype=numpy.float32) / cols**0.5).astype(numpy.float16)


class SafetensorsFile:
    """Streams tensors of known size into a file, so that only one is in memory."""

    TYPES = {"float16": "F16", "float32": "F32", "int32": "I32"}

    def __init__(self, path, layout):
        header, at = {}, 0
        for name, (dtype, dims) in layout.items():
            size = int(numpy.prod(dims)) * numpy.dtype(dtype).itemsize
            header[name] = {"dtype": self.TYPES[dtype], "shape": dims, "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self.file = open(path, "wb")
        self.file.write(len(text).to_bytes(8, "little") + text)
        self.rest = dict(layout)

    def add(self, name, array):
        dtype, dims = self.rest.pop(name)
        assert array.dtype == dtype and list(array.shape) == dims, name
        array.tofile(self.file)


def write_gptq(out, shape, bits, group, random):
    out.mkdir()
    groups = {"bits": bits, "group_size": group, "quant_method": "gptq", "checkpoint_format": "gptq_v2", "desc_act": False,
              "sym": False, "pack_dtype": "int32", "lm_head": False}
    config = dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", rms_norm_eps=1e-5, torch_dtype="float16",
                  max_position_embeddings=131072, tie_word_embeddings=True, quantization_config=groups, **shape)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    hidden, layout = shape["hidden_size"], {"model.embed_tokens.weight": ("float16", [shape["vocab_size"], shape["hidden_size"]])}
    for l in range(shape["num_hidden_layers"]):
        for name, _, rows, cols in linears(shape):
            place = f"model.layers.{l}.{name}."
            layout[place + "qweight"] = ("int32", [cols * bits // 32, rows])
            layout[place + "qzeros"] = ("int32", [cols // group, rows * bits // 32])
            layout[place + "scales"] = ("float16", [cols // group, rows])
            layout[place + "g_idx"] = ("int32", [cols])
        for norm in ("input_layernorm", "post_attention_layernorm"):
            layout[f"model.layers.{l}.{norm}.weight"] = ("float32", [hidden])
    layout["model.norm.weight"] = ("float32", [hidden])

    file = SafetensorsFile(out / "model.safetensors", layout)
    for name, (dtype, dims) in layout.items():
        if name.endswith("qweight") or name.endswith("qzeros"):
            array = random.integers(-2**31, 2**31, dims, dtype=numpy.int32)
        elif name.endswith("scales"):
            cols = dims[0] * group  # uniform codes around a uniform zero point spread by about 0.4 * 2^bits steps
            array = numpy.full(dims, 1 / (0.4 * 2**bits * cols**0.5), numpy.float16)
        elif name.endswith("g_idx"):
            array = numpy.arange(dims[0], dtype=numpy.int32) // group
        elif name.endswith("norm.weight"):
            array = numpy.ones(dims, numpy.float32)
        else:
            array = normal(random, *dims)
        file.add(name, array)
    file.file.close()


def write_gguf(out, shape, random):
    import gguf
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(131072)
    writer.add_embedding_length(shape["hidden_size"])
    writer.add_block_count(shape["num_hidden_layers"])
    writer.add_feed_forward_length(shape["intermediate_size"])
    writer.add_head_count(shape["num_attention_heads"])
    writer.add_head_count_kv(shape["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(shape["rope_theta"])
    writer.add_rope_dimension_count(shape["head_dim"])
    writer.add_vocab_size(shape["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
    hidden = shape["hidden_size"]
    writer.add_tensor("token_embd.weight", normal(random, shape["vocab_size"], hidden))
    for l in range(shape["num_hidden_layers"]):
        for _, name, rows, cols in linears(shape):
            writer.add_tensor(f"blk.{l}.{name}.weight", normal(random, rows, cols))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{l}.{name}.weight", numpy.ones(hidden, numpy.float32))
    writer.add_tensor("output_norm.weight", numpy.ones(hidden, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="a new folder, or a new file NAME.gguf")
    parser.add_argument("--shape", choices=SHAPES, default="llama-3.2-1b")
    parser.add_argument("--bits", type=int, choices=(2, 4, 8), default=2, help="of the folder's linears")
    parser.add_argument("--group-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    if args.out.exists():
        parser.error(f"{args.out}: exists already")
    random = numpy.random.default_rng(args.seed)
    if args.out.suffix == ".gguf":
        write_gguf(args.out, SHAPES[args.shape], random)
    else:
        write_gptq(args.out, SHAPES[args.shape], args.bits, args.group_size, random)


if __name__ == "__main__":
    main()
