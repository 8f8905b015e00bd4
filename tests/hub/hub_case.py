"""What the tests of the hub share: a fake hub, an empty home folder, and lieq; paths come from the environment."""

import contextlib
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from random import Random

from fake_hub import FakeHub, Repo

LIEQ = os.environ["LIEQ"]
SOURCE = Path(os.environ["LIEQ_SOURCE_DIR"])
SHARED = Path(os.environ["LIEQ_SHARED_DIR"])
TINY = {file.name: file.read_bytes() for file in sorted((SOURCE / "tests/data/tiny-llama").iterdir())}


class Case(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.hub = self.stack.enter_context(FakeHub())
        self.hub.repos["org/tiny"] = Repo(
            dict(TINY) | {"README.md": b"# tiny", "pytorch_model.bin": b"x" * 100, "original/consolidated.00.pth": b"y"}
        )
        keep = {
            name: os.environ[name]
            for name in ("PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS")
            if name in os.environ
        }
        self.env = keep | {
            "HOME": str(self.folder),
            "HF_ENDPOINT": self.hub.url,
            "LIEQ_DATASETS_SERVER": self.hub.url,
            "no_proxy": "*",
        }
        self.cache = self.folder / ".cache/huggingface/hub"
        self.tiny = self.cache / "models--org--tiny"

    def lieq(self, *args, **env) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [LIEQ, *map(str, args)], capture_output=True, timeout=120, env=self.env | env, text=True, cwd=self.folder
        )
        self.assertNotIn("secret", done.stdout + done.stderr)  # tokens and signed addresses stay out of messages
        return done

    def succeed(self, *args, **env) -> str:
        done = self.lieq(*args, **env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refuse(self, status: int, *args, **env) -> str:
        """The refusal: the last line, after warnings at most."""
        done = self.lieq(*args, **env)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertTrue(all(line.startswith("lieq: ") for line in lines), lines)
        return lines[-1]

    def pulled(self, *args, **env) -> Path:
        return Path(self.succeed("pull", *args, **env).splitlines()[-1])

    def big(self, size: int = 1 << 20) -> bytes:
        """A repository org/big with one large file."""
        content = Random(1).randbytes(size)
        self.hub.repos["org/big"] = Repo({"big.bin": content})
        return content

    def pull_big(self, **env) -> bytes:
        return (self.pulled("org/big", "--include", "*", **env) / "big.bin").read_bytes()

    def incomplete(self, repo: str = "models--org--big") -> list[Path]:
        return sorted((self.cache / repo / "blobs").glob("*.incomplete"))
