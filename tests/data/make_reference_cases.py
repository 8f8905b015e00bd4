#!/usr/bin/env python3
"""Writes reference_splits.json and reference_tokenizers.json: what the `tokenizers` package (0.23) does with patterns of
Oniguruma, with the behaviours of Split and with Metaspace; text_test compares."""

import itertools
import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, pre_tokenizers

HERE = Path(__file__).resolve().parent
TEXT = "aF9 g\th\x0b\xa0\u2003G\n\u00e9x\u180e_Z1\r\n aab {2} ]b-\u0663\u00b2\u2167e\u0301\u203f\u017f\ufb01 [a&b]\n"

REGEXES = r"""
\h \H [\h]+ [^\h]+ [\H]+ [^\H]+ [a-z&&[^g]]+ [a-z&&[^g]&&[^h]] [\w&&\D]+ [[a-c][x-z]]+ [^[a-c][x-z]]+ [^a-z&&[^g]]+ [&&a]
[a&&] [a&b]+ [a[^b]]+ [[:alpha:]]+ [[:^alpha:]]+ [[:word:]]+ [^[:space:]]+ [[:xdigit:]x]+ [[:alnum:]]+ [[:upper:]]
[[:digit:]]+ [[:blank:]]+ [[:cntrl:]]+ [[:ascii:]]+ [[:lower:]]+ \w+ \W+ [\w]+ [\W]+ [^\W]+ \d+ \D+ \s+ \S+ [\s\S] [\S]+
[^\S]+ \v [\v] \R \N+ \O \bF \Bb \b \p{L}+ \p{^L}+ \P{^L}+ \p{Letter}+ \p{Lowercase_Letter}+ \p{Nd}+ \p{Alpha}+ \p{Latin}+
\p{Upper}+ \P{L}+ .+ (?m:.)+ (?m).+ ^. .$ \A. .\Z (?i)G (?i:g) (?i:AB) (?-i:G) a{,2} a{1,2}+ a{2}? a{1,2}? a{1,} a++ a*+b
a?+a (?>a|b)+ (?#c)a \x{61} \x61 \u0061 (?<=a)F (?<!a)F (a)\1 (?<n>a) []a]+ [a-]+ [-a]+ [a\]b]+ \{2} {2} {x} ] } a]
[\x{61}-\x{67}]+ [\u0061]+ [^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3} \p{Han} \Q.\E [\t ]+ (?i:'s|a)(?!b) \141 (?~g) (?y{g})\X
[\d-z] (?x:_a_) a{2,1} \M-a \cA (?W:\w) a(?i)b|c (?:(?i)b|g) (*FAIL) [[:punct:]]+ \p{Punct}+ \p{InBasic_Latin} (?|a)
""".split()


def pieces(splitter, text):
    return [piece for piece, _ in splitter.pre_tokenize_str(text)]


def splits():
    cases = []
    for regex in REGEXES:
        try:
            found = pieces(pre_tokenizers.Split(Regex(regex), "isolated"), TEXT)
        except Exception:
            found = None  # the reference refuses it, too
        cases.append({"regex": regex, "behavior": "Isolated", "invert": False, "text": TEXT, "pieces": found})
    behaviors = ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]
    texts = ["", " ", "a", " a", "a b", "a  b   c ", "  ab  ", "xaxxa"]
    for behavior, invert, pattern in itertools.product(behaviors, [False, True], [" ", "a", Regex("[ab]")]):
        camel = "".join(word.capitalize() for word in behavior.split("_"))
        for text in texts:
            found = pieces(pre_tokenizers.Split(pattern, behavior, invert), text)
            kind = {"string": pattern} if isinstance(pattern, str) else {"regex": "[ab]"}
            cases.append(kind | {"behavior": camel, "invert": invert, "text": text, "pieces": found})
    return cases


def sentence_piece(pre_tokenizer, decoder):
    tokens = ["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += ["\u2581", "a", "b", "\u2581a", "aa", "\u2581\u2581", "\u2581b", "a\u2581"]
    added = [{"id": 0, "content": "<unk>", "special": True}, {"id": len(tokens), "content": "<s>", "special": True}]
    for token in added:
        token |= {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    merges = [["\u2581", "a"], ["a", "a"], ["\u2581", "\u2581"], ["\u2581", "b"], ["a", "\u2581"]]
    model = {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "merges": merges,
             "vocab": {token: i for i, token in enumerate(tokens)}}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": decoder, "model": model}


def tokenizers():
    texts = ["", " ", "a", " a", "a a", "a  b", "aa  a ", "\u2581a", "a<s>a", "<s>a", "<s> a", " <s>b a", "a\u2581b", "c\na"]
    cases = []
    for scheme, split in itertools.product(["always", "first", "never", None], [True, False, None]):
        metaspace = {"type": "Metaspace", "replacement": "\u2581"}
        metaspace |= {} if scheme is None else {"prepend_scheme": scheme}
        metaspace |= {} if split is None else {"split": split}
        fallback = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, metaspace]}
        for decoder in (metaspace, fallback):
            cases.append((f"{scheme} {split} {decoder['type']}", sentence_piece(metaspace, decoder)))
    for name, changes in {"truncation": {"truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst",
                                                        "stride": 0}},
                          "padding": {"padding": {"strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": None,
                                                  "pad_id": 0, "pad_type_id": 0, "pad_token": "<unk>"}}}.items():
        cases.append((name, sentence_piece(None, {"type": "Fuse"}) | changes))
    written = []
    for name, tree in cases:
        reference = Tokenizer.from_str(json.dumps(tree))
        reference.no_truncation()
        reference.no_padding()
        results = []
        for text in texts:
            ids = reference.encode(text).ids
            results.append({"text": text, "ids": ids, "decoded": reference.decode(ids, skip_special_tokens=False)})
        written.append({"name": name, "json": tree, "results": results})
    return written


def write(name, value):
    (HERE / name).write_text("[\n" + ",\n".join(json.dumps(case) for case in value) + "\n]\n")


write("reference_splits.json", splits())
write("reference_tokenizers.json", tokenizers())
