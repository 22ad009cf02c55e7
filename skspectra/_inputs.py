"""Spectra, reference values and groups as users pass them: what is wrong, and where."""

import contextlib
import functools
import sys
import warnings

import numpy as np
import pandas as pd
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from skspectra._table_axis import (
    check_columns,
    check_fitted_columns,
    column_axis,
    known_axis,
)

__all__ = [
    "SMALLEST",
    "check_X_y",
    "check_answers",
    "check_calibration_data",
    "check_columns",
    "check_groups",
    "check_reference_values",
    "check_size",
    "check_spectra",
    "check_targets",
    "check_unit",
    "forget_fit",
    "known_axis",
    "refuse_masked",
    "warn_caller",
    "whole_or_nothing",
]

# Squares, and sums of squares, of larger values may overflow, of smaller ones vanish.
_LARGEST, SMALLEST = 1e100, 1e-100


def check_size(values, name):
    """Refuse values whose squares, and sums of squares, may overflow.

    Parameters
    ----------
    values : ndarray
        Finite numbers of any shape, or none.
    name : str
        What the user calls them, for the message.

    Raises
    ------
    ValueError
        If one of them lies beyond 1e100.
    """
    if max(values.max(initial=0.0), -values.min(initial=0.0)) > _LARGEST:
        raise ValueError(f"{name} holds values beyond {_LARGEST:g}. Rescale it.")


def check_unit(values, name, smallest=SMALLEST):
    """Refuse numbers in a unit in which their squares overflow or vanish.

    Parameters
    ----------
    values : ndarray
        Finite numbers of any shape, those of a fit.
    name : str
        What the user calls them, for the message.
    smallest : float, default=1e-100
        What one of them must reach, if they are not all 0.

    Raises
    ------
    ValueError
        If one of them lies beyond 1e100, or all of them within `smallest` of 0.
    """
    check_size(values, name)
    if 0.0 < max(values.max(initial=0.0), -values.min(initial=0.0)) < smallest:
        raise ValueError(
            f"{name} holds values too small to be squared, none beyond {smallest:g}. "
            "Rescale it."
        )


def check_answers(values):
    """Refuse answers that overflowed.

    Parameters
    ----------
    values : ndarray
        Computed of spectra.

    Returns
    -------
    ndarray
        The same.

    Raises
    ------
    ValueError
        If one is NaN or infinite.
    """
    if not np.isfinite(values).all():
        raise ValueError(
            "X holds values too large, or too far from those of fit: computing with "
            "them overflowed. Look for spectra in another unit."
        )
    return values


def forget_fit(estimator):
    """Delete what an earlier fit learnt, so that a failing one leaves no mixture.

    Parameters
    ----------
    estimator : estimator
        Unfitted afterwards; its parameters stay.
    """
    learnt = [name for name in vars(estimator) if name.endswith("_")]
    for name in (*learnt, "_column_axis"):  # the latter from an older file
        vars(estimator).pop(name, None)


@contextlib.contextmanager
def whole_or_nothing(estimator):
    """Have a fit that fails leave an unfitted estimator.

    Parameters
    ----------
    estimator : estimator
        Whose `fit` runs inside the context.
    """
    try:
        yield
    except BaseException:
        forget_fit(estimator)
        raise


def check_spectra(
    estimator, X, *, reset=False, y="no_validation", allow_gaps=False, **options
):
    """Return spectra as an array, or say what is wrong with them and where.

    :func:`sklearn.utils.validation.validate_data` does it, which takes numbers for what
    they look like: it drops masks, reads strings and times as numbers, compares no
    column names that are numbers, and does not say where a value is missing. A fit
    sets `x_axis_`, the axis that column names tell, or None.

    Parameters
    ----------
    estimator : estimator
        Whose method got them.
    X : object
        What the user passed.
    reset : bool, default=False
        Whether this is a fit: an earlier one is forgotten, and so is this one if X is
        refused. Otherwise X is compared with the fitted channels.
    y : object, default="no_validation"
        None is refused in scikit-learn's words where the estimator needs y.
    allow_gaps : bool, default=False
        Whether NaN, None and NA stand for channels that are missing. They become NaN.
    **options
        Of :func:`sklearn.utils.check_array`.

    Returns
    -------
    ndarray of shape (n_samples, n_channels)
        The spectra.

    Raises
    ------
    TypeError
        If X holds strings or other things that are no numbers.
    ValueError
        If it is no table of finite numbers, or lies on another axis.
    """
    if reset:
        forget_fit(estimator)
        estimator.x_axis_ = column_axis(X)
    with whole_or_nothing(estimator) if reset else contextlib.nullcontext():
        X = _numbers(X, "X")
        _refuse_double_columns(X)
        if not reset:
            check_fitted_columns(X, estimator)
        if getattr(X, "ndim", 2) > 2:
            raise ValueError(
                f"Expected 2D array, got {X.ndim}D array of shape {tuple(X.shape)} "
                "instead. A row is a spectrum: pass X.reshape(-1, X.shape[-1])."
            )
        if allow_gaps:
            options["ensure_all_finite"] = "allow-nan"
            if isinstance(X, pd.DataFrame) and "O" in {d.kind for d in X.dtypes}:
                X = X.mask(X.isna(), np.nan)
            elif getattr(X, "dtype", None) == "O":
                X = np.where(pd.isna(X), np.nan, X)
        with _saying_where(X, "X", missing=not allow_gaps):
            checked = validate_data(estimator, X, y, reset=reset, **options)
    return checked


def check_targets(y, name="y", *, allow_missing=True):
    """Return reference values in float64, or say what is wrong with them and where.

    Parameters
    ----------
    y : object
        What the user passed.
    name : str, default="y"
        What it is called, for the message.
    allow_missing : bool, default=True
        Whether NaN, None and NA stand for what is not known. They become NaN.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_targets)
        The values.

    Raises
    ------
    TypeError
        If y holds strings or other things that are no numbers.
    ValueError
        If it is no list or table of numbers.
    """
    y = _numbers(y, name)
    y = np.asarray(y) if hasattr(y, "columns") else y
    if getattr(y, "dtype", None) == "O":
        y = np.where(pd.isna(y), np.nan, y)
    with _saying_where(y, name, missing=not allow_missing):
        return check_array(
            y,
            input_name=name,
            dtype=np.float64,
            ensure_2d=False,
            ensure_all_finite="allow-nan" if allow_missing else True,
        )


def check_X_y(estimator, X, y, read_y=check_targets, *, allow_gaps=False):
    """Return the spectra and reference values of a fit, at least two rows of them.

    Parameters
    ----------
    estimator : estimator
        Whose `fit` got them.
    X, y : object
        What the user passed.
    read_y : callable, default=check_targets
        Takes y and its name, and returns what it means.
    allow_gaps : bool, default=False
        As in `check_spectra`.

    Returns
    -------
    X : ndarray of shape (n_samples, n_channels)
        Spectra, float64.
    y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        What `read_y` returned.

    Raises
    ------
    TypeError, ValueError
        As `check_spectra` and `read_y` do, and if the numbers of rows differ.
    """
    X = check_spectra(
        estimator,
        X,
        reset=True,
        # None is refused in scikit-learn's words; all else about y is `read_y`'s.
        y=y if y is None else "no_validation",
        allow_gaps=allow_gaps,
        dtype=np.float64,
        ensure_min_samples=2,
    )
    y = read_y(y, "y")
    check_consistent_length(X, y)
    return X, y


def check_calibration_data(estimator, X, y, *, allow_missing=True, smallest=SMALLEST):
    """Return the spectra and reference values of a regressor's fit.

    Parameters
    ----------
    estimator : estimator
        Whose `fit` got them.
    X, y : object
        What the user passed.
    allow_missing : bool, default=True
        Whether reference values may be NaN.
    smallest : float, default=1e-100
        As in `check_unit`.

    Returns
    -------
    X : ndarray of shape (n_samples, n_channels)
        Spectra, float64.
    y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Reference values, float64.

    Raises
    ------
    TypeError, ValueError
        If they are not what a calibration can be made of.
    """
    read_y = functools.partial(check_targets, allow_missing=allow_missing)
    X, y = check_X_y(estimator, X, y, read_y)
    check_unit(X, "X", smallest)
    check_reference_values(y.reshape(len(y), -1), type(estimator).__name__, smallest)
    return X, y


def check_groups(groups, X):
    """Return groups as an array with an entry for each row of X, or None.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or None
        What the user gave.
    X : array-like of shape (n_samples, ...)
        The rows.

    Returns
    -------
    ndarray of shape (n_samples,) or None
        The groups.

    Raises
    ------
    ValueError
        If they are not one-dimensional, as many as rows, and all known.
    """
    if groups is None:
        return None
    groups = np.asarray(groups)
    if groups.ndim == 2 and groups.shape[1] == 1:
        groups = groups.ravel()
    if groups.ndim != 1:
        raise ValueError(
            "groups must be one-dimensional, with an entry for each row of X. Got an "
            f"array of shape {groups.shape}."
        )
    check_consistent_length(X, groups)
    if pd.isna(groups).any():
        row = int(np.argmax(pd.isna(groups)))
        raise ValueError(
            "Input groups contains NaN: every row needs a group. Got none in row "
            f"{row}."
        )
    return groups


def warn_caller(message, category=UserWarning):
    """Warn at the line of the user's code that led here, whatever lies between.

    Parameters
    ----------
    message : str
        What to say.
    category : type, default=UserWarning
        Class of the warning.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back and _is_between(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_between(frame):
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    return package in {"skspectra", "sklearn", "joblib", "tqdm"}


def check_reference_values(y, owner, smallest=SMALLEST):
    """Refuse too few or too large reference values; warn where there is but one.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_targets)
        Reference values, NaN where unknown.
    owner : str
        Name of the estimator, for the message.
    smallest : float, default=1e-100
        As in `check_unit`.

    Raises
    ------
    ValueError
        If fewer than two values of a target are known, or their unit is of no use.
    """
    known = ~np.isnan(y)
    n_known = known.sum(axis=0)
    if n_known.min() < 2:
        raise ValueError(
            f"{owner} needs at least 2 reference values of each target. Got "
            f"{n_known.min()} among n_samples={len(y)} rows."
        )
    check_unit(y[known], "y", smallest)
    if (np.nanmin(y, axis=0) == np.nanmax(y, axis=0)).any():
        warn_caller(
            "y is constant in at least one target, and so will its predictions be."
        )


def refuse_masked(values, name):
    """Refuse a masked array, whose mask numpy and scikit-learn would drop.

    Parameters
    ----------
    values : object
        What the user passed.
    name : str
        What it is called, for the message.

    Raises
    ------
    ValueError
        If a value is masked.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{name} has masked values; fill or drop them.")


def _numbers(values, name):
    """Return what the user passed, lists as arrays; refuse what passes for numbers.

    What is plainly no number is left to scikit-learn, which names its type.
    """
    if type(values) is np.ndarray and values.dtype.kind in "biuf":
        return values
    if isinstance(values, list | tuple):
        values = np.asarray(values)
    refuse_masked(values, name)
    for dtype, where in _dtypes(values):
        kind = _kind(dtype)
        if kind == "time":
            raise ValueError(f"{name} must hold numbers. Got {dtype} instead{where}.")
        if kind == "record":
            raise TypeError(
                f"{name} must be a table of numbers. Got a structured array with the "
                f"fields {dtype.names}. Pass its columns side by side."
            )
        if kind == "object":
            _refuse_strings(values, name)
    return values


def _refuse_double_columns(X):
    """Raise if two columns of a frame have one name, as newer scikit-learn does."""
    columns = getattr(X, "columns", None)
    if isinstance(columns, pd.Index) and not columns.is_unique:
        double = columns[columns.duplicated()][0]
        raise ValueError(
            "The columns of X must have different names. Got more than one "
            f"{_quoted(double)}."
        )


def _dtypes(values):
    """Return the different dtypes of an array or a frame, and a column of each."""
    if not hasattr(values, "columns"):
        return [(getattr(values, "dtype", None), "")]
    dtypes = list(values.dtypes)
    return [
        (dtype, f" in column {_quoted(values.columns[dtypes.index(dtype)])}")
        for dtype in set(dtypes)
    ]


def _quoted(name):
    return repr(name) if isinstance(name, str) else str(name)


def _kind(dtype):
    """Return "time", "record", "object" (strings may be among these) or "number"."""
    if hasattr(dtype, "is_temporal"):  # of polars, which has no codes
        kinds = {"time": dtype.is_temporal(), "object": not dtype.is_numeric()}
        return next((kind for kind, true in kinds.items() if true), "number")
    code = getattr(dtype, "kind", "f")
    names = {"m": "time", "M": "time", "V": "record"} | dict.fromkeys("OSU", "object")
    return names.get(code, "number")


def _refuse_strings(values, name):
    for value in np.asarray(values).ravel():
        if isinstance(value, str | bytes):
            try:
                float(value)
            except ValueError:  # scikit-learn says so
                return
            raise TypeError(
                f"{name} holds strings, such as {str(value)!r}. Make numbers of them "
                "first, with astype(float) or pandas.to_numeric."
            )


@contextlib.contextmanager
def _saying_where(values, name, *, missing=True):
    """Have a refusal of scikit-learn's say which value is missing or infinite."""
    try:
        yield
    except (TypeError, ValueError) as error:
        about_values = any(word in str(error) for word in ("NaN", "inf", "NAType"))
        said = _where(values, name, missing) if about_values else None
        if said is None:
            raise
        raise ValueError(said) from error


def _where(values, name, missing):
    """Return a sentence about the first value that is not finite, or None."""
    columns = getattr(values, "columns", None)
    try:
        values = np.asarray(values)
        if values.dtype.kind == "c":
            return None
        gaps = pd.isna(values)
        infinite = np.isinf(np.where(gaps, 0.0, values).astype(np.float64))
    except (RuntimeError, TypeError, ValueError):
        return None
    word, found = ("NaN", gaps) if missing and np.any(gaps) else ("infinity", infinite)
    if not 1 <= values.ndim <= 2 or not found.any():
        return None
    first = np.argwhere(found)[0].tolist()
    spectra = name == "X"
    place = f"row {first[0]}"
    if values.ndim == 2:
        place += f", {'channel' if spectra else 'column'} {first[1]}"
        if columns is not None and not isinstance(columns, pd.RangeIndex):
            place += f" ({_quoted(columns[first[1]])})"
    n_rows = found.reshape(len(found), -1).any(axis=1).sum()
    remedy = "Leave these out."
    if spectra and found is gaps:
        remedy = (
            "Fill in what is missing, leave these out, or take an estimator that "
            "allows gaps, such as SpectralRegressor."
        )
    return (
        f"Input {name} contains {word}: {n_rows} of {len(found)} "
        f"{'spectra' if spectra else 'rows'}, the first in {place}. {remedy}"
    )
