"""Spectra in tables: rows or columns of text, workbooks and Parquet."""

import numpy as np
import pandas as pd

from skspectra.io._cells import Table, load_parquet, load_text
from skspectra.io._layout import find_layout, first_cell, is_number, split
from skspectra.io._part import Part
from skspectra.io._table import find_channels, stack_columns
from skspectra.io._units import (
    as_float,
    axis_in_names,
    is_count,
    is_monotone,
    names_axis,
    unit_in,
)
from skspectra.io._workbook import read_sheets

__all__ = ["ORIENTATIONS", "read_parquet", "read_text", "read_workbook"]

ORIENTATIONS = ("auto", "rows", "columns")
# The first column of a table of columns may also be one of these, and is no axis then.
_NO_AXIS = {"sample", "id", "no", "nr", "number", "index", "row", "name", "depth"}
_NO_AXIS |= {"time", "position", "date", "core", "label", "class", "group", "target"}
_NO_AXIS |= {"y", "site", "plot", "year", "day"}
_NAMES = ("name", "sample", "sample_name", "sample name", "sample id", "id")
_FEWEST_POSITIONS = 8  # of a column that is an axis without saying so


def read_text(path, text, orientation, format_name="text"):
    """Return the spectra of a text, in a list of one `Part`."""
    lines = text.splitlines()
    layout = find_layout(lines)
    if layout is None:
        raise ValueError(f"{path} holds no table of numbers.")
    mark = layout.separator
    body, names = lines[layout.first : layout.last], layout.names
    offset = layout.first + 1
    if names is None:
        head = split(body[0], mark)
        if _is_header(head, [first_cell(line, mark) for line in body[1:]]):
            names, body, offset = head, body[1:], offset + 1
        else:
            names = [str(i) if i else "" for i in range(len(head))]
            head = None
    else:
        head = names
    table = _load(path, body, names, mark, offset)
    part = _spectra(table, orientation, head is not None, layout.unit)
    fields = {"format": format_name} | layout.fields
    part.fields = fields | part.fields
    return [part]


def read_workbook(path, data, orientation):
    """Return the spectra of each sheet that holds some, and why others hold none."""
    parts, reasons = [], []
    for title, text in read_sheets(path, data):
        try:
            (part,) = read_text(path, text, orientation, "Excel")
            part.fields["sheet"] = title
            parts.append(part)
        except ValueError as error:
            reasons.append(f"{path}, sheet {title!r}: {error}")
    if not parts:
        raise ValueError(" ".join(reasons))
    parts[0].unread = reasons
    return parts


def read_parquet(path, data, orientation):
    """Return the spectra of a Parquet file, in a list of one `Part`."""
    try:
        table = load_parquet(path, data, keep_index=True)
    except (OSError, ValueError) as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} is a damaged Parquet file: {error}") from error
    part = _spectra(table, orientation, True, None)
    part.fields = {"format": "Parquet"} | part.fields
    return [part]


def _is_header(cells, column):
    """Whether the first row of numbers is rather an axis, and not one of the rows."""
    numbers = [as_float(cell) for cell in cells if is_number(cell)]
    if not is_number(cells[0]) and len(numbers) >= 2:
        return True
    if len(numbers) < 2 or not is_monotone(numbers):
        return False
    if len(numbers) < len(cells) or not all(map(is_number, column)):
        return True
    # Numbers only: what lies beside the table is its axis, or what lies above.
    beside = [as_float(cell) for cell in (cells[0], *column)]
    return len(cells) > len(beside) or not is_monotone(beside)


def _load(path, body, names, mark, offset):
    """Return the rows of a text as a table."""
    if mark == " ":
        body, mark = ["\t".join(line.split()) for line in body], "\t"
    header = mark.join(f'"{i}"' for i in range(len(names)))
    table = load_text(path, "\n".join([header, *body]), mark)
    # The header stands in line 1 of that text, the first row in line 2.
    rows = [int(place.removeprefix("line ")) for place in table.places]
    places = [f"line {row - 2 + offset}" for row in rows]
    return Table(str(path), list(names), table.cells, places, table.decimal)


def _spectra(table, orientation, named, unit):
    """Return what a table holds, whichever way it lies."""
    table = _without_empty_columns(table)
    axis_names, axis_unit = _axis_in_names(table, named)
    if orientation == "auto":
        orientation = _orientation(table, named, axis_names)
    if orientation == "columns":
        return _from_columns(table, unit)
    if axis_names is not None:
        numbers = [axis_names.get(i, name) for i, name in enumerate(table.names)]
        numbers = Table(table.path, numbers, table.cells, table.places, table.decimal)
        unit = axis_unit or unit
    else:
        numbers = table
    return _from_rows(table, numbers, unit)


def _without_empty_columns(table):
    """Leave out columns without name and value, as a mark at the ends makes them."""
    kept = [
        i
        for i, name in enumerate(table.names)
        if (name and name != str(i)) or table.cells[i].notna().any()
    ]
    cells = table.cells[kept].set_axis(range(len(kept)), axis=1)
    names = [table.names[i] for i in kept]
    return Table(table.path, names, cells, table.places, table.decimal)


def _axis_in_names(table, named):
    """Return the numbers in the names of channels, by column, and their unit."""
    if not named:
        return None, None
    return axis_in_names(dict(enumerate(table.names)))


def _orientation(table, named, axis_names):
    """Tell which way a table lies, or refuse to guess."""
    label = table.names[0] if named else ""
    first = _column(table, 0)
    columns = len(first) >= 3 and not np.isnan(first).any() and is_monotone(first)
    rows = axis_names is not None
    if rows and len(table.names) == 2:
        rows = not columns  # two numbers always rise or fall
    if rows and 0 in axis_names:
        columns = False  # it is the first channel
    says_axis = names_axis(label)
    says_other = label.strip().lower().rstrip(".:#") in _NO_AXIS
    if columns and not rows and not says_axis:
        # Counts may number the rows; beside a single column without a name they do not.
        counts = is_count(first) and (label or len(table.names) > 2)
        if says_other or counts or len(first) < _FEWEST_POSITIONS:
            raise _ambiguous(table, "its first column may be an axis, or only a number")
    if rows and columns:
        counted = is_count(first), is_count([as_float(n) for n in axis_names.values()])
        if counted[0] != counted[1]:
            rows, columns = counted
        elif says_axis != says_other:
            rows, columns = says_other, says_axis
        else:
            raise _ambiguous(table, "names of columns and first column may both be one")
    if not rows and not columns:
        if sum(map(is_number, table.names)) >= 2 and named:
            find_channels(table, range(len(table.names)))  # says what is wrong there
        raise _ambiguous(table, "no names of columns and no first column are one")
    return "rows" if rows else "columns"


def _ambiguous(table, why):
    return ValueError(
        f"{table.path} does not tell where the axis of its spectra is: {why}. "
        "orientation='rows' takes each row as a spectrum, orientation='columns' each "
        "column behind the first, which is the axis then."
    )


def _from_rows(table, numbers, unit):
    """Return the rows of a table as spectra, all other columns as fields."""
    at, x_axis = find_channels(numbers, range(len(numbers.names)))
    X = stack_columns(numbers, at, gaps_allowed=True)
    others = [i for i in range(len(table.names)) if i not in set(at)]
    fields = {
        table.names[i] or f"column {i}": list(table.cells[i].astype(object))
        for i in others
    }
    text = [i for i in others if not pd.api.types.is_numeric_dtype(table.cells[i])]
    named = [i for i in others if table.names[i].lower() in _NAMES] or text
    if named:
        fields["name"] = list(table.cells[named[0]].astype(object))
    if x_axis is None:
        fields["channels"] = ", ".join(table.names[i] for i in at)
    else:
        unit = unit or (unit_in(table.names[0]) if 0 in others else None)
    return _checked(table, X, x_axis, unit, fields)


def _from_columns(table, unit):
    """Return the columns behind the first as spectra, the first as their axis."""
    x_axis = stack_columns(table, [0], gaps_allowed=True)[:, 0]
    if np.isnan(x_axis).any() or not is_monotone(x_axis):
        wrong = np.isnan(x_axis)
        turns = np.sign(np.diff(x_axis)) != np.sign(x_axis[-1] - x_axis[0])
        row = int(wrong.argmax()) if wrong.any() else int(turns.argmax()) + 1
        raise ValueError(
            f"{table.cell(row, 0)}: the axis must rise or fall from the first row to "
            "the last, without a gap."
        )
    columns = range(1, len(table.names))
    at = [i for i in columns if 2 * np.isfinite(_column(table, i)).sum() >= len(x_axis)]
    X = stack_columns(table, at, gaps_allowed=True).T if at else np.empty((0, 0))
    repeats = [np.array_equal(row, x_axis) for row in X]  # as x, y, x, y, … have it
    keep = [i for i, again in enumerate(repeats) if not again]
    if not keep:
        raise ValueError(
            f"{table.path} has an axis, but no column of values behind it."
        )
    names = [table.names[at[i]] for i in keep]
    fields = {"name": names if len(names) > 1 and all(names) else None}
    return _checked(table, X[keep], x_axis, unit or unit_in(table.names[0]), fields)


def _checked(table, X, x_axis, unit, fields):
    try:
        return Part(X, x_axis, unit, fields)
    except ValueError as error:
        raise ValueError(f"{table.path}: {error}.") from error


def _column(table, column):
    """Return a column as floats, NaN where a cell is no number."""
    cells = table.cells[column]
    if not pd.api.types.is_numeric_dtype(cells):
        cells = cells.astype("string").str.strip()
        if table.decimal == ",":
            cells = cells.str.replace(",", ".")
    return pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)
