#!/usr/bin/env python3
"""Checks every include between rooms, and every room's DEPENDS, against the table in docs/architecture.md."""

import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
table = {}
section = (root / "docs/architecture.md").read_text().split("## Who may include whom")[1].split("##")[0]
for room, allowed in re.findall(r"^\| (\w+) \|([\w ]*)\|$", section, re.M):
    if room != "room":
        table[room] = set(allowed.split())

errors = []
rooms = sorted(p.name for p in (root / "lieq").iterdir() if p.is_dir())
for room in [*rooms, "python"]:
    if room not in table:
        errors.append(f"lieq/{room}: not in the table")
        continue
    for source in sorted((root / "python/src" if room == "python" else root / "lieq" / room).rglob("*.[ch]*")):
        for included in re.findall(r'^#include "lieq/(\w+)/', source.read_text(), re.M):
            if included != room and included not in table[room]:
                errors.append(f"{source.relative_to(root)}: includes {included}/, which {room} may not")
    if room == "python":
        continue
    lists = (root / "lieq" / room / "CMakeLists.txt").read_text()
    depends = re.search(r"DEPENDS ([\w\s]*?)\s*(?:LINKS|PRIVATE_LINKS|\))", lists)
    extra = set(depends.group(1).split()) - table[room] if depends else set()
    if extra:
        errors.append(f"lieq/{room}/CMakeLists.txt: DEPENDS on {', '.join(sorted(extra))}, which {room} may not")

print("\n".join(errors) if errors else f"{len(rooms)} rooms keep to the table")
sys.exit(1 if errors else 0)
