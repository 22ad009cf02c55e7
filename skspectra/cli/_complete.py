"""What Tab completes besides files and choices: the columns of the table."""

import csv
import os
import re

from click.shell_completion import CompletionItem

__all__ = ["complete_column"]


def complete_column(ctx, param, incomplete):
    """Return the columns of the TABLE given before that are no channels."""
    # Where the option has no value yet, click leaves the words before it unparsed.
    path = ctx.params.get("table") or next(iter(ctx.args), None)
    try:
        names = _columns(path)
    except (ImportError, OSError, TypeError, ValueError, csv.Error):
        return []  # no table yet, or none that can be read: nothing to offer
    return [
        CompletionItem(_escaped(name))
        for name in names
        if name.startswith(incomplete) and not _is_number(name)
    ]


def _escaped(name):
    """Return a name as bash wants it typed; zsh and fish see to that themselves."""
    if not os.environ.get("_SKSPECTRA_COMPLETE", "").startswith("bash"):
        return name
    words = os.environ.get("COMP_WORDS", "").removesuffix("\n")
    if re.search(r"\s['\"][^'\"]*$", words):
        return name  # within quotes that the user has opened
    # Two of them, because the `read` of click's script for bash takes one away.
    return re.sub(r"([^\w%+,./:=@-])", r"\\\\\1", name)


def _columns(path):
    """Return the names of the columns, without pandas, which would take a second."""
    with open(path, "rb") as file:
        start = file.read(4)
        if start == b"PAR1":
            from pyarrow.parquet import read_schema

            return read_schema(path).names
    marked = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    encoding = "utf-16" if marked else "utf-8-sig"
    with open(path, encoding=encoding, errors="replace", newline="") as file:
        first = file.readline()
    separator = next((mark for mark in "\t;" if mark in first), ",")
    return [name.strip() for name in next(csv.reader([first], delimiter=separator))]


def _is_number(name):
    try:
        float(name.replace(",", "."))
    except ValueError:
        return not name
    return True
