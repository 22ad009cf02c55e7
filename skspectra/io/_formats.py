"""Tell the format of a file from what is in it, and read it."""

from pathlib import Path

from skspectra.io._cells import decode
from skspectra.io._jcamp import is_jcamp, read_jcamp
from skspectra.io._opus import is_opus, read_opus
from skspectra.io._spc import is_spc, read_spc
from skspectra.io._tables import read_parquet, read_text, read_workbook
from skspectra.io._workbook import OLD_WORKBOOK
from skspectra.io._xrf import (
    ElementTable,
    is_element_table,
    is_itrax,
    is_spe,
    read_element_table,
    read_itrax,
    read_spe,
)

__all__ = ["read_file"]

_LARGEST = 2**32  # bytes
_TEXTS = [
    (is_jcamp, read_jcamp),
    (is_itrax, read_itrax),
    (is_spe, read_spe),
    (is_element_table, read_element_table),
]


def read_file(path, orientation="auto"):
    """Return what a file holds, whichever format its content shows.

    Parameters
    ----------
    path : path
        Of a file.
    orientation : {"auto", "rows", "columns"}, default="auto"
        How tables lie.

    Returns
    -------
    list of Part, or ElementTable
        The spectra; or what an evaluation tells of spectra in other files.

    Raises
    ------
    ImportError
        If what reads it is not installed.
    OSError
        If it cannot be opened.
    ValueError
        For any other reason, which begins with the path.
    """
    try:
        found = _read(path, orientation)
    except (ImportError, OSError):
        raise
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}: {str(error).rstrip('.')}.") from error
    except Exception as error:  # whatever damage a reader did not foresee
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{path} is damaged, or no file of spectra: {reason}."
        ) from error
    if not isinstance(found, ElementTable):
        for part in found:
            part.path = str(path)
    return found


def _read(path, orientation):
    size = Path(path).stat().st_size
    if size == 0:
        raise ValueError(f"{path} is empty.")
    with open(path, "rb") as file:
        head = file.read(4096)
        _check_known(path, head)
        if size > _LARGEST:
            raise ValueError(f"{path} has {size} bytes; files of up to 4 GiB are read.")
        data = head + file.read()
    if data.startswith(b"PAR1"):
        return read_parquet(path, data, orientation)
    if data.startswith((b"PK", OLD_WORKBOOK)):
        return read_workbook(path, data, orientation)
    if is_opus(data):
        return read_opus(path, data)
    if is_spc(data):
        return read_spc(path, data)
    text = decode(data)
    if text is None:
        raise ValueError(_unknown(path))
    for is_it, read in _TEXTS:
        if is_it(text):
            return read(path, text)
    return read_text(path, text, orientation)


def _check_known(path, head):
    """Refuse what is no text and of no known format, before all of it is read."""
    known = head.startswith((b"PAR1", b"PK", OLD_WORKBOOK, b"\xff\xfe", b"\xfe\xff"))
    if not known and not is_opus(head) and not is_spc(head) and b"\0" in head:
        raise ValueError(_unknown(path))


def _unknown(path):
    suffix = Path(path).suffix
    if suffix.lower() == ".spc":
        return f"{path} is named as an SPC file, but does not begin as one."
    return f"{path} is neither text nor a file of spectra that is known by its content."
