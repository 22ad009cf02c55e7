"""Checks of single values in a saved model: arrays, numbers, words and lists of them.

A check is a function of a value and of the sizes known so far; it says whether the
value will do. A size is learnt where it is met first.
"""

import numpy as np

__all__ = [
    "array",
    "count",
    "either",
    "flag",
    "listed",
    "named",
    "nothing",
    "number",
    "words",
]


def array(*shape, dtype="float64", fine=np.isfinite):
    """Check an array; a side is a name of a size, or None for any."""

    def check(value, sizes):
        if not isinstance(value, np.ndarray) or value.ndim != len(shape):
            return False
        if value.dtype != dtype or (fine and not fine(value).all()):
            return False
        sides = zip(shape, value.shape, strict=True)
        return all(side is None or sizes.setdefault(side, n) == n for side, n in sides)

    return check


def number(least=None):
    """Check a finite float, from `least`."""

    def check(value, sizes):
        fine = isinstance(value, float) and np.isfinite(value)
        return bool(fine and (least is None or value >= least))

    return check


def count(least=0, size=None):
    """Check a whole number from `least`; `size` is what it is the number of."""

    def check(value, sizes):
        if not isinstance(value, int | np.integer) or not least <= value < 2**31:
            return False
        return not isinstance(value, bool) and (
            size is None or sizes.setdefault(size, value) == value
        )

    return check


def words(*allowed):
    """Check a string, one of those allowed if any are named."""
    return lambda value, sizes: type(value) is str and (not allowed or value in allowed)


def listed(check):
    """Check each thing in a list."""
    return lambda value, sizes: (
        type(value) is list and all(check(each, sizes) for each in value)
    )


def named(check):
    """Check each value of a dict."""
    return lambda value, sizes: (
        type(value) is dict and all(check(each, sizes) for each in value.values())
    )


def either(*checks):
    """Pass what passes one of the checks."""
    return lambda value, sizes: any(check(value, sizes) for check in checks)


def nothing(value, sizes):
    """Check None."""
    return value is None


def flag(value, sizes):
    """Check a bool."""
    return type(value) is bool
