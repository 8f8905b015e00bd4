#!/usr/bin/env python3
"""lieq pull --data: data_sets_test.py CLASS [unittest options]."""

import gzip
import hashlib
import json
import re
import unittest
from pathlib import Path

from fake_hub import COMMIT, Fault, Repo
from hub_case import SHARED, SOURCE, Case


def lines_of(path: Path) -> list[str]:
    with path.open(newline="\n") as file:
        return list(file)


#: WikiText rows as the hub serves them: an empty row was a line of one blank.
def wikitext_rows() -> list[dict]:
    lines = (SHARED / "data/text/wikitext2-test.txt").read_text().split("\n")[:-1]
    return [{"text": "" if not line.strip() else line + "\n"} for line in lines]


def with_subjects(rows: list[dict], records: list[dict]) -> list[dict]:
    """MMLU rows with subjects that begin where the ids of `records` (SUBJECT-test-NUMBER) say."""
    begins = {record["index"] - int(record["id"].rsplit("-", 1)[1]): record["doc"]["subject"] for record in records}
    subject, result = "", []
    for index, row in enumerate(rows):
        subject = begins.get(index, subject)
        result.append({**row, "subject": subject})
    return result


class Data(Case):
    DATA = ".cache/lieq/data"

    def needs_shared(self):
        if not (SHARED / "data").exists():
            self.skipTest(f"needs {SHARED / 'data'}")

    def test_wikitext_is_the_published_text_byte_for_byte(self):
        self.needs_shared()
        offline = self.refuse(1, "eval", SOURCE / "demo", "--text", "wikitext2", "--offline")
        self.assertIn("lieq pull --data wikitext2", offline)
        self.hub.rows["Salesforce/wikitext", "wikitext-2-raw-v1", "test"] = wikitext_rows()
        self.hub.faults = [
            Fault("/rows.*offset=1200", status=503),
            Fault("/rows.*offset=2000", status=429, headers={"Retry-After": "1"}),
        ]
        path = self.pulled("--data", "wikitext2")
        self.assertEqual(path, self.folder / self.DATA / "wikitext2-test.txt")
        self.assertEqual(path.read_bytes(), (SHARED / "data/text/wikitext2-test.txt").read_bytes())
        self.assertEqual(len(self.hub.requests("/rows")), 44 + 2)
        self.assertEqual(self.pulled("--data", "wikitext2", HF_HUB_OFFLINE="1"), path)
        args = ("eval", SOURCE / "demo", "--window", 64, "--chunks", 1)
        table = self.succeed(*args, "--text", "wikitext2")
        self.assertIn("(gptq protocol)", table)
        value = re.search(r"([0-9.]+) ± ", table)[1]
        self.assertIn(value, self.succeed(*args, "--tasks", "wikitext2"))

    def test_tasks_fetch_their_data(self):
        rows = [{"goal": f"Day {i}", "sol1": "light", "sol2": "darkness", "label": i % 2} for i in range(1838)]
        self.hub.rows["ybisk/piqa", "plain_text", "validation"] = rows
        args = ("eval", SOURCE / "demo", "--limit", 3, "--tasks", "piqa")
        for offline in ({"HF_HUB_OFFLINE": "1"}, {}):
            line = self.refuse(1, *args, *(() if offline else ("--offline",)), **offline)
            self.assertIn("lieq pull --data piqa", line)
        self.assertEqual(self.hub.requests("/rows"), [])
        table = self.succeed(*args)
        self.assertIn("|piqa", table)
        self.assertTrue((self.folder / self.DATA / "piqa.jsonl").exists())
        requests = len(self.hub.requests("/rows"))
        self.assertEqual(self.succeed(*args, "--offline"), table)
        # A folder is looked in first, and what it lacks is never fetched.
        (self.folder / "own").mkdir()
        in_folder = (*args, "--tasks-dir", "own")
        self.assertEqual(self.succeed(*in_folder), table)
        (self.folder / "own/piqa.jsonl").write_text(json.dumps({**rows[0], "label": 7}) + "\n")
        self.assertIn("own/piqa.jsonl: line 1", self.refuse(1, *in_folder))
        boolq = ("eval", SOURCE / "demo", "--tasks", "boolq", "--tasks-dir", "own")
        self.assertIn("lieq pull --data boolq", self.refuse(1, *boolq))
        self.assertEqual(len(self.hub.requests("/rows")), requests)

    def test_ptb_is_the_published_text_byte_for_byte(self):
        self.needs_shared()
        for name, split in (("ptb-test", "test"), ("ptb-valid", "validation")):
            text = SHARED / f"data/text/{name}.txt"
            self.hub.rows["ptb-text-only/ptb_text_only", "penn_treebank", split] = [
                {"sentence": line[1:-1]} for line in text.read_text().split("\n")[:-1]
            ]
        test, valid = self.succeed("pull", "--data", "ptb,ptb-valid").splitlines()
        self.assertEqual(Path(test).read_bytes(), (SHARED / "data/text/ptb-test.txt").read_bytes())
        self.assertEqual(Path(valid).read_bytes(), (SHARED / "data/text/ptb-valid.txt").read_bytes())

    def test_another_text_is_refused(self):
        self.hub.rows["Salesforce/wikitext", "wikitext-2-raw-v1", "test"] = [{"text": f"{i}\n"} for i in range(4358)]
        self.assertIn(
            "not the published text", self.refuse(1, "pull", "--data", "wikitext2", HF_HUB_DISABLE_PROGRESS_BARS="1")
        )
        self.assertEqual(list((self.folder / self.DATA).iterdir()), [])

    def test_tasks_come_out_as_the_shared_files_have_them(self):
        """The shared files hold one half of each split; a whole split is made by filling the other places."""
        self.needs_shared()
        sources = {
            "piqa": ("ybisk/piqa", "plain_text", "validation", 1838),
            "arc_easy": ("allenai/ai2_arc", "ARC-Easy", "test", 2376),
            "arc_challenge": ("allenai/ai2_arc", "ARC-Challenge", "test", 1172),
            "boolq": ("aps/super_glue", "boolq", "validation", 3270),
            "hellaswag": ("Rowan/hellaswag", "default", "validation", 10042),
            "winogrande": ("allenai/winogrande", "winogrande_xl", "validation", 1267),
            "mmlu": ("cais/mmlu", "all", "test", 14042),
        }
        for task, (repository, config, split, rows) in sources.items():
            lines = {json.loads(line)["index"]: line for line in lines_of(SHARED / f"data/tasks/{task}.jsonl")}
            docs = {index: json.loads(line)["doc"] for index, line in lines.items()}
            last = docs[min(docs)]
            served = [last := docs.get(index, last) for index in range(rows)]
            if task == "hellaswag":
                served = [{"ctx": "left out", **doc} for doc in served]
            if task == "mmlu":
                served = with_subjects(served, list(map(json.loads, lines.values())))
            self.hub.rows[repository, config, split] = served
            self.hub.rows["cais/mmlu", "all", "dev"] = [
                json.loads(line)["doc"] for line in lines_of(SHARED / "data/tasks/mmlu_dev.jsonl")
            ]
            path = self.pulled("--data", task)
            made = lines_of(path)
            self.assertEqual(len(made), rows)
            for index, line in lines.items():
                self.assertEqual(made[index], line)
        dev = self.folder / self.DATA / "mmlu_dev.jsonl"
        self.assertEqual(dev.read_text(), (SHARED / "data/tasks/mmlu_dev.jsonl").read_text())

    def test_wrong_sizes_and_rows_are_refused(self):
        key = ("ybisk/piqa", "plain_text", "validation")
        good = {"goal": "g", "sol1": "a", "sol2": "b", "label": 1}
        quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        for rows, word in (
            ([good] * 1837, "'num_rows_total': found 1837, expected 1838"),
            ([{**good, "label": 2}] * 1838, "'label': found 2"),
            ([{**good, "label": -1}] * 1838, "'label': found -1"),
            ([{"goal": "g", "label": 0}] * 1838, "row 0: field 'sol1'"),
        ):
            self.hub.rows[key] = rows
            self.assertIn(word, self.refuse(1, "pull", "--data", "piqa", **quiet))
        self.hub.rows[key] = [good] * 1838
        page = {
            "rows": [{"row_idx": 100 + i, "row": good, "truncated_cells": []} for i in range(100)],
            "num_rows_total": 1838,
        }
        for change, word in (
            ({"rows": page["rows"][:99]}, "expected a list of 100"),
            ({"rows": page["rows"][::-1]}, "found row 199, expected row 100"),
            ({"rows": [{**row, "truncated_cells": ["goal"]} for row in page["rows"]]}, "short"),
            ({"num_rows_total": "x"}, "num_rows_total"),
        ):
            self.hub.faults = [Fault("/rows.*offset=100", status=200, body=json.dumps(page | change).encode())]
            self.assertIn(word, self.refuse(1, "pull", "--data", "piqa", **quiet))
        self.assertEqual(list((self.folder / self.DATA).iterdir()), [])
        del self.hub.rows[key]
        self.assertIn("answered 404 (The dataset does not exist", self.refuse(1, "pull", "--data", "piqa"))
        self.assertIn("expected one of: wikitext2,", self.refuse(2, "pull", "--data", "nothing"))

    def test_files_of_data_sets(self):
        dolly = [{"instruction": f"i{i}", "context": "", "response": "é\n", "category": "qa"} for i in range(15011)]
        self.hub.repos["databricks/databricks-dolly-15k"] = Repo(
            {"databricks-dolly-15k.jsonl": "\n".join(map(json.dumps, dolly)).encode()}
        )
        pairs = [{"chosen": f"\n\nHuman: {i}", "rejected": "r"} for i in range(2312)]
        files = {
            f"{subset}-base/test.jsonl.gz": gzip.compress("\n".join(map(json.dumps, pairs)).encode())
            for subset in ("harmless", "helpful")
        }
        self.hub.repos["Anthropic/hh-rlhf"] = Repo(files)
        c4 = [
            {"text": "x" * 100_000 if i == 7 else f"document {i}", "timestamp": "2019", "url": "u"} for i in range(1200)
        ]
        self.hub.repos["allenai/c4"] = Repo(
            {"en/c4-validation.00000-of-00008.json.gz": gzip.compress("\n".join(map(json.dumps, c4)).encode())}
        )
        paths = [Path(line) for line in self.succeed("pull", "--data", "dolly", "hh-rlhf", "c4").splitlines()]
        made = [[json.loads(line) for line in lines_of(path)] for path in paths]
        self.assertEqual(made[0][3], {"id": "dolly-3", **dolly[3]})
        self.assertEqual(len(made[0]), 15011)
        self.assertEqual(made[1][2312], {"id": "helpful-base-test-0", "subset": "helpful-base", **pairs[0]})
        self.assertEqual(made[2], c4[:1100])
        self.assertTrue((self.cache / "datasets--allenai--c4/snapshots" / COMMIT / "en").is_dir())

    def test_broken_archives_are_refused(self):
        whole = gzip.compress(
            "\n".join(json.dumps({"chosen": "a", "rejected": "b"}) for _ in range(2312)).encode(), mtime=0
        )
        for content in (whole[:-9], b"\x1f\x8bxxxxxx", b"not json\n" * 2312):
            self.hub.repos["Anthropic/hh-rlhf"] = Repo(
                {"harmless-base/test.jsonl.gz": content}, commit=hashlib.sha1(content).hexdigest()
            )
            line = self.refuse(1, "pull", "--data", "hh-rlhf", HF_HUB_DISABLE_PROGRESS_BARS="1")
            self.assertIn("test.jsonl.gz", line)
        self.assertEqual(list((self.folder / self.DATA).iterdir()), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
