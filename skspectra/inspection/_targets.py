"""What rows are told apart by: one target with its name, in numbers or in classes."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import pandas as pd

from skspectra._drawing import COLOURS, DASHES, MARKERS
from skspectra._inputs import refuse_masked
from skspectra.inspection._axis import written

__all__ = [
    "Classes",
    "colour_map",
    "column_of",
    "find_classes",
    "numbers_of",
    "pick_column",
    "quantity",
    "style_of",
]

_MOST_CLASSES = len(COLOURS)
_OTHERS = {"color": "0.65", "marker": ".", "ls": "-"}


@dataclass
class Classes:
    """Which class each row belongs to.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Place of the row's class in `names`.
    names : list of str
        In the order of the key.
    styles : list of dict
        Colour, marker and dash of each.
    """

    codes: np.ndarray
    names: list[str]
    styles: list[dict]


def style_of(k):
    """Return colour, marker and dash of the k-th class or series."""
    k %= _MOST_CLASSES
    return {"color": COLOURS[k], "marker": MARKERS[k], "ls": DASHES[k]}


def quantity(name, unit):
    """Return what stands on an axis: a name and its unit, as far as known."""
    words = [] if name is None else [str(name)]
    return " ".join(words + ([] if unit is None else [f"({written(unit)})"]))


def column_of(names, n_columns, target, owner):
    """Return the number of the column that a target is in.

    Parameters
    ----------
    names : list or None
        Of the columns, where they have some.
    n_columns : int
        How many there are.
    target : int, str or None
        Number or name; None where there is only one.
    owner : str
        Whose parameter it is, for the message.

    Returns
    -------
    int
        From 0.

    Raises
    ------
    ValueError
        If there is no such column, or more than one and none is chosen.
    """
    if target is None and n_columns == 1:
        return 0
    if names is not None and target is not None and target in names:
        return names.index(target)
    number = isinstance(target, Integral) and not isinstance(target, bool)
    if number and 0 <= target < n_columns:
        return int(target)
    allowed = list(range(n_columns)) if names is None else names
    raise ValueError(
        f"The 'target' parameter of {owner} must be one of the {n_columns} columns of "
        f"y, {allowed}. Got {target!r} instead: pass target=, one of these."
    )


def pick_column(y, target, owner, name="y"):
    """Return one column of reference values or classes, with its name.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        What the user passed.
    target : int, str or None
        Which column.
    owner : str
        Whose parameter it is, for the message.
    name : str, default="y"
        What y is called, for the message.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        The column, of any dtype.
    number : int
        Which one it is.
    name : str or None
        The name that a Series or a column of a frame has, if it is a word.

    Raises
    ------
    ValueError
        If there is no such column, or y is no list and no table.
    """
    refuse_masked(y, name)
    values = np.asarray(y)
    if values.ndim not in (1, 2):
        raise ValueError(
            f"{name} of {owner} must be a list or a table, with a row for each "
            f"spectrum. Got an array of shape {values.shape} instead."
        )
    values = values.reshape(len(values), -1)
    columns = getattr(y, "columns", None)
    columns = None if columns is None else list(columns)
    number = column_of(columns, values.shape[1], target, owner)
    called = getattr(y, "name", None) if columns is None else columns[number]
    return values[:, number], number, called if isinstance(called, str) else None


def numbers_of(values):
    """Return values as floats where they are quantities, else None.

    Quantities are floats, and whole numbers of which there are many. A few whole
    numbers, words and booleans are classes.
    """
    if values.dtype.kind == "O" and _are_numbers(values):
        values = np.where(pd.isna(values), np.nan, values).astype(np.float64)
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    many = values.dtype.kind in "iu" and len(np.unique(values)) > _MOST_CLASSES
    return values.astype(np.float64) if many else None


def _are_numbers(values):
    known = values[~pd.isna(values)]
    return all(isinstance(v, Real) and not isinstance(v, bool) for v in known)


def find_classes(values):
    """Tell the classes of rows, the many small ones put together.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Words, numbers or booleans; None and NaN for what is not known.

    Returns
    -------
    Classes
        At most 7 of them, in sorted order. Of more, the 6 that have most rows keep
        their names; what is not known comes last.
    """
    codes, names = pd.factorize(np.asarray(values), sort=True)
    names, styles = [str(name) for name in names], []
    if len(names) > _MOST_CLASSES:
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        kept = np.sort(np.argsort(-counts, kind="stable")[: _MOST_CLASSES - 1])
        place = np.full(len(names), len(kept))
        place[kept] = np.arange(len(kept))
        others = f"{len(names) - len(kept)} others"
        codes = np.where(codes < 0, codes, place[codes])
        names, styles = [*(names[k] for k in kept), others], [_OTHERS]
    styles = [style_of(k) for k in range(len(names) - len(styles))] + styles
    if (codes < 0).any():
        codes = np.where(codes < 0, len(names), codes)
        names, styles = [*names, "not known"], [*styles, _OTHERS]
    return Classes(codes, names, styles)


def colour_map():
    """Return dark blue to green to yellow, without the yellow that white swallows."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    viridis = matplotlib.colormaps["viridis"]
    return ListedColormap(viridis(np.linspace(0, 0.93, 256)), name="viridis_to_yellow")
