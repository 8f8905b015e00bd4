#!/usr/bin/env python3
"""lieq and the Python package huggingface_hub on one cache: interop_test.py CLASS [unittest options]."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

from fake_hub import etag_of
from hub_case import LIEQ, Case


class Interop(Case):
    """With the Python package huggingface_hub, where it is installed."""

    def setUp(self):
        super().setUp()
        self.python = os.environ.get("LIEQ_HF_PYTHON", sys.executable)
        if subprocess.run([self.python, "-c", "import huggingface_hub"], capture_output=True).returncode != 0:
            self.skipTest("needs Python with huggingface_hub (LIEQ_HF_PYTHON)")
        self.env["HF_HUB_DISABLE_XET"] = "1"

    def run_python(self, code: str, **env) -> str:
        done = subprocess.run(
            [self.python, "-c", code],
            capture_output=True,
            text=True,
            timeout=120,
            env=self.env | {"OMP_NUM_THREADS": "1"} | env,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_huggingface_hub_reads_what_lieq_wrote(self):
        snapshot = self.pulled("org/tiny")
        found = self.run_python(
            "import huggingface_hub as h; print(h.snapshot_download('org/tiny', local_files_only=True));"
            "print(h.hf_hub_download('org/tiny', 'config.json', local_files_only=True));"
            "print(h.try_to_load_from_cache('org/tiny', 'chat_template.jinja') is h._CACHED_NO_EXIST);"
            "print(len(h.scan_cache_dir().warnings))",
            HF_HUB_OFFLINE="1",
        )
        self.assertEqual(found.splitlines(), [str(snapshot), str(snapshot / "config.json"), "True", "0"])

    def test_transformers_loads_what_lieq_pulled(self):
        if subprocess.run([self.python, "-c", "import transformers, torch"], capture_output=True).returncode != 0:
            self.skipTest("needs transformers")
        self.pulled("org/tiny")
        found = self.run_python(
            "from transformers import AutoModelForCausalLM as M;"
            "print(type(M.from_pretrained('org/tiny', local_files_only=True)).__name__)",
            HF_HUB_OFFLINE="1",
        )
        self.assertEqual(found.splitlines()[-1], "LlamaForCausalLM")

    def test_lieq_reads_what_huggingface_hub_wrote(self):
        files = ("config.json", "model.safetensors", "tokenizer.json")
        code = f"import huggingface_hub as h; [print(h.hf_hub_download('org/tiny', f)) for f in {files}]"
        paths = self.run_python(code).splitlines()
        self.hub.log.clear()
        self.assertEqual(self.pulled("org/tiny", HF_HUB_OFFLINE="1"), Path(paths[0]).parent)
        self.succeed("inspect", "org/tiny", HF_HUB_OFFLINE="1")
        self.assertEqual(self.hub.log, [])
        self.pulled("org/tiny")
        self.assertEqual(self.hub.requests("resolve"), [])  # nothing is fetched twice

    def test_locks_keep_both_apart(self):
        content = self.big()
        etag = etag_of("big.bin", content)
        lock = self.cache / f".locks/models--org--big/{etag}.lock"
        lock.parent.mkdir(parents=True)
        code = f"import sys, filelock; l = filelock.FileLock({str(lock)!r}); l.acquire();"
        code += "print('held', flush=True); sys.stdin.read(); l.release()"
        holder = subprocess.Popen([self.python, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(holder.stdout.close)
        self.assertEqual(holder.stdout.readline(), "held\n")
        puller = subprocess.Popen(
            [LIEQ, "pull", "org/big", "--include", "*"],
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.assertIn("another process downloads this file", puller.stderr.readline())
        self.assertEqual(self.hub.requests("cdn GET"), [])
        holder.stdin.close()
        holder.wait(timeout=30)
        self.assertEqual(puller.wait(timeout=30), 0)
        puller.stderr.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
