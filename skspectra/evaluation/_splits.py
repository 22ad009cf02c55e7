"""Which rows train, which test: the same for every estimator, nothing on both sides."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit
from sklearn.utils import check_consistent_length, indexable

from skspectra._inputs import check_groups, check_targets, warn_caller

__all__ = [
    "Samples",
    "Split",
    "check_estimators",
    "check_samples",
    "make_splits",
]

_COLUMNS = {"row", "repeat", "fold", "target", "group", "measured"}


@dataclass(frozen=True)
class Samples:
    """Checked rows: X as given, y (n_samples, n_targets) with NaN = unlabelled."""

    X: Any
    y: np.ndarray
    groups: np.ndarray | None
    targets: list
    y_ndim: int

    @property
    def labelled(self):
        """Row mask: True where every target has a reference value."""
        return ~np.isnan(self.y).any(axis=1)

    def spectra(self, rows):
        """Return some rows of X, a frame staying a frame."""
        return self.X.iloc[rows] if hasattr(self.X, "iloc") else self.X[rows]

    def shaped(self, y):
        """Return (n, n_targets) in the number of dimensions that the caller's y had."""
        return y[:, 0] if self.y_ndim == 1 else y


@dataclass(frozen=True)
class Split:
    """Row numbers of one fold, ascending order not assumed.

    `train` and `test` hold labelled rows only. `unlabelled` holds the rows that
    may be learnt from without their reference value, be it missing or hidden.
    """

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray
    unlabelled: np.ndarray
    seed: int
    train_size: int | None = None
    n_pool: int | None = None

    def labels(self):
        """Return the columns that tell this split from the others."""
        sized = {"train_size": self.train_size, "n_pool": self.n_pool}
        sized = {} if self.train_size is None else sized
        return {"repeat": self.repeat, "fold": self.fold} | sized

    def describe(self):
        """Name the split in an error message."""
        return ", ".join(f"{key} {value}" for key, value in self.labels().items())


def check_estimators(estimators, reference):
    """Return `estimators` as a dict and the reference's name, or raise ValueError."""
    pairs = list(estimators.items() if isinstance(estimators, dict) else estimators)
    if not pairs or not all(isinstance(p, tuple) and len(p) == 2 for p in pairs):
        raise ValueError(
            "The 'estimators' parameter must hold at least one estimator, as a dict by "
            f"name or a list of (name, estimator). Got {estimators!r} instead."
        )
    for name, estimator in pairs:
        _check_estimator(name, estimator)
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(
            f"The names in the 'estimators' parameter must differ. Got {names} instead."
        )
    _warn_of_lost_weights(pairs)
    reference = names[0] if reference is None else reference
    if reference not in names:
        raise ValueError(
            f"The 'reference' parameter must be one of the names {names}. "
            f"Got {reference!r} instead."
        )
    return dict(pairs), reference


def _check_estimator(name, estimator):
    """Refuse a name that is a column of the tables, and what is no estimator."""
    if not isinstance(name, str) or name in _COLUMNS:
        raise ValueError(
            "The names in the 'estimators' parameter must be strings other than "
            f"{sorted(_COLUMNS)}. Got {name!r} instead."
        )
    needed = ("fit", "predict", "get_params")
    if isinstance(estimator, type) or not all(hasattr(estimator, m) for m in needed):
        raise TypeError(
            f"The estimator {name!r} must be an instance with the methods 'fit', "
            f"'predict' and 'get_params'. Got {estimator!r} instead."
        )
    if is_classifier(estimator):
        raise TypeError(
            f"The estimator {name!r} is a classifier, but errors of reference values "
            "are compared here, those of regressors. scikit-learn's cross_validate "
            "tells how often classes are right."
        )


def _warn_of_lost_weights(pairs):
    """Warn where `clone` would silently undo a pretraining."""
    for name, estimator in pairs:
        lost = any(
            key.split("__")[-1] == "pretrainer"
            and hasattr(value, "module_")
            and not isinstance(value, FrozenEstimator)
            for key, value in estimator.get_params(deep=True).items()
        )
        if lost:
            warn_caller(
                f"The pretrainer of {name!r} is fitted, but its weights are not used: "
                "it is cloned and fitted again on every fold. To keep them, pass "
                "FrozenEstimator(pretrainer) from sklearn.frozen."
            )


def check_samples(X, y, groups):
    """Return the rows as `Samples`, or raise scikit-learn's own ValueError."""
    names = getattr(y, "columns", [getattr(y, "name", None)])
    X, y, groups = indexable(X, y, groups)
    X = X if hasattr(X, "shape") else np.asarray(X)
    y = check_targets(y)
    y_ndim, y = y.ndim, y.reshape(len(y), -1)
    if groups is not None:
        groups = check_groups(groups, y)
    check_consistent_length(X, y, groups)
    targets = list(names) if len(names) == y.shape[1] else list(range(y.shape[1]))
    samples = Samples(X, y, groups, targets, y_ndim)
    if not samples.labelled.any():
        raise ValueError("y has no row with a reference value: every row holds a NaN.")
    return samples


def make_splits(samples, cv, n_repeats, rng):
    """Return the list of `Split`, each with labelled test rows only.

    Raises ValueError where a group, or a row, would be on both sides.
    """
    ids = np.arange(len(samples.y)) if samples.groups is None else samples.groups
    labelled = samples.labelled
    splits, repeat, fold, seen = [], 0, 0, np.zeros(len(labelled), dtype=bool)
    for train, test in list(_rows(samples, cv, n_repeats, rng)):
        test = test[labelled[test]]
        if seen[test].any():  # a row tested again begins the next repeat
            repeat, fold, seen = repeat + 1, 0, np.zeros_like(seen)
        seen[test] = True
        free = ~labelled[train] & ~np.isin(ids[train], ids[test])
        split = Split(
            repeat=repeat,
            fold=fold,
            train=train[labelled[train]],
            test=test,
            unlabelled=train[free],
            seed=rng.randint(2**31 - 1),
        )
        _check_split(split, ids, "group" if samples.groups is not None else "row")
        splits.append(split)
        fold += 1
    return splits


def _rows(samples, cv, n_repeats, rng):
    """Yield (train, test) as row numbers of X; train holds unlabelled rows too."""
    rows = np.arange(len(samples.y))
    if isinstance(cv, PredefinedSplit):
        cv = cv.split()
    if cv is not None and not isinstance(cv, Integral):
        if n_repeats != 1:
            raise ValueError(
                "The 'n_repeats' parameter must be 1 unless 'cv' is a number of "
                f"folds. Got {n_repeats} instead."
            )
        splitters = [cv]
    else:
        kind = KFold if samples.groups is None else GroupKFold
        splitters = (
            kind(cv or 5, shuffle=True, random_state=rng.randint(2**31 - 1))
            for _ in range(n_repeats)
        )
    known, unknown = rows[samples.labelled], rows[~samples.labelled]
    groups = None if samples.groups is None else samples.groups[known]
    _check_n_folds(cv, known, groups)
    for splitter in splitters:
        if not hasattr(splitter, "split"):
            yield from ((rows[train], rows[test]) for train, test in splitter)
            continue
        y = samples.shaped(samples.y[known])
        for train, test in splitter.split(samples.spectra(known), y, groups):
            yield np.concatenate([known[train], unknown]), known[test]


def _check_n_folds(cv, rows, groups):
    """Refuse more folds than there are rows or groups to deal out."""
    n_folds = 5 if cv is None else cv
    kind, units = ("rows", rows) if groups is None else ("groups", np.unique(groups))
    if isinstance(n_folds, Integral) and len(units) < n_folds:
        raise ValueError(
            f"cv={n_folds} folds need at least {n_folds} {kind} with reference values. "
            f"Got {len(units)}."
        )


def _check_split(split, ids, kind):
    where = split.describe()
    for side in ("train", "test"):
        if not len(getattr(split, side)):
            raise ValueError(f"No labelled row is left to {side} on in {where}.")
    both = np.intersect1d(ids[split.train], ids[split.test])
    if len(both):
        raise ValueError(
            f"A {kind} must not train and test at once, but {both.tolist()[0]!r} is on "
            f"both sides of {where}. Pass a number of folds as 'cv', or a splitter "
            "that keeps groups whole."
        )
