#!/usr/bin/env python3
"""Runs tests/python/test_NAME.py with pytest; exits with 77, after one line that says why, where it cannot."""

import os
import pathlib
import sys

SKIPPED = 77
HERE = pathlib.Path(__file__).resolve().parent
#: What a test imports that the Python of the build need not have; with an engine it is looked for there, too.
NEEDS = {"notebook": ("nbclient", "ipykernel", "matplotlib", "pandas"), "hf": ("torch", "transformers"),
         "lm_eval": ("lm_eval", "torch")}
ENGINES = {"hf": "lm-eval", "lm_eval": "lm-eval"}


def missing(modules):
    for module in modules:
        try:
            __import__(module)
        except ImportError as error:
            return str(error)
    return None


def main(name):
    lacking = missing(["lieq"])
    if lacking:
        print(f"skipped: {lacking} (the package is built with LIEQ_PYTHON=ON and nanobind, as ./test does where PyPI "
              "can be reached)")
        return SKIPPED
    lacking = missing(["pytest", *NEEDS.get(name, ())])
    if lacking and name in ENGINES:
        sys.path.insert(0, str(HERE.parent / "interop"))
        import interop
        interop.needs(ENGINES[name], "pytest", *NEEDS[name], "lieq")
    elif lacking:
        print(f"skipped: {lacking}")
        return SKIPPED
    import pytest
    return pytest.main(["-q", "-rs", "-p", "no:cacheprovider", f"--rootdir={HERE}", str(HERE / f"test_{name}.py")])


if __name__ == "__main__":
    sys.exit(main(os.path.basename(sys.argv[1])))
