"""Fit and score one estimator on one split: the one loop behind every figure here."""

import warnings
from contextlib import closing
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from joblib.parallel import get_active_backend
from sklearn import get_config
from sklearn.base import clone
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from skspectra._progress import show_progress
from skspectra.evaluation._seen import find_seen, warn_of_seen
from skspectra.metrics import bias, concordance_correlation, rpd, rpiq, sep

__all__ = ["FIGURES", "run_trials"]

FIGURES = ["rmsep", "bias", "sep", "r2", "rpd", "rpiq", "ccc", "fit_seconds"]

# These divide by the spread of the test fold, so one row does not define them.
_NEED_TWO_ROWS = {
    "sep": sep,
    "r2": r2_score,
    "rpd": rpd,
    "rpiq": rpiq,
    "ccc": concordance_correlation,
}


@dataclass(frozen=True)
class Trial:
    """What one estimator did on one split.

    `predicted` is (n_test, n_targets); `figures` is one row a target; `seen` is True
    for the test rows that a frozen part of the estimator had learnt from before.
    """

    predicted: np.ndarray
    figures: list[dict]
    seen: np.ndarray


def run_trials(estimators, samples, splits, *, n_jobs, verbose):
    """Run every estimator on every split, in the order of `splits`.

    Parameters
    ----------
    estimators : dict of str to estimator
        Left as they are: each trial fits a clone.
    samples : Samples
        All rows, labelled or not.
    splits : list of Split
        The same for every estimator.
    n_jobs : int or None
        Trials that run at once; it changes the time and nothing else.
    verbose : int
        From 1 on a bar, or lines in a log, on the standard error stream counts them.

    Returns
    -------
    trials : list of (str, Split, Trial)
        Split by split, and in each the estimators in their own order.
    """
    tasks = [(name, split) for split in splits for name in estimators]
    # scikit-learn before 1.7 leaves the filters behind when it goes to other processes.
    filters = warnings.filters
    # X is an argument of its own, and whole: joblib then sends it once to each worker
    # of a cluster, and not once with each trial.
    X, others = samples.X, replace(samples, X=None)
    results = Parallel(n_jobs=n_jobs, return_as=_soonest())(
        delayed(_try)(name, estimators[name], X, others, split, filters)
        for name, split in tasks
    )
    results = _counted(results, len(tasks)) if verbose else results
    trials = [(*task, trial) for task, trial in zip(tasks, results, strict=True)]
    warn_of_seen(trials)
    return trials


def _soonest():
    """Return how joblib is asked for results: one by one, or all if it cannot."""
    backend, _ = get_active_backend()
    return "generator" if backend.supports_return_generator else "list"


def _counted(results, n_fits):
    """Yield the results, and show how many there are by now."""
    with closing(show_progress("comparing", n_fits, 0, f"0/{n_fits} fits")) as progress:
        for n_done, result in enumerate(results, 1):
            progress.say(f"{n_done}/{n_fits} fits")
            progress.update()
            yield result


def _try(name, estimator, X, others, split, filters):
    """Run one trial; an error leaves with the estimator and the fold named."""
    try:
        with warnings.catch_warnings():
            warnings.filters = filters
            return _fit_and_score(name, estimator, replace(others, X=X), split)
    except Exception as error:
        error.add_note(
            f"This happened to the estimator {name!r} in {split.describe()}."
        )
        raise


def _fit_and_score(name, estimator, samples, split):
    model = _seeded(clone(estimator), split.seed)
    path, last = _last_step(model)
    hidden = split.unlabelled if _takes_unlabelled(last) else split.unlabelled[:0]
    rows = np.sort(np.concatenate([split.train, hidden]))
    y = samples.y[rows]
    y[np.isin(rows, hidden)] = np.nan
    passed = {}
    if samples.groups is not None and _takes_groups(last):
        routed = get_config()["enable_metadata_routing"]
        passed["groups" if routed else f"{path}groups"] = samples.groups[rows]
    start = perf_counter()
    model.fit(samples.spectra(rows), samples.shaped(y), **passed)
    seconds = perf_counter() - start
    X_test = samples.spectra(split.test)
    predicted = np.asarray(model.predict(X_test), dtype=float)
    seen = find_seen(model, X_test)
    measured = samples.y[split.test]
    predicted = predicted.reshape(measured.shape)
    counts = {
        "n_train": len(split.train),
        "n_unlabelled": len(hidden),
        "n_test": len(split.test),
        "n_seen": int(seen.sum()),
    }
    figures = [
        {"estimator": name, "target": target, **split.labels(), **counts}
        | _figures(measured[:, k], predicted[:, k])
        | {"fit_seconds": seconds}
        for k, target in enumerate(samples.targets)
    ]
    return Trial(predicted, figures, seen)


def _figures(measured, predicted):
    """Return the figures of merit of one target on one test fold."""
    figures = {
        "rmsep": root_mean_squared_error(measured, predicted),
        "bias": bias(measured, predicted),
    }
    for figure, function in _NEED_TWO_ROWS.items():
        figures[figure] = function(measured, predicted) if len(measured) > 1 else np.nan
    return figures


def _seeded(model, seed):
    """Give every `random_state` that is None, however deep, a seed of its own."""
    rng = np.random.RandomState(seed)
    params = model.get_params(deep=True)
    unset = [
        key
        for key in sorted(params)
        if key.split("__")[-1] == "random_state" and params[key] is None
    ]
    model.set_params(**{key: rng.randint(2**31 - 1) for key in unset})
    return model  # and not what set_params returns: a FrozenEstimator's is None


def _last_step(model):
    """Return the step that is fitted to y, and the prefix of its fit arguments."""
    path = ""
    while isinstance(model, Pipeline):
        name, model = model.steps[-1]
        path += f"{name}__"
    return path, model


def _takes_unlabelled(last):
    """Whether rows whose y is NaN may enter `fit`: the estimator's class says so."""
    return getattr(type(last), "_uses_unlabelled_rows", False)


def _takes_groups(last):
    """Whether `fit` takes groups, itself or for the splitter of a search."""
    if has_fit_parameter(last, "groups"):
        return True
    inner = get_routing_for_object(getattr(last, "cv", None))
    return bool(inner.consumes("split", {"groups"}))
