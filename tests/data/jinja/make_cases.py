#!/usr/bin/env python3
"""Writes cases.jsonl: what jinja2, set up as transformers sets it up for chat templates, makes of each line of expressions.txt
(as {{ line }}) and of each template in templates.txt (between lines of three dashes), with the names in variables.json.

Run it again after a change of those files; needs `pip install transformers jinja2`.
"""

import json
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template

here = Path(__file__).parent
variables = json.loads((here / "variables.json").read_text())
templates = ["{{ " + line + " }}" for line in (here / "expressions.txt").read_text().split("\n") if line]
templates += (here / "templates.txt").read_bytes().decode().removesuffix("\n").split("\n---\n")
with open(here / "cases.jsonl", "w") as out:
    for template in templates:
        case = {"template": template}
        try:
            case["out"] = _compile_jinja_template(template).render(**variables)
        except Exception as error:
            case["error"] = type(error).__name__
        out.write(json.dumps(case, ensure_ascii=False) + "\n")
