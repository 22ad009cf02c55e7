"""Read a table of spectra, one a row, and say where it is wrong."""

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype
from sklearn.utils import Bunch

from skspectra.io._cells import axis_position, load
from skspectra.io._units import as_float, axis_in_names

__all__ = ["find_channels", "read_table", "stack_columns"]

_SWAP = str.maketrans(",.", ".,")


def read_table(path, *, target=None, groups=None, ignore=(), channels=None):
    r"""Read spectra, and what is known of them, from a table with a header.

    The columns whose names are numbers hold the spectra; the numbers are the axis. If
    there are none, names with a unit (``850 nm``) or as R writes them (``X850``) are
    numbers too, unless they only count. If no name is a number, every numeric column
    that is not named otherwise holds a channel, and there is no axis.

    Parameters
    ----------
    path : str or path
        Parquet; a workbook of Excel, of which the first sheet is read; or text
        separated by tabs, semicolons or commas, which the first line decides. Unless
        separated by commas, text may have decimal commas.
    target : str, default=None
        Name of the column of reference values. An empty cell is no value.
    groups : str, default=None
        Name of the column that says what each row belongs to.
    ignore : sequence of str, default=()
        Names of columns that hold no channel. Those that are not there are fine.
    channels : sequence of str, default=None
        Names of the columns that hold the spectra; None finds them as said above.

    Returns
    -------
    table : Bunch
        - data : ndarray of shape (n_samples, n_channels), as the columns are ordered
        - target : ndarray of shape (n_samples,), NaN where there is no value; or None
        - groups : ndarray of shape (n_samples,), int or str; or None
        - x_axis : ndarray of shape (n_channels,), strictly rising or falling; None
          if the names of the channels are no numbers
        - feature_names : list of str, the names of the channels
        - other_names : list of str, the names of all other columns

    Raises
    ------
    ImportError
        If the table is Parquet and pyarrow is not installed, or a workbook and
        openpyxl is not.
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If a column is missing or not the only one of its name, rows differ in length,
        a cell is no number, a spectrum has a gap, the axis repeats a value or turns,
        or there are not two channels; with the place.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skspectra.io import read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "meat.csv")
    ...     _ = path.write_text("sample;850;852,5;fat\nA;2,61;2,62;22,5\nB;2,83;2,8;\n")
    ...     table = read_table(path, target="fat")
    >>> table.x_axis, table.target
    (array([850. , 852.5]), array([22.5,  nan]))
    """
    table = load(path)
    taken = {table.find(name) for name in (target, groups) if name is not None}
    left = {i for i, name in enumerate(table.names) if name not in set(ignore)} - taken
    at, x_axis = find_channels(table, left, channels)
    return Bunch(
        data=stack_columns(table, at),
        target=None if target is None else _values(table, table.find(target)),
        groups=None if groups is None else _groups(table, table.find(groups)),
        x_axis=x_axis,
        feature_names=[table.names[i] for i in at],
        other_names=[n for i, n in enumerate(table.names) if n and i not in set(at)],
    )


def find_channels(table, left, channels=None):
    """Return the positions of the channels among the columns `left`, and the axis."""
    if channels is not None:
        return [table.find(name) for name in channels], None
    names = {i: table.names[i] for i in sorted(left)}
    axis = {i: axis_position(name) for i, name in names.items()}
    if all(x is None for x in axis.values()):
        numbers, _ = axis_in_names(names)
        axis = {i: as_float(number) for i, number in (numbers or {}).items()}
    at = [i for i, x in axis.items() if x is not None]
    if at:
        x_axis = np.array([axis[i] for i in at])
        _check_axis(table, at, x_axis)
    else:
        at = [i for i in sorted(left) if table.names[i] and _mostly_numbers(table, i)]
        x_axis = None
    if len(at) < 2:
        found = f"only one, {table.names[at[0]]!r}" if at else "none"
        raise ValueError(
            f"{table.path} must have at least 2 numeric columns besides the target and "
            f"the groups, for the channels of the spectra. Got {found}."
        )
    return at, x_axis


def _check_axis(table, at, x_axis):
    """Refuse an axis with a repeated value, or one that turns."""
    first = {}
    for i, x in zip(at, x_axis, strict=True):
        if x in first:
            raise ValueError(
                f"{table.path} has two columns for the channel at {x:g}: "
                f"{table.names[first[x]]!r} and {table.names[i]!r}."
            )
        first[x] = i
    steps = np.diff(x_axis)
    turns = np.flatnonzero(np.sign(steps) != np.sign(x_axis[-1] - x_axis[0]))
    if len(turns):
        before, after = (table.names[at[turns[0] + k]] for k in (0, 1))
        raise ValueError(
            f"{table.path}: the names of the channels must rise or fall from the first "
            f"to the last, but {after!r} follows {before!r}."
        )


def _mostly_numbers(table, column):
    """Whether a column holds numbers, if need be with a slip among them."""
    known = _parsed(table, column).notna().mean()
    return known >= 0.5 and not is_bool_dtype(table.cells[column])


def _parsed(table, column):
    """Return a column as floats, NaN where a cell is empty or no number."""
    cells = table.cells[column]
    if not is_numeric_dtype(cells):
        cells = cells.astype("string").str.strip()
        # Dots in a column of decimal commas are no decimals: they become unreadable.
        cells = cells.str.translate(_SWAP) if table.decimal == "," else cells
    return pd.to_numeric(cells, errors="coerce").astype("float64")


def _values(table, column):
    """Return a column as floats, NaN where a cell is empty; refuse anything else."""
    cells, values = table.cells[column], _parsed(table, column)
    if not is_numeric_dtype(cells):
        filled = cells.astype("string").str.strip().fillna("") != ""
        wrong = values.isna() & filled
        if wrong.any():
            row = int(wrong.argmax())
            where = table.cell(row, column)
            raise ValueError(f"{where}: {str(cells[row])!r} is not a number.")
    values = values.to_numpy(dtype=np.float64)
    if np.isinf(values).any():
        where = table.cell(int(np.isinf(values).argmax()), column)
        raise ValueError(f"{where}: the value is infinite.")
    return values


def stack_columns(table, at, gaps_allowed=False):
    """Return the columns of the channels as float64, NaN in gaps where allowed."""
    data = np.column_stack([_values(table, column) for column in at])
    gaps = np.isnan(data)
    if gaps.any() and not gaps_allowed:
        row = int(gaps.any(axis=1).argmax())
        where = table.cell(row, at[int(gaps[row].argmax())])
        raise ValueError(
            f"{where} is empty, but a spectrum must have a value in every channel; "
            f"{gaps.any(axis=1).sum()} of {len(data)} spectra have gaps. Fill them "
            "in, or leave these rows or columns out."
        )
    return data


def _groups(table, column):
    """Return a column as labels that sort: whole numbers or words."""
    cells = table.cells[column]
    if cells.isna().any():
        where = table.cell(int(cells.isna().argmax()), column)
        raise ValueError(f"{where} is empty, but every row must have a group.")
    if is_integer_dtype(cells):
        return cells.to_numpy(dtype=np.int64)
    return cells.astype(str).to_numpy(dtype=str)
