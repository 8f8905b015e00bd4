"""A disk that is full: a small tmpfs, and what fills it."""

import subprocess
from pathlib import Path


def mount(case, folder: Path, size: int):
    """Makes `folder` a disk of so many bytes until the test case ends; skips it where that is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        case.skipTest(f"no tmpfs can be mounted, which takes root: {mounted.stderr.strip()}")
    case.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)


def fill(file: Path):
    """All of the disk that it lies on."""
    with open(file, "wb", buffering=0) as filler:
        for size in (1 << 20, 1 << 12):
            try:
                while filler.write(bytes(size)) == size:
                    pass
            except OSError:
                pass
