#!/usr/bin/env python3
"""Writes tests/data/hostile/tokenizer_*.json, each a small tokenizer with one lie, and the seeds of
fuzz/corpus/tokenizer/. hostile_test.cc beside this file says what each error must name. Standard library only."""

import copy
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
HOSTILE = HERE.parent / "data" / "hostile"
CORPUS = HERE.parent.parent / "fuzz" / "corpus" / "tokenizer"

LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
END = {"id": 5, "content": "<|end|>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
       "special": True}
TEMPLATE = {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [], "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [5], "tokens": ["<|end|>"]}}}
SPLIT = {"type": "Split", "pattern": {"Regex": "\\w+"}, "behavior": "Isolated", "invert": False}
BASE = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [END], "normalizer": None,
        "pre_tokenizer": LEVEL, "post_processor": TEMPLATE, "decoder": LEVEL,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3, "\u0120ab": 4},
                  "merges": ["a b", "\u0120 ab"]}}


def changed(path, value):
    """BASE with the value at `path` ("model.vocab.a") replaced, or removed by `...`."""
    tree = copy.deepcopy(BASE)
    *way, last = path.split(".")
    node = tree
    for step in way:
        node = node[int(step)] if isinstance(node, list) else node[step]
    if value is ...:
        del node[last]
    else:
        node[int(last) if isinstance(node, list) else last] = value
    return tree


LIES = {
    "no_model": ("model", ...),
    "model_null": ("model", None),
    "model_string": ("model", "BPE"),
    "model_type_missing": ("model.type", ...),
    "model_type_number": ("model.type", 7),
    "model_wordpiece": ("model.type", "WordPiece"),
    "model_unigram": ("model", {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]]}),
    "model_unknown_field": ("model.max_input_chars_per_word", 100),
    "no_vocab": ("model.vocab", ...),
    "vocab_list": ("model.vocab", ["a", "b"]),
    "vocab_id_string": ("model.vocab.a", "0"),
    "vocab_id_fraction": ("model.vocab.a", 0.5),
    "vocab_id_list": ("model.vocab.a", [[0], {"x": 1}]),
    "vocab_id_twice": ("model.vocab.b", 0),
    "vocab_id_negative": ("model.vocab.b", -1),
    "vocab_id_huge": ("model.vocab.b", 2**31),
    "vocab_id_2_64": ("model.vocab.b", 2**64 - 1),
    "no_merges": ("model.merges", ...),
    "merges_object": ("model.merges", {"a": "b"}),
    "merge_number": ("model.merges.0", 1),
    "merge_object": ("model.merges.0", {"a": "b"}),
    "merge_no_blank": ("model.merges.0", "ab"),
    "merge_two_blanks": ("model.merges.0", "a b c"),
    "merge_triple": ("model.merges.0", ["a", "b", "ab"]),
    "merge_pair_of_numbers": ("model.merges.0", [1, 2]),
    "merge_nested": ("model.merges.0", [["a"], ["b"]]),
    "merge_empty_side": ("model.merges.0", " b"),
    "merge_unknown_part": ("model.merges.0", "a c"),
    "merge_unknown_product": ("model.merges.0", "b a"),
    "merge_twice": ("model.merges.1", "a b"),
    "merge_control_characters": ("model.merges.0", "a\n \u001b[31m"),
    "dropout": ("model.dropout", 0.1),
    "prefix": ("model.continuing_subword_prefix", "##"),
    "suffix": ("model.end_of_word_suffix", "</w>"),
    "unk_unknown": ("model.unk_token", "<unk>"),
    "unk_number": ("model.unk_token", 0),
    "fuse_unk_number": ("model.fuse_unk", 1),
    "byte_fallback_with_byte_level": ("model.byte_fallback", True),
    "version_2": ("version", "2.0"),
    "truncation": ("truncation", {"max_length": 4}),
    "padding": ("padding", {"strategy": "BatchLongest"}),
    "unknown_top_field": ("extra", 1),
    "added_object": ("added_tokens", {}),
    "added_string": ("added_tokens.0", "<|end|>"),
    "added_no_id": ("added_tokens.0.id", ...),
    "added_id_negative": ("added_tokens.0.id", -5),
    "added_id_huge": ("added_tokens.0.id", 10**12),
    "added_id_taken": ("added_tokens.0.id", 0),
    "added_id_differs": ("added_tokens.0.content", "ab"),
    "added_content_empty": ("added_tokens.0.content", ""),
    "added_content_number": ("added_tokens.0.content", 5),
    "added_flag_string": ("added_tokens.0.lstrip", "yes"),
    "normalizer_lowercase": ("normalizer", {"type": "Lowercase"}),
    "normalizer_list": ("normalizer", []),
    "normalizer_in_sequence": ("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "NFKD"}]}),
    "normalizer_regex": ("normalizer", {"type": "Replace", "pattern": {"Regex": "a"}, "content": "b"}),
    "normalizer_empty_pattern": ("normalizer", {"type": "Replace", "pattern": {"String": ""}, "content": "b"}),
    "normalizer_extra": ("normalizer", {"type": "NFC", "form": "KD"}),
    "pre_tokenizer_metaspace": ("pre_tokenizer", {"type": "Metaspace", "replacement": "\u2581"}),
    "pre_tokenizer_after_byte_level": ("pre_tokenizer", {"type": "Sequence", "pretokenizers": [LEVEL, SPLIT]}),
    "pre_tokenizer_no_list": ("pre_tokenizer", {"type": "Sequence"}),
    "split_string": ("pre_tokenizer", dict(SPLIT, pattern={"String": " "})),
    "split_no_pattern": ("pre_tokenizer", {"type": "Split", "behavior": "Isolated", "invert": False}),
    "split_behavior": ("pre_tokenizer", dict(SPLIT, behavior="MergedWithNext")),
    "split_bad_regex": ("pre_tokenizer", dict(SPLIT, pattern={"Regex": "a(b"})),
    "post_processor_bert": ("post_processor", {"type": "BertProcessing", "sep": ["a", 0], "cls": ["b", 1]}),
    "template_no_text": ("post_processor.single", []),
    "template_text_twice": ("post_processor.single", [{"Sequence": {"id": "A"}}, {"Sequence": {"id": "A"}}]),
    "template_text_b": ("post_processor.single", [{"Sequence": {"id": "B"}}]),
    "template_unknown_token": ("post_processor.special_tokens", {}),
    "template_id_unknown": ("post_processor.special_tokens.<|end|>.ids", [6]),
    "template_ids_string": ("post_processor.special_tokens.<|end|>.ids", "5"),
    "decoder_wordpiece": ("decoder", {"type": "WordPiece", "prefix": "##"}),
    "decoder_strip_two_characters": ("decoder", {"type": "Strip", "content": "ab", "start": 1, "stop": 0}),
    "decoder_string": ("decoder", "ByteLevel"),
}

TEXTS = {
    "empty": "",
    "not_json": "version: 1.0",
    "cut_short": json.dumps(BASE)[:-40],
    "list": "[1, 2]",
    "number": "3",
    "deep_lists": "[" * 5000,
    "deep_objects": '{"model":' * 5000,
    "deep_in_vocab": json.dumps(changed("model.vocab", "X")).replace('"X"', '{"a":' + "[" * 5000 + "]" * 5000 + "}"),
    "key_twice": json.dumps(BASE).replace('"version": "1.0"', '"version": "1.0", "version": "1.0"'),
    "token_twice": json.dumps(BASE).replace('"b": 1', '"b": 1, "b": 9'),
    "bad_utf8": json.dumps(BASE).replace("<|end|>", "<|\udcff|>"),
    "lone_surrogate": json.dumps(BASE).replace('"content": "<|end|>"', '"content": "\\ud800"'),
}


def put(path, text):
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


for name, (path, value) in LIES.items():
    put(HOSTILE / f"tokenizer_{name}.json", json.dumps(changed(path, value), ensure_ascii=True) + "\n")
for name, text in TEXTS.items():
    put(HOSTILE / f"tokenizer_{name}.json", text)

CORPUS.mkdir(parents=True, exist_ok=True)
put(CORPUS / "byte_level.json", json.dumps(BASE))
put(CORPUS / "split.json", json.dumps(changed("pre_tokenizer", {"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": True}, SPLIT, dict(LEVEL, use_regex=False)]})))
pieces = changed("model", dict(BASE["model"], byte_fallback=True, fuse_unk=True, unk_token="<unk>",
                               vocab={"<unk>": 6, "a": 0, "b": 1, "ab": 2, "\u2581": 3, "\u2581ab": 4, "<0x41>": 7},
                               merges=[["a", "b"], ["\u2581", "ab"]]))
pieces["pre_tokenizer"] = None
pieces["normalizer"] = {"type": "Sequence", "normalizers": [
    {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
pieces["decoder"] = {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
put(CORPUS / "sentencepiece.json", json.dumps(pieces))
