#!/usr/bin/env python3
"""Makes data/calibration/prose.txt and code.txt: the built-in calibration text's prose and code. See README.md here.

    make.py DEBS        where the Debian packages named in README.md were unpacked with dpkg-deb -x

A line of %% stands between texts. The code is a copy of some of this project's sources as they were on that day: their
later changes must not change what models are fitted to."""

import gzip
import pathlib
import re
import subprocess
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
DATA = REPOSITORY / "data" / "calibration"
COMMIT = "8b464b7"

NOVELS = (("northangerabbey", 2, 14000), ("prideprejudice", 4, 14000), ("persuasion", 3, 14000))
DOCUMENTS = (("README.md", 9000), ("docs/server.md", 9000), ("docs/python.md", 7000), ("docs/architecture.md", 7000),
             ("docs/fuzzing.md", 4000), ("docs/structured_output.md", 5000))
SOURCES = (("lieq/eval/choices.cc", 8000), ("python/lieq/hf.py", 9000), ("lieq/serve/page/chat.js", 9000),
           ("lieq/quantize/run.cc", 9000), ("tests/python/test_model.py", 8000), ("lieq/serve/page/page.html", 4000),
           ("lieq/base/json.h", 6000), ("tools/train_demo/train.py", 8000), ("lieq/serve/page/style.css", 4000),
           ("tests/pipeline/plan_test.cc", 8000), ("bench/serve.py", 9000), ("cmake/LieqDependencies.cmake", 3000),
           ("scripts/install_packages", 3000), ("lieq/jinja/lexer.cc", 8000), ("python/lieq/lm_eval.py", 8000),
           ("lieq/serve/page/markdown.js", 8000), ("lieq/grammar/matcher.cc", 8000), ("demo/config.json", 1000),
           ("tools/train_demo/prepare.py", 8000), ("lieq/io/mapped_file.cc", 6000), ("quickstart", 3000),
           ("python/lieq/__init__.py", 6000))


def cut(text, size):
    """At most `size` characters, to the end of a line."""
    return text if len(text) <= size else text[:text.rindex("\n", 0, size)]


def novel(debs, number, size):
    """The beginning of a novel from the R package's database: zlib blocks of serialised strings, one a line."""
    data = (debs / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb").read_bytes()
    at = 0
    for _ in range(number):
        block = zlib.decompressobj()
        block.decompress(data[at + 4:])
        at = len(data) - len(block.unused_data)
    raw = zlib.decompressobj().decompress(data[at + 4:])
    lines = []
    for found in re.finditer(rb"\x00\x04\x00\x09(.{4})", raw, re.S):
        length = int.from_bytes(found.group(1), "big")
        lines.append(raw[found.end():found.end() + length].decode())
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    return cut("\n\n".join(re.sub(r"\s+", " ", one).strip() for one in paragraphs[20:] if one.strip()), size)


def jargon(debs, size):
    """Every seventh entry of the Jargon File that is a text and not a line, its lines joined."""
    text = gzip.decompress((debs / "usr/share/dictd/jargon.dict.dz").read_bytes()).decode()
    entries = []
    for entry in re.split(r"\n(?=\S)", text[20000:]):
        head, _, body = entry.partition("\n")
        body = re.sub(r"[{}]", "", re.sub(r"^ n\.| v\.| adj\.", "", body))
        paragraphs = [re.sub(r"\s+", " ", one).strip() for one in re.split(r"\n\s*\n", body)]
        whole = "\n\n".join(one for one in paragraphs if one)
        if 400 < len(whole) < 3000 and "http" not in whole:
            entries.append(f"{head.strip()}\n\n{whole}")
    return cut("\n\n".join(entries[::7]), size)


def constitution(debs, size):
    text = gzip.decompress((debs / "usr/share/state/us-constitution.gz").read_bytes()).decode()
    paragraphs = re.split(r"\n\s*\n", text)
    return cut("\n\n".join(re.sub(r"\s+", " ", one).strip() for one in paragraphs if one.strip()), size)


#: Markers of chat templates are tokens of their own to models that have them, even in the middle of code.
MARKER = re.compile(r"<\|\w+\|>|\[/?INST\]|<</?SYS>>|<(start|end)_of_turn>|</?s>|</?(think|tool_call)>")


def ours(name, size):
    """A file of this project as it was in COMMIT, without lines that hold markers."""
    text = subprocess.run(["git", "show", f"{COMMIT}:{name}"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return cut("".join(line for line in text.stdout.splitlines(keepends=True) if not MARKER.search(line)), size)


def parts(texts, size=3000):
    """Texts in pieces, dealt in turn: neighbours in the file come from different sources."""
    piles = []
    for text in texts:
        pieces = []
        while text:
            piece = cut(text, size)
            pieces.append(piece.strip("\n"))
            text = text[len(piece):].lstrip("\n")
        piles.append(pieces)
    for turn in range(max(map(len, piles))):
        yield from (pile[turn] for pile in piles if turn < len(pile))


def write(name, texts):
    whole = "\n%%\n".join(texts) + "\n"
    if ")text\"" in whole:
        raise ValueError(f'{name}: holds )text", which ends a string in text.cc.in')
    (DATA / name).write_text(whole, encoding="utf-8")
    print(f"{name}: {len(whole.encode())} bytes")


def main():
    debs = pathlib.Path(sys.argv[1])
    prose = [novel(debs, number, size) for _, number, size in NOVELS]
    prose += [jargon(debs, 42000), constitution(debs, 12000)] + [ours(name, size) for name, size in DOCUMENTS]
    write("prose.txt", parts(prose))
    write("code.txt", parts([ours(name, size) for name, size in SOURCES]))


if __name__ == "__main__":
    main()
