"""Spectra from files, as tables whose columns are named by the axis."""

from typing import NamedTuple

__all__ = ["Spectra", "read_files", "spectra_table"]


class Spectra(NamedTuple):
    """Rows of one or more files."""

    X: object  # DataFrame of channels
    x_axis: object  # ndarray, or None if their names are no numbers
    others: object  # DataFrame of all other columns


def read_files(paths, ignore=(), channels=None):
    """Return the spectra of files on one axis, and what else is known of them."""
    import pandas as pd

    from skspectra.io import read_table
    from skspectra.io._cells import load
    from skspectra.io._samples import _check_same_axis

    tables = []
    for path in paths:
        table = read_table(path, ignore=ignore, channels=channels)
        if tables:
            _check_same_axis(table, path, tables[0], paths[0])
            channels = table.feature_names if table.x_axis is None else None
        tables.append(table)
    parts = [spectra_table(t.data, tables[0].x_axis, t.feature_names) for t in tables]
    cells = [load(path) for path in paths]
    others = [
        each.cells.set_axis(each.names, axis=1)[table.other_names]
        for each, table in zip(cells, tables, strict=True)
    ]
    X, others = (pd.concat(each, ignore_index=True) for each in (parts, others))
    return Spectra(X, tables[0].x_axis, others)


def spectra_table(X, x_axis, names):
    """Return spectra as a table, so that estimators know and compare the axis."""
    import pandas as pd

    return pd.DataFrame(X, columns=names if x_axis is None else x_axis)
