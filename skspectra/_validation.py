"""Checks of parameters that more than one estimator makes.

scikit-learn's parameter checks are private there, so a future release may move
them: this is the only file to mend then. What they say is scikit-learn's own
sentence: which parameter of which class, what is allowed, what was got.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    validate_params,
)
from sklearn.utils._param_validation import (
    validate_parameter_constraints as validate_parameters,
)

__all__ = [
    "HasMethods",
    "Interval",
    "RealNotInt",
    "StrOptions",
    "check_x_axis",
    "generator",
    "seed_of",
    "validate_parameters",
    "validate_params",
]


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


def check_mask_ratio(mask_ratio, owner):
    """Return the part of patches to hide, a pair as a tuple.

    Parameters
    ----------
    mask_ratio : float or array-like of shape (2,)
        What the user gave; a number was checked already.
    owner : str
        Name of the estimator, for the message.

    Returns
    -------
    float or tuple (low, high)
        The same.

    Raises
    ------
    ValueError
        If it is no pair of such numbers, in their order.
    """
    if isinstance(mask_ratio, Real):
        return mask_ratio
    pair = tuple(mask_ratio)
    numbers = len(pair) == 2 and all(isinstance(r, Real) for r in pair)
    if not numbers or not 0 < pair[0] <= pair[1] < 1:
        raise ValueError(
            f"The 'mask_ratio' parameter of {owner} must be a float in the range (0.0, "
            "1.0) or a pair (low, high) of them, low not above high. Got "
            f"{mask_ratio!r} instead."
        )
    return pair


def check_x_axis(x_axis, n_channels, owner, name="x_axis"):
    """Return the positions of the channels as an array, or None.

    Parameters
    ----------
    x_axis : array-like of shape (n_channels,) or None
        What the user gave.
    n_channels : int
        Number of channels of X.
    owner : str
        Name of the estimator, for the message.
    name : str, default="x_axis"
        Name of the parameter, for the message.

    Returns
    -------
    ndarray of shape (n_channels,) or None
        float64.

    Raises
    ------
    ValueError
        If it is not one finite number a channel, strictly rising or falling.
    """
    if x_axis is None:
        return None
    try:
        axis = np.asarray(x_axis, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The {name!r} parameter of {owner} must hold numbers. Got {x_axis!r}."
        ) from error
    if axis.shape != (n_channels,):
        raise ValueError(
            f"The {name!r} parameter of {owner} must hold one value for each of the "
            f"{n_channels} channels of X. Got shape {axis.shape} instead."
        )
    wrong = ~np.isfinite(axis)
    if not wrong.any():
        wrong = ~(np.diff(axis) * np.sign(axis[-1] - axis[0]) > 0)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(
            f"The {name!r} parameter of {owner} must be finite and strictly rising or "
            f"strictly falling. Got {axis[at : at + 2]} at index {at}."
        )
    return axis
