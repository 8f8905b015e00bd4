"""What lieq raises: one line that names file, field, what was found and what was expected."""


class Error(Exception):
    """Anything that failed; the subclasses say what kind of thing."""


class UsageError(Error, ValueError):
    """An argument asks for something impossible."""


class NotFoundError(Error, LookupError):
    """A file, tensor or field does not exist."""


class FormatError(Error):
    """A file's contents contradict its format."""


class UnsupportedError(Error):
    """Well-formed, but not something lieq handles."""


class NumericalError(Error, ArithmeticError):
    """NaN, infinity or a singular matrix."""


class Warning(UserWarning):
    """What lieq warns of."""
