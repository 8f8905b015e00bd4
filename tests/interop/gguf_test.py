#!/usr/bin/env python3
"""gguf-py reads all metadata of our GGUF files and dequantises every tensor to the numbers that lieq computes with."""

import json
import os
import subprocess

import interop

interop.needs("llama-cpp", "gguf", "numpy")

import gguf
import gguf.quants
import numpy

SHORT = ("--calib", interop.DEMO / "heldout.txt", "--calib-windows", 2, "--calib-window", 128, "--sweeps", 0,
         "--chunks", 1)


def program(*words):
    done = subprocess.run([os.environ["LIEQ"], *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"lieq {' '.join(map(str, words))}: {done.stderr.strip()}"


def in_file_order(name, rows, config):
    """Rows of a Hugging Face folder in the order of a llama file: the halves of each head interleaved."""
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}.get(name.split(".")[-2])
    if config["model_type"] != "llama" or heads is None:
        return rows
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def check_tensors(file, reader, config):
    arch = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == config["model_type"])
    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    ours = {names.get_name(name, try_suffixes=(".weight", ".bias")): array
            for name, array in interop.lieq_weights(file).items()}
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    missing = tensors.keys() - ours.keys()
    assert not missing, f"{file.name}: lieq has no {missing}"
    for name, tensor in tensors.items():
        theirs = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        interop.expect_equal(f"{file.name}: {name} ({tensor.tensor_type.name})", theirs,
                             in_file_order(name, ours[name], config))
    return sorted({tensor.tensor_type.name for tensor in reader.tensors})


def check_metadata(file, reader, config):
    fields = {name: field.contents() for name, field in reader.fields.items()}
    architecture = fields["general.architecture"]
    expected = {"block_count": config["num_hidden_layers"], "embedding_length": config["hidden_size"],
                "feed_forward_length": config["intermediate_size"], "context_length": config["max_position_embeddings"],
                "attention.head_count": config["num_attention_heads"],
                "attention.head_count_kv": config["num_key_value_heads"],
                "attention.key_length": config["head_dim"], "rope.freq_base": config["rope_theta"],
                "attention.layer_norm_rms_epsilon": float(numpy.float32(config["rms_norm_eps"]))}
    for key, value in expected.items():
        assert fields[f"{architecture}.{key}"] == value, f"{file.name}: {key}: {fields[f'{architecture}.{key}']}"
    tokenizer = json.loads((interop.DEMO / "tokenizer.json").read_text())
    vocabulary = dict(tokenizer["model"]["vocab"])
    vocabulary |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    tokens = fields["tokenizer.ggml.tokens"]
    assert all(tokens[id] == token for token, id in vocabulary.items()), f"{file.name}: tokens differ"
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    assert fields["tokenizer.ggml.merges"] == merges, f"{file.name}: merges differ"
    template = json.loads((interop.DEMO / "tokenizer_config.json").read_text()).get("chat_template")
    assert fields.get("tokenizer.chat_template") == template, f"{file.name}: template differs"
    return len(fields)


def check(file, config):
    try:
        reader = gguf.GGUFReader(file)
    except ValueError as error:  # a type number that this release does not list
        assert "(42) is not a valid GGMLQuantizationType" in str(error), error
        print(f"{file.name}: not read: gguf {interop.version_of('gguf')} does not know Q2_0 yet")
        return
    types = check_tensors(file, reader, config)
    count = check_metadata(file, reader, config)
    print(f"{file.name}: {len(reader.tensors)} tensors equal ({', '.join(types)}), {count} fields read")


def exports_of_grids(folder):
    for model in (interop.DEMO, interop.llama_demo(folder)):
        config = json.loads((model / "config.json").read_text())
        for grid, bits in (("sym", [4, 8]), ("asym", [4]), ("skew", [2, 4])):
            source = interop.quantized_demo(folder, grid, bits, model=model)
            check(interop.export("gguf", source, folder)[0], config)


def dense_exports(folder):
    config = json.loads((interop.DEMO / "config.json").read_text())
    for embed in ("f32", "q8_0", "q6_k", "q5_1", "q4_0"):
        file = folder / f"embed-{embed}.gguf"
        program("export", interop.DEMO, "--to", "gguf", "--embed", embed, "-o", file)
        check(file, config)


def k_grids(folder):
    config = json.loads((interop.DEMO / "config.json").read_text())
    for grid in ("q2_k", "q3_k"):
        file = folder / f"{grid}.gguf"
        program("quantize", interop.DEMO, "-o", file, "--grid", grid, "--top", 2, *SHORT)
        check(file, config)


interop.main([exports_of_grids, dense_exports, k_grids])
