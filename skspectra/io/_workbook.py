"""Read the sheets of an Excel workbook as text, so that one reader serves both."""

import csv
from io import BytesIO, StringIO
from zipfile import BadZipFile, ZipFile

__all__ = ["OLD_WORKBOOK", "read_sheets"]

OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # of Excel before 2007
# A workbook is packed, and says in few bytes that a cell stands at the far corner.
_LARGEST, _MOST_CELLS = 2**30, 50_000_000


def read_sheets(path, data):
    """Return the sheets of a workbook that are not empty.

    Parameters
    ----------
    path : str or path
        What to call it in errors.
    data : bytes
        The whole file.

    Returns
    -------
    list of tuple
        Of the name of a sheet, and its cells as text separated by tabs, rows of equal
        length. Formulas are read as what Excel last computed.

    Raises
    ------
    ImportError
        If openpyxl is not installed.
    ValueError
        If it is another kind of archive, damaged, far larger than its cells need, or
        empty.
    """
    _check_archive(path, data)
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise ImportError(
            f"{path} is a workbook, which requires openpyxl. "
            "Install it with `pip install 'skspectra[files]'`."
        ) from error
    try:
        workbook = load_workbook(BytesIO(data), read_only=True, data_only=True)
        left = _MOST_CELLS
        sheets = []
        for sheet in workbook.worksheets:
            rows, left = _rows(path, sheet, left)
            sheets.append((sheet.title, rows))
    except ValueError as error:
        if str(error).startswith(f"{path} "):
            raise
        raise ValueError(f"{path} is a damaged workbook: {error}") from error
    except Exception as error:  # openpyxl meets damage with whatever comes up
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} is a damaged workbook: {reason}") from error
    sheets = [(title, _as_text(rows)) for title, rows in sheets if rows]
    if not sheets:
        raise ValueError(f"{path} is a workbook without a filled cell.")
    return sheets


def _check_archive(path, data):
    """Refuse what openpyxl cannot read, or should not unpack."""
    if data.startswith(OLD_WORKBOOK):
        raise ValueError(
            f"{path} is a workbook (.xls) or another document of the old Office "
            "format; save it as .xlsx or as CSV."
        )
    try:
        with ZipFile(BytesIO(data)) as archive:
            inside = {entry.filename: entry.file_size for entry in archive.infolist()}
    except (BadZipFile, ValueError, OSError) as error:
        raise ValueError(
            f"{path} is a workbook or an archive that is damaged ({error}); save it as "
            "CSV."
        ) from error
    if "xl/workbook.xml" not in inside:
        raise ValueError(
            f"{path} is an archive and no workbook of Excel (.xlsx); unpack it, or "
            "save it as CSV."
        )
    if sum(inside.values()) > _LARGEST:
        raise ValueError(f"{path} would unpack to more than 1 GiB; save it as CSV.")


def _rows(path, sheet, left):
    """Return the rows of a sheet as long as the longest, and how many cells are left.

    Empty rows count as a cell, for they are not in the file one by one.
    """
    sheet.reset_dimensions()  # what the file says of them need not be so
    rows = []
    for row in sheet.iter_rows(values_only=True):
        left -= len(row) + 1
        if left < 0:
            raise ValueError(f"{path} has more cells than a table of spectra needs.")
        filled = [i for i, cell in enumerate(row) if cell is not None and cell != ""]
        rows.append(row[: filled[-1] + 1] if filled else ())
    while rows and not rows[-1]:
        rows.pop()
    width = max(map(len, rows), default=0)
    if width * len(rows) > _MOST_CELLS:
        raise ValueError(f"{path} has more cells than a table of spectra needs.")
    return [(*row, *[None] * (width - len(row))) for row in rows], left


def _as_text(rows):
    text = StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(rows)
    return text.getvalue()
