"""Read spectra of any known format from files and folders into one table."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from skspectra._axes import unit_named
from skspectra._inputs import warn_caller
from skspectra._validation import StrOptions, validate_parameters
from skspectra.io._formats import read_file
from skspectra.io._join import join
from skspectra.io._paths import find_files
from skspectra.io._tables import ORIENTATIONS
from skspectra.io._units import CHANNEL, RAMAN
from skspectra.io._xrf import ElementTable, annotate

__all__ = ["read_spectra"]

_CONSTRAINTS = {
    "x_axis": ["array-like", None],
    "x_unit": [str, None],
    "orientation": [StrOptions(set(ORIENTATIONS))],
}


class Spectra(NamedTuple):
    """Spectra on one axis, and what is known of each; unpacks into these three."""

    X: np.ndarray
    x_axis: np.ndarray | None
    metadata: pd.DataFrame

    @property
    def unreadable(self):
        """List of (path, reason) of the files that were not read."""
        return [tuple(each) for each in self.metadata.attrs["unreadable"]]

    @property
    def x_unit(self):
        """Unit of the axis, None where no file tells it."""
        return self.metadata.attrs["x_unit"]


def read_spectra(paths, *, x_axis=None, x_unit=None, orientation="auto"):
    r"""Read spectra from files and folders into one table on one axis.

    CSV and other text, Excel, Parquet, JCAMP-DX, SPC (Galactic, Thermo), OPUS (Bruker),
    and spectra of Itrax and Avaatech core scanners. The format is told by what is in a
    file, not by its name. :doc:`/guide/files` says more of each.

    Parameters
    ----------
    paths : str, path or iterable of them
        Files; folders, with all that is below them; patterns as ``"run*/*.spc"``.
    x_axis : array-like of shape (n_channels,), default=None
        Positions to bring all spectra to, by straight lines between their channels;
        NaN beyond the range of a file. None takes the axis that all files have in
        common, to within a hundredth of its smallest step.
    x_unit : {"nm", "um", "cm-1", "eV", "keV"}, default=None
        Unit of `x_axis`, to which the axes of files are converted. A file that does not
        tell its unit is taken to be in that of the others, or in `x_unit` if none does.
        None leaves axes as they are, and refuses files in different units.
    orientation : {"auto", "rows", "columns"}, default="auto"
        Whether spectra are the rows of a table, below the axis, or its columns, beside
        it. "auto" looks where the axis is, and refuses to guess where it may be either.

    Returns
    -------
    spectra : tuple
        Unpacks as ``X, x_axis, metadata``.

        - X : ndarray of shape (n_samples, n_channels), NaN where a channel is missing
        - x_axis : ndarray of shape (n_channels,), strictly rising or falling; None if
          channels were named and have no positions
        - metadata : DataFrame with a row for each spectrum: ``file``, ``position`` in
          it, ``name``, ``unit`` of the file's axis, ``format``, ``quantity``, and what
          else the file tells of it: other columns of a table, or fields of the
          instrument. Columns of a table named like these get a "_" behind them.
        - unreadable : list of tuple, of a path and the reason why it was not read; also
          in ``metadata.attrs["unreadable"]``
        - x_unit : str or None, of `x_axis`; also in ``metadata.attrs["x_unit"]``

    Raises
    ------
    ImportError
        If nothing could be read because what reads it is not installed.
    OSError
        If the only file cannot be opened.
    ValueError
        If nothing could be read, with the reasons; if axes or units of files differ,
        and it was not said what to bring them to.

    Warns
    -----
    UserWarning
        If files were not read, or if files hold different quantities, as absorbance
        and transmittance.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skspectra.io import read_spectra
    >>> text = "nm;dry;wet\n850;0,61;0,83\n852,5;0,62;0,85\n855;0,60;0,86\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "leaf.csv")
    ...     _ = path.write_text(text)
    ...     X, x_axis, metadata = read_spectra(folder)
    >>> X.shape, x_axis
    ((2, 3), array([850. , 852.5, 855. ]))
    >>> metadata[["position", "name", "unit"]]
       position name unit
    0         0  dry   nm
    1         1  wet   nm
    """
    given = {"x_axis": x_axis, "x_unit": x_unit, "orientation": orientation}
    validate_parameters(_CONSTRAINTS, given, caller_name="read_spectra")
    if x_unit not in (None, CHANNEL, RAMAN):
        x_unit = unit_named(x_unit)
    files, unreadable = find_files(paths)
    parts, tables, errors = [], [], []
    for path in files:
        try:
            _check_no_sum(path, files)
            found = read_file(path, orientation)
        except (ImportError, OSError, ValueError) as error:
            errors.append(error)
            unreadable.append((str(path), _sentence(error)))
            continue
        if isinstance(found, ElementTable):
            tables.append(found)
        else:
            parts += found
            unreadable += [(p.path, reason) for p in found for reason in p.unread]
    for table in annotate(parts, tables):
        reason = f"{table.path} holds results of {table.program}, and no spectra."
        unreadable.append((table.path, reason))
    if not parts:
        raise _nothing_read(unreadable, errors)
    X, x_axis, metadata, outside = join(parts, x_axis, x_unit)
    unreadable += outside
    metadata.attrs["unreadable"] = unreadable
    metadata.attrs["x_unit"] = x_unit or _unit(metadata)
    _tell(unreadable, metadata)
    return Spectra(X, x_axis, metadata)


def _check_no_sum(path, files):
    """Leave out the sum of a scan, which Itrax puts beside the spectra of it."""
    if len(files) > 1 and path.name.lower() == "sumspectra.spe":
        raise ValueError(f"{path} is the sum of a scan, and no spectrum of it.")


def _unit(metadata):
    told = metadata["unit"].dropna()
    return None if told.empty else str(told.iloc[0])


def _sentence(error):
    if isinstance(error, OSError):
        return f"{error.filename} cannot be opened: {error.strerror}."
    return str(error)


def _nothing_read(unreadable, errors):
    """Return the error to raise where there is no spectrum."""
    if len(unreadable) == 1 and errors:
        return errors[0]
    if len(unreadable) == 1 and unreadable[0][1].endswith("does not exist."):
        return FileNotFoundError(unreadable[0][1])
    kind = ValueError
    if errors and all(isinstance(error, ImportError) for error in errors):
        kind = ImportError
    if not unreadable:
        return ValueError("No path was given.")
    reasons = " ".join(reason for _, reason in unreadable[:3])
    more = f" … and {len(unreadable) - 3} more." * (len(unreadable) > 3)
    return kind(f"None of {len(unreadable)} files could be read. {reasons}{more}")


def _tell(unreadable, metadata):
    """Warn of what was not read, and of values that do not go together."""
    if unreadable:
        n_read = metadata["file"].nunique()
        warn_caller(
            f"{len(unreadable)} files were not read, {n_read} were. `unreadable` lists "
            f"them. The first: {unreadable[0][1]}"
        )
    quantities = metadata["quantity"].dropna().astype(str).str.lower().unique()
    if len(quantities) > 1:
        found = ", ".join(sorted(quantities)[:5])
        warn_caller(
            f"The files hold different quantities: {found}. metadata['quantity'] tells "
            "which."
        )
