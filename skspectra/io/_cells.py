"""The cells of a table, as pandas understands them, and what to call their places."""

import csv
import re
from dataclasses import dataclass
from difflib import get_close_matches
from io import BytesIO, StringIO
from itertools import islice
from pathlib import Path

import pandas as pd

from skspectra.io._workbook import OLD_WORKBOOK, read_sheets

__all__ = ["Table", "axis_position", "decode", "load", "load_parquet", "load_text"]

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_FRACTION = re.compile(r"[-+]?\d*([.,])\d+([eE][-+]?\d+)?")
# Parquet may hold a value once and say how often: a small file, an endless table.
_LARGEST_TABLE, _PACKED = 2**30, 200  # bytes, and bytes for one in the file


@dataclass(frozen=True)
class Table:
    """Cells as pandas understood them, and what to call their places."""

    path: str
    names: list[str]
    cells: pd.DataFrame  # columns 0, 1, 2, …
    places: list[str]  # of the rows, as in "line 7"
    decimal: str = "."

    def find(self, name):
        """Return the position of the one column of that name."""
        at = [i for i, other in enumerate(self.names) if other == name]
        if not at:
            names = {other.lower(): other for other in self.names if other}
            near = get_close_matches(name.lower(), names, n=3, cutoff=0)
            near = ", ".join(repr(names[other]) for other in near)
            raise ValueError(f"{self.path} has no column {name!r}. Nearest: {near}.")
        if len(at) > 1:
            raise ValueError(f"{self.path} has {len(at)} columns named {name!r}.")
        return at[0]

    def cell(self, row, column):
        """Name a cell in an error message."""
        return f"{self.path}, {self.places[row]}, column {self.names[column]!r}"


def axis_position(name):
    """Return the position on the axis that a column name stands for, or None."""
    return float(name.replace(",", ".")) if _NUMBER.fullmatch(name) else None


def load(path):
    """Return the table of a file, whichever format its content shows.

    Of a workbook it is the first sheet that is not empty.
    """
    if Path(path).is_dir():
        raise IsADirectoryError(
            f"{path} is a folder, and a table is wanted, one spectrum a row. Read its "
            "files by skspectra.io.read_spectra, and write them as one table."
        )
    data = Path(path).read_bytes()
    if data.startswith(b"PAR1"):
        return load_parquet(path, data)
    if data.startswith((b"PK", OLD_WORKBOOK)):
        _, text = read_sheets(path, data)[0]
        return load_text(path, text, "\t", place="row")
    text = decode(data)
    if text is None:
        raise ValueError(
            f"{path} is neither text (CSV, TSV), nor a workbook (.xlsx), nor Parquet."
        )
    return load_text(path, text)


def decode(data):
    """Return the text of a file in one of the usual encodings; None if it is none."""
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return None if "\0" in text else text


def load_parquet(path, data, keep_index=False):
    """Return the table of a Parquet file."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            f"{path} is Parquet, which requires pyarrow. "
            "Install it with `pip install 'skspectra[parquet]'`."
        ) from error
    shape = parquet.read_metadata(BytesIO(data))
    size = 8 * shape.num_rows * shape.num_columns
    if size > max(_LARGEST_TABLE, _PACKED * len(data)):
        raise ValueError(
            f"{path} has {len(data)} bytes and would unpack to {size}, which no table "
            "of spectra does."
        )
    cells = pd.read_parquet(BytesIO(data))
    if keep_index and not isinstance(cells.index, pd.RangeIndex):
        cells = cells.rename_axis(index=lambda name: name or "name").reset_index()
    names = [str(name).strip() for name in cells.columns]
    cells = cells.set_axis(range(len(names)), axis=1).reset_index(drop=True)
    return Table(str(path), names, cells, [f"row {i}" for i in range(len(cells))])


def load_text(path, text, separator=None, place="line"):
    """Return the table of a text whose first line names the columns."""
    if separator is None:
        first = text.partition("\n")[0]
        separator = next((mark for mark in "\t;" if mark in first), ",")
    names, places = _outline(path, text, separator, place)
    decimal = "." if separator == "," else _decimal(text, separator)
    cells = pd.read_csv(
        StringIO(text),
        sep=separator,
        decimal=decimal,
        header=0,
        names=range(len(names)),
        index_col=False,
        skip_blank_lines=False,
        low_memory=False,
        float_precision="round_trip",
    )
    cells = cells.iloc[list(places)].reset_index(drop=True)
    return Table(str(path), names, cells, list(places.values()), decimal)


def _outline(path, text, separator, place):
    """Return the column names and the places of the rows that are not empty."""
    records = csv.reader(StringIO(text, newline=""), delimiter=separator)
    places = {}
    try:
        names = [name.strip() for name in next(records, [])]
        if not any(names):
            raise ValueError(f"{path}, {place} 1 is empty; it must name the columns.")
        for row, record in enumerate(records):
            if any(field.strip() for field in record):
                places[row] = f"{place} {records.line_num}"
                if len(record) != len(names):
                    above = len(record) > 2 * len(names)
                    hint = " Delete what stands above the table." if above else ""
                    raise ValueError(
                        f"{path}, {places[row]} has {len(record)} cells, but the first "
                        f"{place} names {len(names)} columns.{hint}"
                    )
    except csv.Error as error:
        raise ValueError(f"{path}, {place} {records.line_num}: {error}.") from error
    return names, places


def _decimal(text, separator):
    """Return the mark that most fractions of the first rows have."""
    records = islice(csv.reader(StringIO(text), delimiter=separator), 50)
    fractions = (_FRACTION.fullmatch(cell.strip()) for row in records for cell in row)
    marks = [fraction[1] for fraction in fractions if fraction]
    return "," if marks.count(",") > marks.count(".") else "."
