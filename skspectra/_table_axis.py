"""The axis that column names tell, and what is said of a table on another one."""

from numbers import Real

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skspectra._axes import convert_axis

__all__ = [
    "axis_names",
    "axis_of",
    "check_columns",
    "check_fitted_columns",
    "column_axis",
    "is_sorted",
    "known_axis",
    "same_axis",
    "unit_hint",
]

# Positions this close, in smallest steps of the axis, are the same.
_SAME = 0.01
_LIKELY_UNITS = (("nm", "cm-1"), ("um", "cm-1"), ("nm", "um"), ("eV", "keV"))


def column_axis(X):
    """Return the axis that the column names of a table tell, or None.

    Parameters
    ----------
    X : object
        What the user passed.

    Returns
    -------
    ndarray or None
        The names, where all of them are numbers, or strings that are numbers through
        and through, as files have them ("1100.5"). None where they are 0, 1, 2, …,
        which pandas counts by itself, or X has no columns.
    """
    axis = _numeric_names(X)
    return axis if axis is not None and np.isfinite(axis).all() else None


def _numeric_names(X):
    names = getattr(X, "columns", ())
    # A spectrum is predicted in milliseconds, and may have thousands of names.
    names = names.tolist() if hasattr(names, "tolist") else list(names)
    kinds = set(map(type, names))
    numbers = all(issubclass(kind, Real) for kind in kinds)
    words = all(issubclass(kind, str) for kind in kinds)
    if not names or not (numbers or words) or (words and "_" in "".join(names)):
        return None
    try:
        axis = np.array([float(name) for name in names])
    except ValueError:
        return None
    return None if np.array_equal(axis, np.arange(len(axis))) else axis


def axis_names(axis):
    """Return positions as names of columns, as short as they can be told apart.

    Parameters
    ----------
    axis : ndarray of shape (n_channels,)
        Positions.

    Returns
    -------
    ndarray of str of shape (n_channels,)
        Such as "1100" and "1100.5"; of dtype object.
    """
    names = [np.format_float_positional(x, trim="-") for x in axis]
    return np.array(names, dtype=object)


def is_sorted(axis):
    """Return whether positions rise or fall strictly.

    Parameters
    ----------
    axis : ndarray of shape (n_channels,)
        Positions.

    Returns
    -------
    bool
        True also for a single one.
    """
    steps = np.diff(axis)
    return bool((steps > 0).all() or (steps < 0).all())


def known_axis(estimator):
    """Return the axis that the tables of a fitted estimator lie on, or None.

    Parameters
    ----------
    estimator : estimator
        Fitted.

    Returns
    -------
    ndarray of shape (n_channels,) or None
        Its `x_axis_`.
    """
    axis = getattr(estimator, "x_axis_", None)
    # Files written before every estimator had an `x_axis_` hold this.
    return getattr(estimator, "_column_axis", None) if axis is None else axis


def axis_of(estimator, axis=None):
    """Return the axis of the spectra that reach the last step of a pipeline, or None.

    Arrays between the steps carry none, so it is looked for in front of them: in what
    an earlier step knows, or in the column names of the table, as far as the steps
    between change neither number nor order of the channels.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted; one that is no pipeline is its own last step.
    axis : ndarray, default=None
        That of the table that goes into the first step, if it is known.

    Returns
    -------
    ndarray of shape (n_channels,) or None
        Strictly rising or falling.
    """
    if isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    *steps, last = (
        [step for _, step in estimator.steps if step not in (None, "passthrough")]
        if isinstance(estimator, Pipeline)
        else [estimator]
    )
    for step in steps:
        step = step.estimator if isinstance(step, FrozenEstimator) else step
        if hasattr(step, "source_axis_"):  # its x_axis_ is that of what comes out
            axis = step.x_axis_
        elif isinstance(step, OneToOneFeatureMixin):
            axis = known_axis(step) if known_axis(step) is not None else axis
        else:
            axis = None
    last = last.estimator if isinstance(last, FrozenEstimator) else last
    own = known_axis(last)
    if own is None:  # an older file
        own = known_axis(getattr(last, "pretrainer_", None))
    axis = axis if own is None else own
    fits = axis is not None and is_sorted(axis)
    return axis if fits and len(axis) == last.n_features_in_ else None


def check_columns(X, x_axis, owner):
    """Refuse a table whose numeric column names are not the fitted axis.

    scikit-learn compares names that are words. Wavelengths are numbers, and a
    reversed or shifted instrument would be predicted without a word.

    Parameters
    ----------
    X : object
        What the user passed; only tables with named columns are looked at.
    x_axis : ndarray of shape (n_channels,) or None
        The fitted axis; nothing is checked without one.
    owner : str
        Name of the estimator, for the message.

    Raises
    ------
    ValueError
        If the names are numbers and differ from the axis by more than a
        hundredth of its smallest step.
    """
    columns = None if x_axis is None else _numeric_names(X)
    if columns is None or same_axis(columns, x_axis):
        return
    n_columns, n_channels = "", ""
    if len(columns) != len(x_axis):
        n_columns, n_channels = f"{len(columns)} ", f"{len(x_axis)} channels of the "
    raise ValueError(
        f"The {n_columns}columns of X run from {_ends(columns)}, but the {n_channels}"
        f"axis of {owner} from {_ends(x_axis)}: {_difference(columns, x_axis, owner)}"
    )


def check_fitted_columns(X, estimator):
    """Refuse a table whose numeric column names are not those of a fit.

    Parameters
    ----------
    X : object
        What the user passed.
    estimator : estimator
        Fitted. If on channels without an axis, then names that are 0, 1, 2, … in
        another order, as pandas leaves them to reversed columns, are refused too.

    Raises
    ------
    ValueError
        As `check_columns` does.
    """
    axis = known_axis(estimator)
    if axis is None and hasattr(estimator, "x_axis_"):
        columns = _numeric_names(X)
        if columns is not None and len(columns) == estimator.n_features_in_:
            counted = np.arange(len(columns))
            axis = counted if np.array_equal(np.sort(columns), counted) else None
    check_columns(X, axis, type(estimator).__name__)


def same_axis(columns, axis):
    """Return whether positions are an axis, but for the rounding of their names.

    Parameters
    ----------
    columns, axis : ndarray of shape (n_channels,)
        Positions.

    Returns
    -------
    bool
        Whether none differs by more than a hundredth of the smallest step of `axis`.
    """
    if columns.shape != axis.shape:
        return False
    return bool(np.abs(columns - axis).max() <= _tolerance(axis))


def _tolerance(axis):
    steps = np.abs(np.diff(axis)) if len(axis) > 1 else np.abs(axis)
    return _SAME * steps.min()


def _ends(axis):
    return f"{axis[0]:g} to {axis[-1]:g}"


def _difference(columns, axis, owner):
    """Return in which way columns differ from an axis, and the remedy."""
    if not np.isfinite(columns).all():
        return "some are no positions. Name each column of X by its position."
    if same_axis(columns[::-1], axis):
        return "they are reversed. Turn them round: X[X.columns[::-1]]."
    if same_axis(np.sort(columns), np.sort(axis)):
        order = ", reverse=True" if axis[0] > axis[-1] else ""
        remedy = f"Sort them: X[sorted(X.columns, key=float{order})]."
        if not is_sorted(axis):
            remedy = "Put them into the order of the table of fit."
        return f"they are the same in another order. {remedy}"
    said = "they are another grid."
    if columns.shape == axis.shape:
        distances = columns - axis
        said = f"they differ, at most by {np.abs(distances).max():g}."
        if np.ptp(distances) <= _tolerance(axis):
            said = f"they are shifted by {np.mean(distances):g}."
    return (
        f"{said} Bring X onto that axis first: skspectra.AxisResampler(x_axis)"
        f".fit_transform(X), where x_axis is the x_axis_ of {owner}."
        f"{unit_hint(columns, axis)}"
    )


def unit_hint(columns, axis):
    """Return what to say where only another unit makes two axes meet.

    Parameters
    ----------
    columns, axis : ndarray
        Positions of two tables.

    Returns
    -------
    str
        A sentence with a space before it, or "".
    """
    if _overlap(columns, axis) or min(columns.min(), axis.min()) <= 0:
        return ""
    for units in _LIKELY_UNITS:
        for source, target in (units, units[::-1]):
            if _overlap(convert_axis(columns, source, target), axis):
                return (
                    f" If one is in {units[0]} and the other in {units[1]}, tell it by "
                    "x_unit, of x_axis, and source_unit, of X."
                )
    return ""


def _overlap(columns, axis):
    return columns.min() <= axis.max() and axis.min() <= columns.max()
