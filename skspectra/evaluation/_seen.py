"""Which test spectra a frozen part of an estimator has learnt from before."""

import functools

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import _num_samples

from skspectra._inputs import warn_caller
from skspectra.exceptions import TransductiveWarning

__all__ = ["find_seen", "warn_of_seen"]


def find_seen(model, X):
    """Return which spectra were among those that a frozen part was trained on.

    Spectra are compared as they are and as the part gets them, after the steps of a
    pipeline that come before it: what was cut or differentiated is found too.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : array-like of shape (n_samples, n_channels)
        Test spectra.

    Returns
    -------
    bool ndarray of shape (n_samples,)
        True for spectra seen; False for all where nothing is frozen.
    """
    seen = np.zeros(_num_samples(X), dtype=bool)
    for part, look in _frozen_parts(model, lambda: X):
        seen |= _among(lambda: X, part) | _among(look, part)
    return seen


def warn_of_seen(trials):
    """Warn once of each estimator that was tested on what it had learnt from.

    Parameters
    ----------
    trials : list of (str, Split, Trial)
        As `run_trials` gives them: warnings of its workers would not be seen.
    """
    rows = {}
    for name, split, trial in trials:
        tested, seen = rows.setdefault(name, (set(), set()))
        tested.update(split.test.tolist())
        seen.update(split.test[trial.seen].tolist())
    for name, (tested, seen) in rows.items():
        if seen:
            warn_caller(
                f"Of the {len(tested)} test spectra of {name!r}, {len(seen)} were "
                "among those that a frozen part of it was trained on before. Such a "
                "comparison is transductive: spectra that come later may be predicted "
                "worse; with a part that had learnt their reference values too, it is "
                "no test at all. Pretrain on other spectra, or pass the pretrainer "
                "without FrozenEstimator, so that it is pretrained inside each fold.",
                TransductiveWarning,
            )


def _frozen_parts(model, look, frozen=False):
    """Yield what keeps an earlier training, and a function that gives what it gets.

    A function, because few parts are frozen and the others' spectra are not needed.
    """
    if isinstance(model, FrozenEstimator):
        yield from _frozen_parts(model.estimator, look, frozen=True)
        return
    if frozen and hasattr(model, "provenance_") and not _is_untrained(model):
        yield model, look
    for part, its_look in _parts(model, look):
        yield from _frozen_parts(part, its_look, frozen)


def _is_untrained(model):
    """Whether this is a pretrainer, which has no other inside, with random weights."""
    return not hasattr(model, "pretrainer_") and model.n_iter_ == 0


def _parts(model, look):
    """Yield the estimators inside an estimator, each with what it gets."""
    if isinstance(model, Pipeline):
        for _, step in model.steps:
            yield step, look
            look = _after(step, look)
    elif isinstance(model, ColumnTransformer):
        for _, part, columns in getattr(model, "transformers_", ()):
            yield part, functools.partial(_columns, look, columns)
    elif isinstance(model, BaseEstimator):
        fitted = [value for name, value in vars(model).items() if name.endswith("_")]
        # A search also holds what it began with; the fitted ones are what predicts.
        parts = [*_estimators(fitted)] or _estimators(vars(model).values())
        yield from ((part, look) for part in parts)


def _estimators(values):
    """Yield the estimators among values, or in lists and pairs among them."""
    for value in values:
        if isinstance(value, BaseEstimator):
            yield value
        elif isinstance(value, list | tuple):
            yield from _estimators(value)


def _after(step, look):
    """Return a function that gives what comes out of a step of a pipeline."""
    if not hasattr(step, "transform"):  # "passthrough"
        return look
    return functools.cache(lambda: step.transform(look()))


def _columns(look, columns):
    return _safe_indexing(look(), columns, axis=1)


def _among(look, part):
    """Return which of the spectra that a function gives a part was trained on."""
    from skspectra._provenance import were_among  # torch, which takes seconds

    try:
        X = check_array(look(), dtype=np.float64, ensure_all_finite=False)
    except (NotFittedError, TypeError, ValueError):  # no spectra: nothing can be told
        return False
    return were_among(X, part.provenance_.rows)
