#!/usr/bin/env python3
"""Writes docs/engines.md from data/engines.json: engines_page.py [--check]. --check only compares (status 1: differs)."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/engines.md"

HEAD = """# Which engines load what

Made from `data/engines.json` by `tools/engines_page.py`; `lieq check MODEL` asks the same table about one model.

    lieq check MODEL              every engine: whether it loads the model, since when, how fast, and why not
    lieq check MODEL --for MLX    one engine; status 0 if it loads the model, 1 if not
    lieq check MODEL --json       the same with the facts that decided

## How to read it

Each engine has rules, tried from top to bottom: the first whose conditions all hold is the answer. Conditions are about
facts of the model, which `lieq check` reads from its files:

{facts}

A list means that every value must be among those named, `any of` that one must.

- **since**: the first version or month that the source names. Older ones may do as well; newer ones are assumed to.
- **speed**: *kernels* multiply the codes at this width; *fall-back* decodes the weights first, or runs a plain loop.
- **proved**: a script of `tests/interop` saw the engine do it, in that version, on that day. Everything else rests on the
  source alone, on its date.
- **no** with "the table has no source" means just that: nobody has looked, or nothing was found.

The half grid puts zero points between the integers. Of the packings only MLX's, which keeps
an offset for each group, holds them; `lieq export --to mlx` rounds that offset once to half precision. For other engines
quantise with `--grid skew` (gptq_v2, compressed-tensors, Q2_0, Q4_0), `--grid sym` (gptq) or on the K grids (GGUF).

To correct a rule, change the JSON: condition, source and date belong together. Then run `tools/engines_page.py`.
"""


def words(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def condition(fact, asked):
    name = fact.replace("_", " ")
    if not isinstance(asked, dict):
        return f"{name}: {words(asked)}"
    if "any" in asked:
        return f"{name}: any of {words(asked['any'])}"
    return f"{name}: multiples of {asked['multiple_of']}"


def source(rule):
    where = rule["source"]
    if not where.startswith("http"):
        return f"{where}, {rule['date']}"
    label = re.sub(r"^https?://(?:github\.com/|www\.)?", "", where).rstrip("/")
    label = label if len(label) <= 40 else label[:24] + "..." + label[-13:]
    return f"[{label}]({where}), {rule['date']}"


def row(rule):
    conditions = "; ".join(condition(*one) for one in rule.get("if", {}).items()) or "anything else"
    cells = ["yes" if rule["loads"] else "no", conditions, rule.get("since", ""), rule.get("speed", ""), rule["note"],
             f"{Path(rule['proved']).stem}: {rule['proved_with']}" if "proved" in rule else "", source(rule)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page(table):
    facts = "\n".join(f"- `{name}`: {what}" for name, what in table["facts"].items())
    parts = [HEAD.format(facts=facts)]
    for engine in table["engines"]:
        rows = "\n".join(map(row, engine["rules"]))
        parts.append(f"## {engine['name']}\n\n`{engine['run']}`\n\n"
                     "| loads | where | since | speed | note | proved | source |\n"
                     f"| --- | --- | --- | --- | --- | --- | --- |\n{rows}\n")
    return "\n".join(parts)


def main():
    text = page(json.loads((ROOT / "data/engines.json").read_text()))
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
        return 0
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    print("docs/engines.md is not what tools/engines_page.py makes of data/engines.json: run it")
    return 1


sys.exit(main())
