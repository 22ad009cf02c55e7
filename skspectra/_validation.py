"""Checks that more than one estimator makes.

scikit-learn's parameter checks are private there, so a future release may move
them: this is the only file to mend then. What they say is scikit-learn's own
sentence: which parameter of which class, what is allowed, what was got.
"""

from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_params,
)
from sklearn.utils._param_validation import (
    validate_parameter_constraints as validate_parameters,
)

__all__ = [
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_columns",
    "check_size",
    "check_x_axis",
    "generator",
    "seed_of",
    "validate_parameters",
    "validate_params",
]

_LARGEST = 1e100  # squares, and sums of squares, of larger values may overflow


def generator(random_state):
    """Return what `random_state` stands for; None is not numpy's global generator.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        What the user gave.

    Returns
    -------
    RandomState
        For None a fresh one, so that the global generator is left as it was.
    """
    if random_state is None:
        return np.random.RandomState()
    return check_random_state(random_state)


def seed_of(random_state):
    """Return the whole number that a fit follows from.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        What the user gave.

    Returns
    -------
    int
        Given as `random_state` it repeats the fit, also where None was given.
    """
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(generator(random_state).randint(2**31 - 1))


def check_x_axis(x_axis, n_channels, owner):
    """Return the positions of the channels as an array, or None.

    Parameters
    ----------
    x_axis : array-like of shape (n_channels,) or None
        What the user gave.
    n_channels : int
        Number of channels of X.
    owner : str
        Name of the estimator, for the message.

    Returns
    -------
    ndarray of shape (n_channels,) or None
        float64.

    Raises
    ------
    ValueError
        If it is not one finite value a channel, strictly rising or falling.
    """
    if x_axis is None:
        return None
    axis = np.asarray(x_axis, dtype=np.float64)
    if axis.shape != (n_channels,):
        raise ValueError(
            f"The 'x_axis' parameter of {owner} must hold one value for each of the "
            f"{n_channels} channels of X. Got shape {axis.shape} instead."
        )
    steps = np.diff(axis)
    wrong = ~(steps * np.sign(axis[-1] - axis[0]) > 0)
    if wrong.any() or not np.isfinite(axis).all():
        at = int(np.argmax(wrong)) if wrong.any() else 0
        raise ValueError(
            f"The 'x_axis' parameter of {owner} must be finite and strictly rising or "
            f"strictly falling. Got {axis[at : at + 2]} at index {at}."
        )
    return axis


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
    if np.abs(values).max(initial=0.0) > _LARGEST:
        raise ValueError(f"{name} holds values beyond {_LARGEST:g}. Rescale it.")


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
    if x_axis is None or not hasattr(X, "columns"):
        return
    try:
        columns = np.asarray(list(X.columns), dtype=np.float64)
    except (TypeError, ValueError):
        return
    # Without a table's own axis pandas counts 0, 1, 2, …: these are no positions.
    counted = columns.shape == x_axis.shape and (columns == np.arange(len(columns)))
    if columns.shape != x_axis.shape or np.all(counted):
        return
    distance = np.abs(columns - x_axis).max()
    if distance > 0.01 * np.abs(np.diff(x_axis)).min():
        raise ValueError(
            f"The columns of X run from {columns[0]:g} to {columns[-1]:g}, but "
            f"{owner} has an x_axis from {x_axis[0]:g} to {x_axis[-1]:g}; the largest "
            f"difference is {distance:g}. Bring X onto that axis first."
        )
