"""Turn English text of a few Debian packages into a tokenizer and token files.

Needs the packages bible-kjv, bible-kjv-text, anarchism, debian-handbook and
dict-gcide to be installed.  Nothing is downloaded.
"""
import argparse
import gzip
import hashlib
import html.parser
import json
import re
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

EOT = "<|endoftext|>"
VOCAB = 4096
# The same split as Qwen's tokenizers, so the model exercises the same code.
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# Whole books that are never trained on; they become heldout.txt.
KJV_HELD = ["Ruth", "Est", "Amos", "Jonah", "Mal", "Phi", "Jas", "1Pet", "1Jn"]
# Shares of the text the tokenizer is trained on, in bytes.
TOK_MIX = {"kjv": 3_000_000, "faq": 2_500_000, "handbook": 500_000, "gcide": 700_000}

Docs = list[str]


def bucket(key: str) -> float:
    """A number in [0, 1) that depends only on the key: a stable random choice."""
    return int.from_bytes(hashlib.md5(key.encode()).digest()[:4], "big") / 2**32


def tidy(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    for a, b in {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"',
                 "\u2013": "-", "\u2014": " - ", "\u2026": "...", "\u00a0": " "}.items():
        text = text.replace(a, b)
    text = re.sub(r"\s+", " ", text)
    return re.sub(r" ([,.;:?!)])", r"\1", text).strip()


def kjv() -> tuple[Docs, Docs]:
    """One document per book, one paragraph per chapter, no verse numbers."""
    out = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], check=True,
                         capture_output=True, text=True).stdout
    books: dict[str, dict[int, list[str]]] = {}
    for line in out.splitlines():
        m = re.fullmatch(r"(\d?[A-Za-z]+)(\d+):(\d+) (.*)", line)
        if m:
            books.setdefault(m[1], {}).setdefault(int(m[2]), []).append(tidy(m[4]))
    missing = [b for b in KJV_HELD if b not in books]
    if missing or len(books) != 66:
        raise SystemExit(f"unexpected book names: {missing} of {list(books)}")
    train, held = [], []
    for name, chapters in books.items():
        text = "\n\n".join(" ".join(v) for v in chapters.values()) + "\n"
        (held if name in KJV_HELD else train).append(text)
    return train, held


class Paragraphs(html.parser.HTMLParser):
    """Collects the text of paragraphs; `para` says which start tags begin one."""
    SKIP = {"pre", "script", "style", "table", "title"}

    def __init__(self, para) -> None:
        super().__init__()
        self.para, self.items, self.stack, self.buf = para, [], [], None

    def handle_starttag(self, tag, attrs) -> None:
        if tag in ("img", "br", "hr", "meta", "link", "input"):
            self.handle_data(" ")
            return
        opens = self.para(tag, dict(attrs).get("class") or "")
        if opens:
            self.flush()
            self.buf = []
        self.stack.append((tag, opens))

    def handle_endtag(self, tag) -> None:
        if tag not in (t for t, _ in self.stack):
            return
        while self.stack:
            t, opens = self.stack.pop()
            if opens:
                self.flush()
            if t == tag:
                break

    def handle_data(self, data) -> None:
        if self.buf is not None and not any(t in self.SKIP for t, _ in self.stack):
            self.buf.append(data)

    def flush(self) -> None:
        if self.buf:
            text = tidy("".join(self.buf))
            if text:
                self.items.append(text)
        self.buf = None


def html_text(path: Path, para) -> str:
    p = Paragraphs(para)
    p.feed(path.read_text(encoding="utf-8"))
    p.flush()
    return "\n\n".join(p.items) + "\n"


def faq(share: Path) -> tuple[Docs, Docs]:
    """An Anarchist FAQ, one document per page; about 1 page in 25 held out."""
    train, held = [], []
    for f in sorted((share / "doc/anarchism/html").glob("*.html")):
        if not re.match(r"sec|append|intro|10years|vol", f.stem):
            continue  # link lists, bibliography and other navigation
        text = html_text(f, lambda tag, cls: tag == "p")
        # Source notes such as [Author, Title, pp. 12-3] are not prose.
        text = re.sub(r" ?\[[^\[\]]{0,200}?(\bpp?\. ?[\divxl]|Op\. Cit|quoted by|Ibid)[^\[\]]{0,200}\]", "", text)
        if len(text) > 2000:
            (held if bucket(f.stem) < 0.04 else train).append(text)
    return train, held


def handbook(share: Path) -> tuple[Docs, Docs]:
    """The Debian Administrator's Handbook, one document per page."""
    train, held = [], []
    for f in sorted((share / "doc/debian-handbook/html/en-US").glob("*.html")):
        text = html_text(f, lambda tag, cls: tag == "div" and cls == "para")
        if len(text) > 1000:
            (held if bucket(f.stem) < 0.06 else train).append(text)
    return train, held


def gcide(share: Path, keep: float) -> tuple[Docs, Docs]:
    """Dictionary entries as 'Word: meaning.' lines, only a share of them."""
    raw = gzip.open(share / "dictd/gcide.dict.dz", "rt", encoding="utf-8", errors="replace").read()
    train, held = [], []
    for entry in re.split(r"\n(?=\S)", raw):
        entry = re.sub(r"\[[^\]]*\]", "", entry)  # etymology and source marks
        m = re.match(r"([A-Za-z]+(?: [a-z]+)*) \\[^\\]+\\.*\n", entry)
        if not m:
            continue
        body = re.split(r"\n\s*(?:Note:|Syn:|-- )", entry[m.end():])[0]
        # Authors of quotations, subject marks, numbers of meanings.
        body = re.sub(r"--[A-Z][^\n]*(\n +[A-Z][\w. ]*)?(?=\n|$)|\([A-Z][A-Za-z.&, ]+\)"
                      r"|^\s+(\d+\.|\([a-z]\))|[{}`*|?]", " ", body, flags=re.M)
        body = tidy(body)
        if len(body) < 60 or re.search(r"[^\x00-\x7f]|\\|&\w+;|<", body):
            continue
        r = bucket(m[1])
        if r < keep:
            (held if r < keep * 0.04 else train).append(f"{m[1]}: {body}\n")
    return train, held


def make_tokenizer(texts: dict[str, Docs]) -> Tokenizer:
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    tok.decoder = decoders.ByteLevel()
    sample = []
    for name, docs in texts.items():
        left = TOK_MIX[name]
        for d in sorted(docs, key=bucket):
            sample.append(d[:left])
            left -= len(d)
            if left <= 0:
                break
    # The special goes last, as in Qwen: first train one token less, then add it.
    tok.train_from_iterator(sample, trainers.BpeTrainer(
        vocab_size=VOCAB - 1, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    tok.add_special_tokens([EOT])
    if tok.get_vocab_size() != VOCAB:
        raise SystemExit(f"{tok.get_vocab_size()} tokens instead of {VOCAB}")
    return tok


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--out", type=Path, required=True, help="folder for token files")
    ap.add_argument("--demo", type=Path, required=True, help="model folder: tokenizer, heldout.txt")
    ap.add_argument("--share", type=Path, default=Path("/usr/share"), help="where packages put data")
    ap.add_argument("--gcide-keep", type=float, default=0.12, help="share of dictionary entries")
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    a.demo.mkdir(parents=True, exist_ok=True)

    sources = {"kjv": kjv(), "faq": faq(a.share), "handbook": handbook(a.share),
               "gcide": gcide(a.share, a.gcide_keep)}
    tok = make_tokenizer({k: v[0] for k, v in sources.items()})
    tok.save(str(a.demo / "tokenizer.json"))
    (a.demo / "heldout.txt").write_text("\n".join(sources["kjv"][1]), encoding="utf-8")

    eot, stats = tok.token_to_id(EOT), {}
    for name, parts in sources.items():
        for part, docs in zip(("train", "val"), parts):
            # Dictionary entries are far too short to be documents of their own.
            if name == "gcide":
                docs = ["\n".join(docs[i:i + 40]) for i in range(0, len(docs), 40)]
            ids = [i for e in tok.encode_batch(docs) for i in e.ids + [eot]]
            np.array(ids, dtype="<u2").tofile(a.out / f"{name}_{part}.bin")
            (a.out / f"{name}_{part}.txt").write_text("\n".join(docs), encoding="utf-8")
            size = sum(len(d.encode()) for d in docs)
            stats[f"{name}_{part}"] = {"documents": len(docs), "bytes": size, "tokens": len(ids)}
    (a.out / "stats.json").write_text(json.dumps(stats, indent=1) + "\n")
    print(json.dumps(stats, indent=1))


if __name__ == "__main__":
    main()
