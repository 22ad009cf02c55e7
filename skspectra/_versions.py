"""Versions of what is installed."""

import functools
import platform
from importlib.metadata import version

__all__ = ["installed"]


def installed(*packages: str) -> dict[str, str]:
    """Return the versions of Python and of packages, by name."""
    return {"python": platform.python_version()} | {p: _of(p) for p in packages}


@functools.cache  # to look one up takes as long as to predict a spectrum
def _of(package):
    return version(package)
