"""Spectra from files, as tables whose columns are named by the axis."""

import os
from typing import NamedTuple

from skspectra.cli._group import say

__all__ = ["Spectra", "read_files", "spectra_table"]

_OF_FILES = ["file", "position", "name", "unit", "format", "quantity"]


class Spectra(NamedTuple):
    """Rows of one or more files."""

    X: object  # DataFrame of channels
    x_axis: object  # ndarray, or None if their names are no numbers
    others: object  # DataFrame of what tells the rows apart, perhaps without columns


def read_files(paths, ignore=(), channels=None):
    """Return the spectra of files and folders on one axis.

    Where nothing in a table tells an axis, all numeric columns are channels, but for
    those to ignore; `channels` names them instead.
    """
    from skspectra.io import read_spectra

    if channels is not None or ignore:
        return _read_tables(paths, ignore, channels)
    try:
        X, x_axis, metadata = read_spectra(paths)
    except ValueError as error:
        if not all(map(os.path.isfile, paths)):
            raise
        try:
            return _read_tables(paths, (), None)
        except (OSError, ValueError):
            raise error from None
    return Spectra(spectra_table(X, x_axis, None), x_axis, _telling(metadata))


def _telling(metadata):
    """Return the columns that a reader of predictions knows the rows by."""
    own = metadata.drop(columns=_OF_FILES)
    front = ["file"] if metadata["file"].nunique() > 1 else []
    names = metadata["name"]
    if names.nunique() > 1 and not any(names.equals(own[each]) for each in own):
        front.append("name")
    return metadata[front].join(own)


def _read_tables(paths, ignore, channels):
    """Read tables as `compare` reads its own."""
    import pandas as pd

    from skspectra.io import read_table
    from skspectra.io._samples import _check_same_axis

    tables, others = [], []
    for path in paths:
        table = read_table(path, ignore=ignore, channels=channels)
        if not tables and channels is None and table.x_axis is None:
            channels = table.feature_names
            say(
                f"Note: no column name of {path} is a number, so {len(channels)} "
                f"numeric columns are the channels, from {channels[0]!r} to "
                f"{channels[-1]!r}."
            )
        if tables:
            _check_same_axis(table, path, tables[0], paths[0])
        tables.append(table)
        others.append(_other_columns(path, table.other_names))
    first = tables[0]
    parts = [spectra_table(t.data, first.x_axis, first.feature_names) for t in tables]
    X, others = (pd.concat(each, ignore_index=True) for each in (parts, others))
    return Spectra(X, first.x_axis, others)


def _other_columns(path, names):
    from skspectra.io._cells import load

    table = load(path)
    return table.cells.set_axis(table.names, axis=1)[names]


def spectra_table(X, x_axis, names):
    """Return spectra as a table, so that estimators know and compare the axis."""
    import pandas as pd

    return pd.DataFrame(X, columns=names if x_axis is None else x_axis)
