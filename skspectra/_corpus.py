"""Spectra that are read by rows, from wherever they lie: a corpus larger than memory.

What slices by rows will do: memory maps, arrays of zarr, h5py and dask, tables of the
package datasets. None of these packages is imported.
"""

import contextlib
import mmap

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from skspectra._inputs import check_spectra, forget_fit, refuse_masked
from skspectra._row_blocks import RowBlocks, is_small

# Blocks of a part, 1 MiB each.
_IN_PART = 16

__all__ = ["Corpus", "as_table", "blocks_of", "check_corpus", "in_parts", "is_corpus"]


def is_corpus(X):
    """Whether X has to be read by rows.

    Parameters
    ----------
    X : object
        What the user passed.

    Returns
    -------
    bool
        False for what is in memory: arrays, tables, sequences.
    """
    shape = getattr(X, "shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2:
        return False
    if isinstance(X, np.ndarray):
        return isinstance(X, np.memmap)
    if issparse(X) or hasattr(X, "dtypes") or not hasattr(X, "__getitem__"):
        return False
    if hasattr(X, "chunks") or hasattr(X, "column_names"):
        return True
    return not hasattr(X, "__array__")


class Corpus:
    """Spectra of which slices of rows are read, and checked as they are.

    Parameters
    ----------
    X : object
        Two-dimensional, with `shape`, and rows by slices: arrays, or dicts and tables
        of columns as those of `datasets` and pyarrow. There a column of lists holds
        whole spectra.
    allow_gaps : bool, default=True
        Whether NaN, None and NA stand for channels that are missing. They become NaN.

    Attributes
    ----------
    shape : tuple (n_samples, n_channels)
        Of the spectra.
    n_in_chunk : int
        Number of rows that the store gives out as a whole.

    Raises
    ------
    ValueError
        If the number of rows is not known.
    """

    def __init__(self, X, allow_gaps=True):
        self.allow_gaps = allow_gaps
        # Tables of `datasets` give numbers as lists of Python otherwise.
        as_columns = hasattr(X, "column_names")
        self.X = _as_arrow(X) if hasattr(X, "with_format") else X
        self.names = list(self.X.column_names) if as_columns else None
        n_samples, n_columns = X.shape
        if not float(n_samples).is_integer():  # of dask, where it is not computed
            raise ValueError(
                "X must know its number of rows. Got an array of unknown length: call "
                "its compute_chunk_sizes() first."
            )
        self.n_in_chunk = _n_in_chunk(X)
        self.shape = int(n_samples), int(n_columns)
        if as_columns and n_samples:
            self.shape = self.shape[0], self._values(slice(0, 1)).shape[1]
            if self.shape[1] != len(self.names):
                self.names = None

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return a slice of rows, float32 if they are kept so and float64 else.

        Raises
        ------
        ValueError
            If one holds what is no number, or infinity, or NaN without `allow_gaps`.
        """
        start, stop, step = rows.indices(len(self))
        if step != 1:
            every = [self[row : row + 1] for row in range(start, stop, step)]
            return np.concatenate(every)
        with _saying_rows(start, stop):
            values = self._values(slice(start, stop))
        if values.ndim != 2 or values.shape != (stop - start, self.shape[1]):
            raise ValueError(
                f"X must give {self.shape[1]} channels for each row. Got an array of "
                f"shape {values.shape} for rows {start} to {stop - 1}."
            )
        values = _as_numbers(values, start)
        wrong = np.isinf(values) if self.allow_gaps else ~np.isfinite(values)
        if wrong.any():
            row, channel = np.argwhere(wrong)[0]
            what = "NaN" if np.isnan(values[row, channel]) else "infinity"
            raise ValueError(
                f"Input X contains {what}: the first in row {start + row}, channel "
                f"{channel}. Leave this spectrum out."
            )
        return values

    def head(self):
        """Return the first rows as a table, with the names of columns if they have."""
        return self._named(self[:2])

    def whole(self):
        """Return all rows as a table in memory."""
        return self._named(self[:])

    def _named(self, values):
        if self.names is None:
            return values
        return pd.DataFrame(values, columns=self.names)

    def _values(self, rows):
        """Return rows as they are kept, in memory of their own."""
        found = self.X[rows]
        if hasattr(found, "column_names"):  # a table of pyarrow
            columns = [_column(found[name], rows.start) for name in found.column_names]
            return np.concatenate(columns, axis=1)
        if isinstance(found, dict):
            columns = [np.asarray(column) for column in found.values()]
            return np.concatenate([c.reshape(len(c), -1) for c in columns], axis=1)
        refuse_masked(found, "X")
        if not isinstance(found, np.memmap):
            return np.asarray(found)
        values = np.array(found)
        _forget_pages(self.X)
        return values


def check_corpus(estimator, X, *, reset=False, allow_gaps=False, **options):
    """Return spectra, those that are too many for memory as a Corpus.

    Of a Corpus the first rows are checked here, the others when they are read.

    Parameters
    ----------
    estimator, X, reset, allow_gaps, **options
        As in :func:`check_spectra`.

    Returns
    -------
    ndarray or Corpus of shape (n_samples, n_channels)
        The spectra.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_spectra` and :class:`Corpus` do.
    """
    options |= {"reset": reset, "allow_gaps": allow_gaps}
    if reset:
        forget_fit(estimator)
    _refuse_other_kinds(X)
    if not is_corpus(X):
        return check_spectra(estimator, X, **options)
    corpus = Corpus(X, allow_gaps)
    if is_small(*corpus.shape):
        return check_spectra(estimator, corpus.whole(), **options)
    check_spectra(estimator, corpus.head(), **options)
    return corpus


def as_table(X):
    """Return what tells the columns of X: its first rows, of what is in memory itself.

    Parameters
    ----------
    X : object
        What the user passed.

    Returns
    -------
    object
        An array or a table.
    """
    return Corpus(X).head() if is_corpus(X) else X


def blocks_of(X):
    """Return the blocks of rows that spectra are read in.

    Parameters
    ----------
    X : ndarray or Corpus of shape (n_samples, n_channels)
        Spectra.

    Returns
    -------
    RowBlocks
        Which rows are of one block.
    """
    return RowBlocks(*X.shape, getattr(X, "n_in_chunk", 1))


def in_parts(X):
    """Yield spectra in parts, for work that takes more memory than they do.

    Parameters
    ----------
    X : ndarray or Corpus of shape (n_samples, n_channels)
        Spectra.

    Yields
    ------
    X : ndarray of shape (n_rows, n_channels)
        Some rows.
    first_row : int
        The number of their first.
    """
    for rows in blocks_of(X).slices(n_blocks=_IN_PART):
        yield X[rows], rows.start


def _refuse_other_kinds(X):
    """Refuse folders of tables, and streams, which have no rows by number."""
    if isinstance(getattr(X, "shape", None), tuple):
        return
    kind = type(X).__name__
    if callable(getattr(X, "keys", None)):
        names = list(X.keys())
        one = f", such as X[{names[0]!r}]" if names else ""
        raise TypeError(
            f"X must be one table of spectra. Got a {kind} of {len(names)}: pass one "
            f"of them{one}."
        )
    if hasattr(X, "column_names"):
        raise TypeError(
            f"X must give rows by their numbers. Got a stream ({kind}): load it as a "
            "table, with streaming=False."
        )


def _n_in_chunk(X):
    """Return how many rows a store keeps together, 1 if it does not say."""
    chunks = getattr(X, "chunks", None)
    if not chunks:
        return 1
    return max(chunks[0]) if isinstance(chunks[0], tuple) else int(chunks[0])


def _as_arrow(X):
    """Return a table of `datasets` that gives what its format tells, as arrays."""
    if X.format["type"] == "custom":  # a transform of the user's
        return X
    return X.select_columns(X.format["columns"]).with_format("arrow")


def _column(column, first_row):
    """Return a column of pyarrow as (n_samples, 1), or one of lists as it stands."""
    column = column.combine_chunks()
    if not hasattr(column, "flatten") or not hasattr(column, "value_lengths"):
        return column.to_numpy(zero_copy_only=False)[:, None]
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    unlike = lengths != lengths[0]
    if unlike.any():
        raise ValueError(
            "X must have spectra of one length. Got "
            f"{lengths[0]} channels in row {first_row} and {lengths[unlike][0]} in row "
            f"{first_row + unlike.argmax()}."
        )
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _as_numbers(values, first_row):
    """Return floats as they are and other numbers in float64, or name what is none."""
    if values.dtype in (np.float32, np.float64):
        return values
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    if values.dtype.kind == "c":
        raise ValueError(
            f"X must hold real numbers. Got {values.dtype}: pass their magnitudes or "
            "their real parts."
        )
    for row, spectrum in enumerate(values, first_row):
        for channel, value in enumerate(spectrum):
            no_number = isinstance(value, str | bytes | complex)
            if no_number or not (pd.isna(value) or np.isreal(value)):
                raise ValueError(
                    f"X must hold numbers. Got {value!r} in row {row}, channel "
                    f"{channel}. Leave out this spectrum, or what is no channel."
                )
    return np.where(pd.isna(values), np.nan, values).astype(np.float64)


@contextlib.contextmanager
def _saying_rows(start, stop):
    """Note of which rows it was that something failed."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This happened when rows {start} to {stop - 1} of X were read.")
        raise


def _forget_pages(X):
    """Give back the memory of a map: what was read of the file counts as used, else.

    Not of private ones, of which written pages would be lost.
    """
    if X.mode == "c" or not hasattr(mmap, "MADV_DONTNEED"):
        return
    while X is not None and not isinstance(X, mmap.mmap):
        X = getattr(X, "base", None)
    if X is not None:
        X.madvise(mmap.MADV_DONTNEED)
