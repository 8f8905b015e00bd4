#!/usr/bin/env python3
"""Writes tiny-llama/, tiny-llama.gguf, hostile/ and the seeds of fuzz/corpus/: the same bytes on every run.

Each hostile file or folder tells one lie. expected.json maps its path to what the error must name ("error": one
substring or a list) and to who must notice ("via": safetensors, folder, gguf: lieq/io; doubt: lieq/io, which says so of
a tensor of a folder that opens; model: the model loader).
hostile/tokenizer_*.json are made elsewhere and left alone. Python 3 standard library only.
"""

import json
import os
import shutil
import struct
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import tiny_llama as tiny
from tiny_llama import I32, STRING, U32, U64, array, gguf, info, key

HERE = Path(__file__).resolve().parent
HOSTILE = HERE / "hostile"
CORPUS = HERE.parent.parent / "fuzz" / "corpus"
expected = {}


def put(path, contents):
    file = HOSTILE / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(contents.encode() if isinstance(contents, str) else contents)


def lie(path, contents, via, *error):
    put(path, contents)
    expect(path, via, *error)


def expect(path, via, *error):
    assert path not in expected
    expected[path] = {"error": list(error), "via": via}


# --- safetensors ----------------------------------------------------------------------------------------------------

def st(name, header, data_bytes, *error, length=None):
    text = header if isinstance(header, bytes) else header.encode()
    raw = struct.pack("<Q", len(text) if length is None else length) + text + b"\1" * data_bytes
    lie(f"st_{name}.safetensors", raw, "safetensors", f"st_{name}.safetensors: ", *error)


def one(**changes):
    entry = {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]} | changes
    return json.dumps({"w": {k: v for k, v in entry.items() if v != "absent"}})


def two(first, second):
    """Two tensors of U8 at the given offsets."""
    return json.dumps({name: {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
                       for name, (begin, end) in (("a", first), ("b", second))})


def make_safetensors():
    lie("st_empty.safetensors", b"", "safetensors", "st_empty.safetensors: the file is empty")
    lie("st_short.safetensors", b"\1\0\0\0\0", "safetensors", "st_short.safetensors: found 5 bytes")
    lie("st_lfs_pointer.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "safetensors", "st_lfs_pointer.safetensors: found a Git LFS pointer", "git lfs pull")
    lie("st_web_page.safetensors", "<!DOCTYPE html>\n<html>Not found</html>\n", "safetensors",
        "st_web_page.safetensors: header length: found", "not a safetensors file?")
    st("length_huge", one(), 48, "header length: found 18446744073709551615", length=2**64 - 1)
    st("length_over_limit", one(), 48, "header length: found 100000001, expected at most 100000000", length=100000001)
    st("length_past_end", one(), 0, "header length: found", "bytes follow", length=len(one()) + 1)
    st("length_zero", "", 0, "opening with '{'")
    st("not_json", '{"w": {"dtype"}}', 0, "header: not valid JSON")
    st("json_then_more", one() + "x", 48, "header: not valid JSON")
    st("not_object", "[1, 2]", 0, "opening with '{'")
    st("bad_utf8", b'{"\xff": 1}', 0, "header: not valid JSON")
    st("deep_nesting", '{"w":' + "[" * 15000 + "]" * 15000 + "}", 0, "tensor 'w'", "expected an object")
    st("entry_number", '{"w": 7}', 0, "tensor 'w': found 7, expected an object")
    st("duplicate_name", one()[:-1] + "," + one()[1:], 48, "key 'w' appears twice")
    st("duplicate_field", one().replace('"dtype"', '"dtype": "F16", "dtype"'), 48, "key 'dtype' appears twice")
    st("dtype_missing", one(dtype="absent"), 48, "tensor 'w': field 'dtype': missing")
    st("dtype_unknown", one(dtype="F31"), 48, "tensor 'w': dtype: found 'F31', expected one of F32, F16, BF16")
    st("dtype_number", one(dtype=32), 48, "tensor 'w': field 'dtype': found 32, expected a string")
    st("shape_missing", one(shape="absent"), 48, "tensor 'w': field 'shape': missing")
    st("shape_number", one(shape=12), 48, "tensor 'w': field 'shape': found 12, expected a list")
    st("shape_negative", one(shape=[-3, -4]), 48, "tensor 'w': field 'shape'", "integers of at least 0")
    st("shape_fraction", one(shape=[3.0, 4]), 48, "tensor 'w': field 'shape'", "integers of at least 0")
    st("shape_overflow", one(shape=[2**32, 2**32]), 48, "tensor 'w': shape [4294967296, 4294967296] x F32", "64 bits")
    st("shape_wraps_to_size", one(shape=[2**62 + 12]), 48, "tensor 'w': shape [4611686018427387916] x F32", "64 bits")
    st("size_mismatch", one(data_offsets=[0, 40]), 40, "tensor 'w': data_offsets [0, 40] hold 40 bytes, expected 48")
    st("offsets_missing", one(data_offsets="absent"), 48, "tensor 'w': field 'data_offsets': missing")
    st("offsets_three", one(data_offsets=[0, 24, 48]), 48, "tensor 'w': data_offsets: found 3 numbers")
    st("offsets_reversed", one(data_offsets=[48, 0]), 48, "tensor 'w': data_offsets [48, 0]", "begin after end")
    st("offsets_huge", one(data_offsets=[2**64 - 48, 2**64 - 1]), 48, "tensor 'w'", "past the data")
    st("end_past_data", one(), 47, "tensor 'w': data_offsets [0, 48]", "expected at most 47")
    st("overlap", two((0, 8), (4, 12)), 12, "tensor 'b': begins at byte 4", "overlaps tensor 'a', expected 8")
    st("same_bytes", two((0, 8), (0, 8)), 8, "overlaps tensor 'a'")
    st("hole", two((0, 8), (9, 12)), 12, "tensor 'b': begins at byte 9", "leaves a hole, expected 8")
    st("hole_at_start", two((1, 8), (8, 12)), 12, "tensor 'a': begins at byte 1", "leaves a hole, expected 0")
    st("trailing_bytes", one(), 49, "data: found 49 bytes, expected 48")
    st("metadata_number", '{"__metadata__": {"format": 5}}', 0, "'__metadata__': key 'format': found 5, expected a string")
    st("metadata_list", '{"__metadata__": []}', 0, "'__metadata__': found a list of 0, expected an object")
    st("name_of_control_characters", json.dumps({"a\n\x1b[31m" + "x" * 2000: {"dtype": "F32", "shape": [1],
       "data_offsets": [0, 3]}}), 3, "tensor 'a\\x0a\\x1b[31mxxx", "hold 3 bytes, expected 4")


# --- shards ---------------------------------------------------------------------------------------------------------

def shard(*names):
    return tiny.safetensors({n: ("U8", [4], b"abcd") for n in names})


def shards(name, weight_map, files, *error, via="folder"):
    """weight_map: an object, or the text of the whole index."""
    folder = f"shards_{name}"
    index = weight_map if isinstance(weight_map, str) else json.dumps({"metadata": {}, "weight_map": weight_map})
    put(f"{folder}/model.safetensors.index.json", index)
    for file, contents in files.items():
        put(f"{folder}/{file}", contents)
    expect(folder, via, folder, *error)


def make_shards():
    both = {"s1.safetensors": shard("a"), "s2.safetensors": shard("b")}
    first = {"s1.safetensors": shard("a")}
    right = {"a": "s1.safetensors", "b": "s2.safetensors"}
    shards("missing_file", right, first, "index.json: shard 's2.safetensors' is missing")
    shards("missing_tensor", right | {"c": "s2.safetensors"}, both, "s2.safetensors: tensor 'c': missing", via="doubt")
    shards("swapped", {"a": "s2.safetensors", "b": "s1.safetensors"}, both,
            "s2.safetensors: tensor 'a': found in", via="doubt")
    shards("tensor_twice", right, first | {"s2.safetensors": shard("a", "b")}, "s2.safetensors: tensor 'a': is also in")
    shards("not_indexed", right, first | {"s2.safetensors": shard("b", "c")}, "s2.safetensors: tensor 'c'",
            "weight_map", via="doubt")
    shards("cut_short", right, first | {"s2.safetensors": shard("b")[:-1]}, "s2.safetensors: tensor 'b'", "cut short?")
    shards("parent_folder", {"a": "../s1.safetensors"}, {}, "tensor 'a': found '../s1.safetensors'", "plain file name")
    shards("absolute_path", {"a": "/etc/hostname"}, {}, "tensor 'a': found '/etc/hostname'", "plain file name")
    shards("shard_number", {"a": 1}, first, "tensor 'a': found 1, expected a file name")
    shards("key_twice", '{"weight_map": {"a": "s1.safetensors", "a": "s1.safetensors"}}', first, "key 'a' appears twice")
    shards("no_weight_map", '{"metadata": {}}', first, "index.json: field 'weight_map': missing")
    shards("empty_weight_map", {}, first, "index.json: field 'weight_map': names no tensor")
    shards("index_not_json", "weight_map = a", first, "index.json: not valid JSON")
    shards("index_list", "[]", first, "index.json: found a list of 0, expected an object")
    put("folder_without_weights/config.json", tiny.config())
    expect("folder_without_weights", "folder", "folder_without_weights: found neither model.safetensors nor")


# --- GGUF -----------------------------------------------------------------------------------------------------------

NAME = key("general.name", STRING, "x")
TENSOR = info("w", [32, 2], tiny.TENSOR_Q4_0, 0)
DATA = b"\0" * 64


def g(name, contents, *error):
    lie(f"gguf_{name}.gguf", contents, "gguf", f"gguf_{name}.gguf: ", *error)


def make_gguf_head():
    good = gguf([NAME], [TENSOR], DATA)
    g("empty", b"", "the file is empty")
    g("magic", b"GGML" + good[4:], "not a GGUF file")
    for version in (0, 1, 4):
        g(f"version_{version}", gguf([NAME], [TENSOR], DATA, version=version), f"version: found {version}, expected 2 or 3")
    g("big_endian", b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian")
    g("key_count", gguf([NAME], [TENSOR], DATA, num_keys=2**64 - 1), "key count: found 18446744073709551615")
    g("key_count_plus_one", gguf([NAME], [], b"", num_keys=2), "key")
    g("tensor_count", gguf([NAME], [TENSOR], DATA, num_tensors=2**60), "tensor count: found 1152921504606846976")
    g("tensor_count_plus_one", gguf([], [TENSOR], b"", num_tensors=2, alignment=1), "tensor count: found 2")
    g("cut_in_counts", good[:18], "count: the file ends inside it")
    g("cut_in_key", good[:40], "a length of 12, but 8 bytes are left", )
    g("cut_in_tensor_info", gguf([NAME], [TENSOR[:-4]], b"", alignment=1), "tensor", "the file ends inside it")


def make_gguf_keys():
    def with_key(raw):
        return gguf([NAME, raw], [TENSOR], DATA)

    def typed(kind, raw=b""):
        return tiny.string("k") + struct.pack("<I", kind) + raw

    g("key_length", with_key(struct.pack("<Q", 2**63)), "name of a key: found a length of 9223372036854775808")
    g("string_length", with_key(typed(STRING, struct.pack("<Q", 10**6))), "key 'k': value: found a length of 1000000")
    g("value_type", with_key(typed(13, b"\0" * 8)), "key 'k': type: found 13, expected 0 to 12")
    g("array_type", with_key(typed(9, struct.pack("<IQ", 99, 1))), "key 'k': element type: found 99")
    g("array_count", with_key(typed(9, struct.pack("<IQ", U64, 2**61 + 1))), "key 'k': found an array of 2305843009213693953")
    g("array_strings", with_key(typed(9, struct.pack("<IQ", STRING, 10**9))), "key 'k': found an array of 1000000000")
    g("array_string_length", with_key(typed(9, struct.pack("<IQQ", STRING, 1, 10**9))), "key 'k': a string of the array")
    g("array_of_arrays", with_key(typed(9, struct.pack("<IQIQ", 9, 1, U32, 0))), "key 'k': found an array of arrays")
    g("bool_2", with_key(typed(7, b"\2")), "key 'k': found 2, expected a boolean")
    g("array_bool_2", with_key(typed(9, struct.pack("<IQ", 7, 2) + b"\1\2")), "key 'k': element 1: found 2")
    g("key_twice", gguf([NAME, NAME], [TENSOR], DATA), "key 'general.name': appears twice")
    g("key_of_control_characters", with_key(tiny.string("\n\x1b]0;" + "y" * 3000) + struct.pack("<I", 55)),
      "key '\\x0a\\x1b]0;yyy", "type: found 55")
    for number in (0, 1, 12):
        g(f"alignment_{number}", with_key(key("general.alignment", U32, number)),
          f"key 'general.alignment': found {number}, expected a power of two of at least 8")
    g("alignment_2_63", with_key(key("general.alignment", U64, 2**63)), "tensor 'w'", "expected at most 0")
    g("alignment_string", with_key(key("general.alignment", STRING, "32")), "key 'general.alignment': found the string '32'")


def make_gguf_tensors():
    def tensors(*infos, data=DATA):
        return gguf([NAME], list(infos), data)

    f32 = tiny.TENSOR_F32
    g("tensor_twice", tensors(info("w", [4], f32, 0), info("w", [4], f32, 32)), "tensor 'w': appears twice")
    g("n_dims_0", tensors(info("w", [], f32, 0)), "tensor 'w': n_dims: found 0, expected 1 to 4")
    g("n_dims_5", tensors(info("w", [1] * 5, f32, 0)), "tensor 'w': n_dims: found 5, expected 1 to 4")
    g("n_dims_huge", tensors(tiny.string("w") + struct.pack("<IQQQQ", 2**32 - 1, 1, 1, 1, 1)), "tensor 'w': n_dims: found 4294967295")
    g("dim_zero", tensors(info("w", [4, 0], f32, 0)), "tensor 'w': shape [0, 4] x F32: found a dimension of 0")
    g("dims_overflow", tensors(info("w", [2**32, 2**32], f32, 0)), "tensor 'w': shape [4294967296, 4294967296]", "64 bits")
    g("bytes_overflow", tensors(info("w", [2**62 + 4], f32, 0)), "tensor 'w': shape [4611686018427387908] x F32", "64 bits")
    g("type_unknown", tensors(info("w", [32], 999, 0)), "tensor 'w': type: found number 999, expected one of F32")
    g("type_withdrawn", tensors(info("w", [32], 4, 0)), "tensor 'w': type: found number 4, expected one of F32")
    g("type_nvfp4", tensors(info("w", [256], 40, 0), data=b"\0" * 144), "tensor 'w': type: found NVFP4", "Q4_K")
    g("broken_block", tensors(info("w", [48, 2], tiny.TENSOR_Q4_0, 0)), "tensor 'w'", "rows of 48", "block of 32")
    g("offset_unaligned", tensors(info("w", [4], f32, 16)), "tensor 'w': offset 16: expected a multiple of the alignment, 32")
    g("offset_past_end", tensors(info("w", [4], f32, 64)), "tensor 'w': offset 64 and 16 bytes", "expected at most 64")
    g("offset_huge", tensors(info("w", [4], f32, 2**64 - 32)), "tensor 'w': offset 18446744073709551584 and 16 bytes")
    g("cut_in_data", tensors(TENSOR, data=b"\0" * 35), "tensor 'w': offset 0 and 36 bytes", "cut short?")
    g("no_data", tensors(info("w", [4], f32, 0), data=b"")[:-1], "tensor 'w'", "expected at most 0")
    g("overlap", tensors(info("a", [16], f32, 0), info("b", [4], f32, 32)), "tensor 'b': offset 32: overlaps tensor 'a'")


def make_gguf_splits():
    def part(tensor, number, count, total=2):
        keys = [key("split.no", tiny.U16, number), key("split.count", tiny.U16, count),
                key("split.tensors.count", I32, total)]
        return gguf(keys, [info(tensor, [4], tiny.TENSOR_F32, 0)], b"\0" * 16)

    def split(name, parts, *error, opened=1):
        """parts: number -> contents. The error opens with the file that it is found in."""
        for number, contents in parts.items():
            put(f"gguf_split_{name}/m-0000{number}-of-00002.gguf", contents)
        expect(f"gguf_split_{name}/m-0000{opened}-of-00002.gguf", "gguf", *error)

    first, second = part("a", 0, 2), part("b", 1, 2)
    split("missing", {1: first}, "m-00001-of-00002.gguf: part 'm-00002-of-00002.gguf' is missing")
    split("later", {2: second}, "m-00002-of-00002.gguf: found part 2 of 2", "expected the first", opened=2)
    split("number", {1: first, 2: part("b", 0, 2)}, "m-00002-of-00002.gguf: key 'split.no': found 0, expected 1")
    split("tensor_twice", {1: first, 2: part("a", 1, 2)}, "m-00002-of-00002.gguf: tensor 'a': is also in")
    split("count", {1: part("a", 0, 2, 3), 2: second}, "key 'split.tensors.count': found 3")
    g("split_renamed", first, "key 'split.count': found 2", "-00001-of-00002.gguf")


# --- models ---------------------------------------------------------------------------------------------------------

HF_FILES = {"config.json": tiny.config(), "tokenizer.json": tiny.tokenizer_json(),
            "model.safetensors": tiny.safetensors(tiny.hf_entries(tiny.weights()))}


def model(name, changes, *error):
    """A folder like tiny-llama but for `changes` (file -> contents, None: left out); the same files are links to it."""
    folder = HOSTILE / f"model_{name}"
    folder.mkdir(parents=True)
    for file in HF_FILES:
        if file not in changes:
            (folder / file).symlink_to(f"../../tiny-llama/{file}")
    for file, contents in changes.items():
        if contents is not None:
            put(f"model_{name}/{file}", contents)
    expect(f"model_{name}", "model", *error)


def make_configs():
    def bad(name, *error, **changes):
        model(name, {"config.json": tiny.config(**changes)}, "config.json: ", *error)

    model("no_config", {"config.json": None}, "config.json", "no such file")
    model("no_tokenizer", {"tokenizer.json": None}, "tokenizer.json")
    model("config_not_json", {"config.json": "{'a': 1}"}, "config.json: not valid JSON")
    model("config_list", {"config.json": "[]"}, "config.json: found a list of 0")
    bad("unknown_architecture", "architectures", "GemmaForCausalLM", architectures=["GemmaForCausalLM"], model_type="gemma")
    bad("no_architecture", "architectures", "missing", architectures="absent", model_type="absent")
    bad("unknown_rope", "rope_type", "spiral", rope_scaling={"rope_type": "spiral", "factor": 2.0})
    bad("rope_factor_zero", "factor", "positive", rope_scaling={"rope_type": "linear", "factor": 0})
    bad("rope_scaling_string", "rope_scaling", '"linear"', rope_scaling="linear")
    bad("hidden_size_string", "hidden_size", 'found "32"', hidden_size="32")
    bad("hidden_size_negative", "hidden_size", "found -32", hidden_size=-32)
    bad("hidden_size_fraction", "hidden_size", "found 32.5", hidden_size=32.5)
    bad("hidden_size_huge", "hidden_size", "9223372036854775808", hidden_size=2**63)
    bad("no_layer_count", "num_hidden_layers", "missing", num_hidden_layers="absent")
    bad("layer_count_huge", "num_hidden_layers", "4000000000", num_hidden_layers=4000000000)
    bad("zero_heads", "num_attention_heads", "found 0", num_attention_heads=0)
    bad("heads_not_divisible", "num_key_value_heads", "found 3", num_attention_heads=4, num_key_value_heads=3)
    bad("odd_head_dim", "head_dim", "found 15", head_dim=15)
    bad("eps_string", "rms_norm_eps", 'found "1e-5"', rms_norm_eps="1e-5")
    bad("tied_number", "tie_word_embeddings", "found 1", tie_word_embeddings=1)
    bad("hidden_act", "hidden_act", "gelu", hidden_act="gelu")


def make_weights():
    def bad(name, change, *error, **config_changes):
        entries = tiny.hf_entries(tiny.weights())
        change(entries)
        files = {"model.safetensors": tiny.safetensors(entries)}
        if config_changes:
            files["config.json"] = tiny.config(**config_changes)
        model(name, files, *error)

    down = "model.layers.0.mlp.down_proj.weight"
    shape, values = tiny.weights()[down]

    def store(dtype, shape, numbers):
        return lambda entries: entries.update({down: (dtype, shape, tiny.encode(dtype, numbers))})

    def with_last(number):
        return values[:-1] + [number]

    infinity, nan = float("inf"), float("nan")
    where = f"model.safetensors: tensor '{down}'"
    model("no_head", {"config.json": tiny.config(tie_word_embeddings=False)}, "tensor 'lm_head.weight': missing")
    bad("missing_tensor", lambda e: e.pop(down), f"tensor '{down}': missing")
    bad("wrong_shape", store("F16", [32, 31], values[:32 * 31]), where, "shape [32, 31], expected [32, 32]")
    bad("turned_shape", store("F16", [16, 64], values), where, "shape [16, 64], expected [32, 32]")
    bad("vector_shape", store("F16", [1024], values), where, "shape [1024], expected [32, 32]")
    bad("nan_f16", store("F16", shape, with_last(nan)), where, "NaN")
    bad("inf_f16", store("F16", shape, with_last(infinity)), where, "infinity")
    bad("inf_bf16", store("BF16", shape, with_last(-infinity)), where, "infinity")
    bad("nan_bf16", store("BF16", shape, with_last(nan)), where, "NaN")
    bad("inf_f32", store("F32", shape, with_last(infinity)), where, "infinity")
    bad("i32_weight", store("I32", shape, [int(32 * v) for v in values]), where, "I32")


def make_gguf_models():
    def bad(name, change, *error):
        keys, entries = tiny.gguf_keys(), tiny.gguf_entries(tiny.weights())
        change(keys, entries)
        lie(f"model_gguf_{name}.gguf", tiny.gguf_file(keys, entries), "model", f"model_gguf_{name}.gguf: ", *error)

    def set_key(name, kind, content):
        return lambda keys, _: keys.update({name: key(name, kind, content)})

    up = "blk.0.ffn_up.weight"

    def nan_scale(_, entries):
        shape, kind, payload = entries[up]
        entries[up] = (shape, kind, payload[:18 * 5] + struct.pack("<H", 0x7E00) + payload[18 * 5 + 2:])

    bad("unknown_architecture", set_key("general.architecture", STRING, "mamba"), "general.architecture", "mamba")
    bad("no_architecture", lambda k, _: k.pop("general.architecture"), "general.architecture", "missing")
    bad("missing_key", lambda k, _: k.pop("llama.embedding_length"), "llama.embedding_length", "missing")
    bad("string_for_count", set_key("llama.block_count", STRING, "1"), "llama.block_count", "the string '1'")
    heads = "llama.attention.head_count"
    bad("heads_per_layer", lambda k, _: k.update({heads: array(heads, U32, [2, 2])}), heads, "an array of 2")
    bad("zero_heads", set_key("llama.attention.head_count", U32, 0), "llama.attention.head_count", "found 0")
    bad("missing_tensor", lambda _, e: e.pop(up), f"tensor '{up}': missing")
    bad("wrong_shape", lambda _, e: e.update({up: ([31, 32], e[up][1], e[up][2][:-18])}), f"tensor '{up}'",
        "shape [31, 32], expected [32, 32]")
    bad("nan_scale", nan_scale, f"tensor '{up}'", "NaN")
    freqs = ([8], tiny.TENSOR_F32, tiny.encode("F32", [1] * 7 + [0]))
    bad("rope_freqs_zero", lambda _, e: e.update({"rope_freqs.weight": freqs}), "tensor 'rope_freqs.weight'", "positive")


# --- seeds for fuzzing ----------------------------------------------------------------------------------------------

def every_type():
    """Sound files with each type of tensor and value once."""
    sizes = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I8": 1, "U8": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8,
             "U64": 8, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1}
    entries = {t: (t, [1, 2], b"\0\1" * size) for t, size in sizes.items()}
    entries |= {"scalar": ("U8", [], b"x"), "none": ("F32", [0], b"")}
    # ggml number -> elements and bytes of a block
    blocks = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
              11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 24: (1, 1), 25: (1, 2), 26: (1, 4),
              27: (1, 8), 28: (1, 8), 30: (1, 2), 42: (64, 18)}
    keys = [key(f"k{kind}", kind, 1) for kind in tiny.SCALAR] + [key("s", STRING, "text")]
    keys += [array(f"a{kind}", kind, [0, 1]) for kind in tiny.SCALAR] + [array("as", STRING, ["a", ""])]
    infos, data = [], b""
    for kind, (elements, size) in blocks.items():
        infos.append(info(f"t{kind}", [elements, 2], kind, len(data)))
        data += (b"\x01\x02" * size) + b"\0" * (-2 * size % 32)
    return tiny.safetensors(entries), gguf(keys, infos, data)


def make_corpus():
    safetensors_file, gguf_file = every_type()
    for name, pattern, sound, tiny_file in (
            ("safetensors", "st_*.safetensors", safetensors_file, HERE / "tiny-llama" / "model.safetensors"),
            ("gguf", "gguf_*.gguf", gguf_file, HERE / "tiny-llama.gguf")):
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(pattern):
            old.unlink()
        (folder / f"every_type.{name}").write_bytes(sound)
        shutil.copyfile(tiny_file, folder / f"tiny_llama.{name}")
        for file in sorted(HOSTILE.glob(pattern)):
            shutil.copyfile(file, folder / file.name)


def main():
    for old in HOSTILE.glob("*") if HOSTILE.exists() else []:
        if old.name.startswith("tokenizer_"):
            continue
        shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else os.remove(old)
    folder = HERE / "tiny-llama"
    folder.mkdir(exist_ok=True)
    for file, contents in HF_FILES.items():
        (folder / file).write_bytes(contents.encode() if isinstance(contents, str) else contents)
    (HERE / "tiny-llama.gguf").write_bytes(tiny.gguf_file(tiny.gguf_keys(), tiny.gguf_entries(tiny.weights())))
    for make in (make_safetensors, make_shards, make_gguf_head, make_gguf_keys, make_gguf_tensors, make_gguf_splits,
                 make_configs, make_weights, make_gguf_models, make_corpus):
        make()
    lines = [f"  {json.dumps(path)}: {json.dumps(expected[path])}" for path in sorted(expected)]
    put("expected.json", "{\n" + ",\n".join(lines) + "\n}\n")
    print(len(expected), "lies")


if __name__ == "__main__":
    main()
