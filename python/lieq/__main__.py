"""python -m lieq: the command lieq."""

import os
import pathlib
import sys


def program() -> pathlib.Path:
    """The program that came with the package."""
    return pathlib.Path(__file__).parent / "bin" / "lieq"


def main():
    os.execv(program(), ["lieq", *sys.argv[1:]])


if __name__ == "__main__":
    main()
