#!/usr/bin/env python3
"""What a model loses on four kinds of text, by what it was fitted to.

    calibration.py LIEQ MODEL DATA -o FOLDER [--windows 24] [--window 2048] [--chunks 4] [--only NAME,...] [-- OPTIONS]

DATA holds wikitext2-train-part.txt, wikitext2-valid.txt, c4-sample.jsonl and dolly.jsonl; code is Python's standard library as
Debian installs it. Each kind is split into a part to fit to and a part to score, by document, file or record. One line a
variant: KL(original || quantised) on each kind with its standard error, in parentheses how many times that of fitting
to this kind alone, and CPU seconds. The bar for what is taken without any text: at most 1.2 on every kind. Results stay in
FOLDER, and what is there is not made again. OPTIONS go to lieq quantize, for example --top 1 --grid half."""

import argparse
import json
import pathlib
import random
import resource
import subprocess

LIBRARY = pathlib.Path("/usr/lib/python3.11")
KINDS = ("wiki", "c4", "code", "chat")
VARIANTS = {"default": None, "builtin": "builtin", "self": "self", **{f"own-{kind}": kind for kind in KINDS}}
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


def turn(record):
    """A record of dolly.jsonl in ChatML, as SmolLM2's template writes it."""
    asked = "\n\n".join(part for part in (record["instruction"], record["context"]) if part)
    turns = (("system", SYSTEM), ("user", asked), ("assistant", record["response"]))
    return "".join(f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in turns)


def halves(parts, join):
    """The first half after a shuffle that is always the same, and the second."""
    random.Random(1).shuffle(parts)
    middle = len(parts) // 2
    return join.join(parts[:middle]), join.join(parts[middle:])


def texts(data):
    lines = {name: [json.loads(line) for line in (data / name).read_text().splitlines()]
             for name in ("c4-sample.jsonl", "dolly.jsonl")}
    files = [file for file in sorted(LIBRARY.rglob("*.py"))
             if not {"test", "tests", "encodings", "dist-packages", "pydoc_data"} & set(file.parts)]
    return {"wiki": ((data / "wikitext2-train-part.txt").read_text(), (data / "wikitext2-valid.txt").read_text()),
            "c4": halves([one["text"] for one in lines["c4-sample.jsonl"]], "\n\n"),
            "code": halves([file.read_text(errors="replace")[:20000] for file in files], "\n\n"),
            "chat": halves([turn(one) for one in lines["dolly.jsonl"]], "")}


def quantize(arguments, name, source, scored, folder):
    """The record of the finished model in `folder`; makes it unless it is there."""
    output, facts = folder / name, folder / f"{name}.json"
    if not facts.exists():
        words = [arguments.lieq, "quantize", arguments.model, "-o", output, "--text", ",".join(map(str, scored)),
                 "--window", arguments.window, "--chunks", arguments.chunks, "--calib-windows", arguments.windows,
                 "--calib-window", arguments.window, "--force", *arguments.options]
        words += ["--calib", source] if source else []
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        written = json.loads((output / "lieq.json").read_text())
        facts.write_text(json.dumps({"texts": written["texts"], "smoke_test": written["smoke_test"], "seconds": seconds}))
    return json.loads(facts.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("lieq", "model", "data"):
        parser.add_argument(name)
    parser.add_argument("-o", dest="folder", type=pathlib.Path, required=True)
    parser.add_argument("--windows", default=24)
    parser.add_argument("--window", default=2048)
    parser.add_argument("--chunks", default=4)
    parser.add_argument("--only", default=",".join(VARIANTS))
    parser.add_argument("options", nargs="*")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for kind, both in texts(pathlib.Path(arguments.data)).items():
        files[kind] = [arguments.folder / f"{kind}-{part}.txt" for part in ("fit", "score")]
        for file, text in zip(files[kind], both):
            file.write_text(text, encoding="utf-8")
    scored = [files[kind][1] for kind in KINDS]
    made = {}
    for name in arguments.only.split(","):
        source = VARIANTS[name]
        made[name] = quantize(arguments, name, files[source][0] if source in KINDS else source, scored, arguments.folder)
    print(f"{'fitted to':12}" + "".join(f"{kind:>26}" for kind in KINDS) + "  CPU seconds")
    for name, facts in made.items():
        cells = []
        for kind, text in zip(KINDS, facts["texts"]):
            own = made.get(f"own-{kind}")
            times = f" ({text['kl'] / own['texts'][KINDS.index(kind)]['kl']:.2f})" if own else ""
            cells.append(f"{text['kl']:.4f} ± {text['kl_stderr']:.4f}{times}")
        print(f"{name:12}" + "".join(f"{cell:>26}" for cell in cells) + f"  {facts['seconds']:.0f}")


if __name__ == "__main__":
    main()
