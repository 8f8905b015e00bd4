#!/usr/bin/env python3
"""Writes a model of random weights: right in shape, wrong in every word. For measuring speed and memory.

    random_model.py OUT --bits 2                  a GPTQ folder, linears of random 2-bit codes (what lieq runs)
    random_model.py OUT --bits 16                 a BF16 folder in shards, as on the hub (what lieq quantises)
    random_model.py OUT.gguf                      an F16 GGUF for llama-quantize and llama-bench (needs gguf-py)

The default shape is LLaMA 3.2 1B; --layers 2 makes its first two layers alone. Folders have the demo model's tokenizer,
filled up to the vocabulary, files none: llama-bench needs none.
"""
import argparse
import json
import pathlib

import numpy

# What lies in config.json beside sizes.
FAMILIES = {
    "llama": dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", rms_norm_eps=1e-5,
                  max_position_embeddings=131072, tie_word_embeddings=True),
    "llama-3.1": dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", rms_norm_eps=1e-5,
                      max_position_embeddings=131072, tie_word_embeddings=False,
                      rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                        original_max_position_embeddings=8192)),
    "qwen3": dict(architectures=["Qwen3ForCausalLM"], model_type="qwen3", hidden_act="silu", rms_norm_eps=1e-6,
                  max_position_embeddings=40960, tie_word_embeddings=True, attention_bias=False, use_sliding_window=False),
    "qwen3-untied": dict(architectures=["Qwen3ForCausalLM"], model_type="qwen3", hidden_act="silu", rms_norm_eps=1e-6,
                         max_position_embeddings=40960, tie_word_embeddings=False, attention_bias=False,
                         use_sliding_window=False),
}
SHAPES = {
    "llama-3.2-1b": dict(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
                         num_key_value_heads=8, head_dim=64, vocab_size=128256, rope_theta=500000.0),
    "llama-3.2-3b": dict(hidden_size=3072, intermediate_size=8192, num_hidden_layers=28, num_attention_heads=24,
                         num_key_value_heads=8, head_dim=128, vocab_size=128256, rope_theta=500000.0),
    "smollm2-135m": dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                         num_key_value_heads=3, head_dim=64, vocab_size=49152, rope_theta=100000.0),
    "llama-3.1-8b": dict(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
                         num_key_value_heads=8, head_dim=128, vocab_size=128256, rope_theta=500000.0),
    "qwen3-0.6b": dict(hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16,
                       num_key_value_heads=8, head_dim=128, vocab_size=151936, rope_theta=1000000.0),
    "qwen3-1.7b": dict(hidden_size=2048, intermediate_size=6144, num_hidden_layers=28, num_attention_heads=16,
                       num_key_value_heads=8, head_dim=128, vocab_size=151936, rope_theta=1000000.0),
    "qwen3-4b": dict(hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32,
                     num_key_value_heads=8, head_dim=128, vocab_size=151936, rope_theta=1000000.0),
    "qwen3-8b": dict(hidden_size=4096, intermediate_size=12288, num_hidden_layers=36, num_attention_heads=32,
                     num_key_value_heads=8, head_dim=128, vocab_size=151936, rope_theta=1000000.0),
}
FAMILY_OF = {"llama-3.1-8b": "llama-3.1", "qwen3-0.6b": "qwen3", "qwen3-1.7b": "qwen3", "qwen3-4b": "qwen3",
             "qwen3-8b": "qwen3-untied"}  # of all others: llama
SHARD_BYTES = 4 * 10**9
TOKENIZER = pathlib.Path(__file__).parent.parent / "demo"


def family(name):
    return FAMILIES[FAMILY_OF.get(name, "llama")]


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


def brain(values):
    """The upper half of each: a bfloat16."""
    return values.view(numpy.uint16)[..., 1::2]


def brain_rows(random, rows, cols, elements=1 << 22):
    """Weights as of normal(), some rows at a time."""
    step = max(1, elements // cols)
    for first in range(0, rows, step):
        values = random.standard_normal((min(step, rows - first), cols), dtype=numpy.float32)
        values *= cols**-0.5
        yield brain(values)


class SafetensorsFile:
    """Streams tensors of known size into a file, so that only one is in memory. layout: name -> (numpy's type, shape)."""

    TYPES = {"float16": "F16", "float32": "F32", "int32": "I32", "uint16": "BF16"}

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

    def leave_out(self, name):
        """The tensor is a hole, which reads as zeros and takes no room."""
        dtype, dims = self.rest.pop(name)
        self.file.truncate(self.file.seek(int(numpy.prod(dims)) * numpy.dtype(dtype).itemsize, 1))

    def add(self, name, pieces):
        """pieces: the tensor's rows, some at a time."""
        dtype, dims = self.rest.pop(name)
        rows = 0
        for piece in pieces:
            assert piece.dtype == dtype and list(piece.shape[1:]) == dims[1:], name
            piece.tofile(self.file)
            rows += len(piece)
        assert rows == dims[0], name


def vectors(config):
    """Shapes of the norms of one layer."""
    norms = {"input_layernorm": config["hidden_size"], "post_attention_layernorm": config["hidden_size"]}
    if config["model_type"] == "qwen3":
        norms.update({"self_attn.q_norm": config["head_dim"], "self_attn.k_norm": config["head_dim"]})
    return norms


def dense(config):
    """Names and shapes of a model as it lies on the hub."""
    vocab, hidden = config["vocab_size"], config["hidden_size"]
    layout = {"model.embed_tokens.weight": [vocab, hidden]}
    for l in range(config["num_hidden_layers"]):
        for name, _, rows, cols in linears(config):
            layout[f"model.layers.{l}.{name}.weight"] = [rows, cols]
        for name, size in vectors(config).items():
            layout[f"model.layers.{l}.{name}.weight"] = [size]
    layout["model.norm.weight"] = [hidden]
    if not config["tie_word_embeddings"]:
        layout["lm_head.weight"] = [vocab, hidden]
    return layout


def shards(layout):
    """The layout in files of at most SHARD_BYTES, a tensor at least in each."""
    files, size = [{}], 0
    for name, dims in layout.items():
        own = 2 * int(numpy.prod(dims))
        if files[-1] and size + own > SHARD_BYTES:
            files.append({})
            size = 0
        files[-1][name] = ("uint16", dims)
        size += own
    return {f"model-{k + 1:05}-of-{len(files):05}.safetensors": file for k, file in enumerate(files)}


def write_tokenizer(out, vocab_size):
    """The demo model's, with words that no text holds up to the size of the vocabulary."""
    tokenizer = json.loads((TOKENIZER / "tokenizer.json").read_text())
    known = tokenizer["model"]["vocab"]
    for id in range(len(known) + len(tokenizer["added_tokens"]), vocab_size):
        known[f"\u0120filler{id}"] = id
    (out / "tokenizer.json").write_text(json.dumps(tokenizer))
    (out / "tokenizer_config.json").write_text((TOKENIZER / "tokenizer_config.json").read_text())
    return tokenizer["added_tokens"][0]["id"]


def write_dense(out, config, random, empty):
    out.mkdir()
    end = write_tokenizer(out, config["vocab_size"])
    config = dict(config, torch_dtype="bfloat16", bos_token_id=end, eos_token_id=end)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    layout = dense(config)
    files = shards(layout)
    for path, part in files.items():
        file = SafetensorsFile(out / path, part)
        for name, (_, dims) in part.items():
            if empty and len(dims) == 2:
                file.leave_out(name)
                continue
            file.add(name, brain_rows(random, *dims) if len(dims) == 2 else [brain(numpy.ones(dims, numpy.float32))])
        file.file.close()
    index = {"metadata": {"total_size": sum(2 * int(numpy.prod(dims)) for dims in layout.values())},
             "weight_map": {name: path for path, part in files.items() for name in part}}
    (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def write_gptq(out, config, bits, group, random):
    out.mkdir()
    groups = {"bits": bits, "group_size": group, "quant_method": "gptq", "checkpoint_format": "gptq_v2", "desc_act": False,
              "sym": False, "pack_dtype": "int32", "lm_head": False}
    end = write_tokenizer(out, config["vocab_size"])
    config = dict(config, torch_dtype="float16", quantization_config=groups, bos_token_id=end, eos_token_id=end)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    layout = {}
    for name, dims in dense(config).items():
        if name.removesuffix(".weight").endswith("_proj"):
            place, (rows, cols) = name.removesuffix("weight"), dims
            layout[place + "qweight"] = ("int32", [cols * bits // 32, rows])
            layout[place + "qzeros"] = ("int32", [cols // group, rows * bits // 32])
            layout[place + "scales"] = ("float16", [cols // group, rows])
            layout[place + "g_idx"] = ("int32", [cols])
        else:
            layout[name] = ("float32" if len(dims) == 1 else "float16", dims)

    file = SafetensorsFile(out / "model.safetensors", layout)
    for name, (dtype, dims) in layout.items():
        if name.endswith("qweight") or name.endswith("qzeros"):
            array = random.integers(-2**31, 2**31, dims, dtype=numpy.int32)
        elif name.endswith("scales"):
            cols = dims[0] * group  # uniform codes around a uniform zero point spread by about 0.4 * 2^bits steps
            array = numpy.full(dims, 1 / (0.4 * 2**bits * cols**0.5), numpy.float16)
        elif name.endswith("g_idx"):
            array = numpy.arange(dims[0], dtype=numpy.int32) // group
        elif len(dims) == 1:
            array = numpy.ones(dims, numpy.float32)
        else:
            file.add(name, (normal(random, min(1024, dims[0] - first), dims[1]) for first in range(0, dims[0], 1024)))
            continue
        file.add(name, [array])
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
    parser.add_argument("--layers", type=int, help="how many of them to make (default: all)")
    parser.add_argument("--bits", type=int, choices=(2, 4, 8, 16), default=2, help="of the folder's linears")
    parser.add_argument("--empty", action="store_true", help="with 16 bits: matrices are holes in the files, read as zeros")
    parser.add_argument("--group-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    if args.out.exists():
        parser.error(f"{args.out}: exists already")
    random = numpy.random.default_rng(args.seed)
    config = dict(family(args.shape), **SHAPES[args.shape])
    if args.layers:
        config["num_hidden_layers"] = args.layers
    if args.out.suffix == ".gguf":
        if family(args.shape) is not FAMILIES["llama"]:
            parser.error(f"{args.shape}: expected for a .gguf a shape of the family llama")
        write_gguf(args.out, config, random)
    elif args.bits == 16:
        write_dense(args.out, config, random, args.empty)
    else:
        write_gptq(args.out, config, args.bits, args.group_size, random)


if __name__ == "__main__":
    main()
