"""What repeats a comparison: its arguments, all parameters, the versions."""

import sys
from numbers import Integral

from sklearn import config_context
from sklearn.base import BaseEstimator

from skspectra._versions import installed

__all__ = ["describe_settings"]

_PACKAGES = ("skspectra", "numpy", "scipy", "scikit-learn", "torch", "skorch", "ikpls")


def describe_settings(estimators, cv, n_repeats, seed):
    """Return the settings of a comparison as numbers and text.

    Parameters
    ----------
    estimators : dict of str to estimator
        By name.
    cv : int, splitter, iterable or None
        As `compare` got it.
    n_repeats : int
        How often the folds are drawn.
    seed : int
        What `random_state` has to be to repeat it.

    Returns
    -------
    dict
        `random_state`, `cv`, `n_repeats`, `estimators` with all their parameters, and
        `versions`.
    """
    return {
        "random_state": seed,
        "cv": _describe_cv(cv),
        "n_repeats": n_repeats,
        "estimators": {name: _spell_out(each) for name, each in estimators.items()},
        "versions": installed(*_PACKAGES),
    }


def _describe_cv(cv):
    if cv is None or isinstance(cv, Integral):
        return 5 if cv is None else int(cv)
    if hasattr(cv, "split"):
        return repr(cv)
    return "folds that were given row by row"


def _spell_out(estimator):
    """Return an estimator with all its parameters, those at their defaults too."""
    if not isinstance(estimator, BaseEstimator):
        return repr(estimator)
    with config_context(print_changed_only=False):
        return BaseEstimator.__repr__(estimator, N_CHAR_MAX=sys.maxsize)
