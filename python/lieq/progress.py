"""Where progress, warnings and notes of long work go."""

import logging
import sys
import warnings

from lieq.errors import Warning

log = logging.getLogger("lieq")


class Bars:
    """A tqdm bar for each stage, one at a time."""

    def __init__(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a notebook without ipywidgets gets bars of text
            from tqdm.auto import tqdm
        self._tqdm = tqdm
        self._bar = None
        self._what = None

    def __call__(self, what, done, total):
        if self._bar is None or what != self._what or total != self._bar.total or done < self._bar.n:
            self.close()
            self._bar = self._tqdm(total=total, desc=what, leave=False)
            self._what = what
        self._bar.update(done - self._bar.n)

    def close(self):
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def in_notebook():
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


def resolve(progress):
    """The callable (what, done, total) that the argument `progress` stands for, or None."""
    if callable(progress):
        return progress
    if progress not in (None, True, False):
        raise TypeError(f"progress: found {progress!r}, expected a callable, True, False or None")
    if progress is False or not (progress or sys.stderr.isatty() or in_notebook()):
        return None
    return Bars()


def warn(line):
    warnings.warn(line, Warning, stacklevel=2)


def note(line):
    log.info(line)
