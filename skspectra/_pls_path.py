"""Every number of PLS components at once, over any list of splits.

Knows arrays only, no estimator: PLSRegressionCV in `_pls` is the public entry.
"""

import warnings
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from ikpls.numpy import PLS
from sklearn.model_selection import KFold, check_cv

from skspectra._folds import group_folds
from skspectra._inputs import check_groups

__all__ = [
    "Path",
    "Selection",
    "fit_path",
    "make_splits",
    "predict_path",
    "select_n_components",
]


class Standardised(NamedTuple):
    """Columns made ready for PLS: raw values are values * std * unit + mean."""

    values: np.ndarray  # (n_rows, n_columns)
    mean: np.ndarray  # (n_columns,)
    std: np.ndarray  # (n_columns,)
    unit: float


class Path(NamedTuple):
    """PLS models of 1, 2, ... components, and what X and y were divided by."""

    pls: PLS
    x: Standardised
    y: Standardised


class Selection(NamedTuple):
    """The chosen number of components and the curve it was chosen from."""

    n_components: int
    rmsecv: np.ndarray  # (n_tried, n_targets)
    std_error: np.ndarray  # (n_tried, n_targets)


def standardise(raw: np.ndarray, scale: bool) -> Standardised:
    """Centre columns, then divide each by its own spread or all by one unit.

    A column without spread becomes zeros, whatever its mean rounds to. The unit is
    a power of two: dividing by it loses nothing, and keeps data of any magnitude
    clear of the fixed threshold below which ikpls takes a covariance for zero.
    """
    mean = raw.mean(axis=0)
    values = raw - mean
    width = values.max(axis=0) - values.min(axis=0)
    flat = width <= 10 * np.finfo(np.float64).eps * np.abs(mean)
    mean[flat] = raw[0, flat]
    values[:, flat] = 0.0
    if not scale:
        unit = np.ldexp(1.0, np.frexp(width[~flat].max(initial=0.0))[1])
        values /= unit
        return Standardised(values, mean, np.ones_like(mean), unit)
    width[flat] = 1.0
    values /= width  # so that no square below is too small or too large
    std = np.sqrt(np.einsum("ij,ij->j", values, values) / max(raw.shape[0] - 1, 1))
    std[flat] = 1.0
    values /= std
    return Standardised(values, mean, std * width, 1.0)


def fit_path(X: np.ndarray, y: np.ndarray, n_components: int, scale: bool) -> Path:
    """Fit 1 to n_components components; past the rank nothing more is added.

    X is (n_rows, n_channels), y is (n_rows, n_targets), both float64.
    """
    x, y = standardise(X, scale), standardise(y, scale)
    pls = PLS(algorithm=1, center_X=False, center_Y=False, scale_X=False, scale_Y=False)
    with warnings.catch_warnings():
        # Where the rank ends is expected, and read from max_stable_components.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"ikpls\.")
        pls.fit(x.values, y.values, n_components)
    return Path(pls, x, y)


def predict_path(path: Path, X: np.ndarray) -> np.ndarray:
    """Predict with 1, 2, ... components, (n_components, n_rows, n_targets)."""
    predicted = path.pls.predict((X - path.x.mean) / (path.x.std * path.x.unit))
    return predicted * (path.y.std * path.y.unit) + path.y.mean


def make_splits(
    cv: Any, X: np.ndarray, y: np.ndarray, groups: Any, rule: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (train, test) row indices, and see that no group is on both sides.

    `cv` is what :func:`sklearn.model_selection.check_cv` takes, except that an
    integer is groups kept whole, or rows shuffled with a fixed seed.
    """
    groups = check_groups(groups, X)
    cv = 5 if cv is None else cv
    if isinstance(cv, Integral):
        cv = _default_folds(cv, len(y), groups)
    rows = np.arange(len(y))
    splits = [(rows[a], rows[b]) for a, b in check_cv(cv).split(X, y, groups)]
    for train, test in splits:
        if len(train) == 0 or len(test) == 0:
            raise ValueError("A split of cv has no training rows or no test rows.")
        if groups is not None and np.isin(groups[test], groups[train]).any():
            raise ValueError("A split of cv trains and tests on the same group.")
    fewest = 2 if rule == "one_standard_error" else 1
    if len(splits) < fewest:
        raise ValueError(
            f"rule={rule!r} needs at least {fewest} splits. Got {len(splits)} from cv."
        )
    return splits


def _default_folds(
    n_splits: int, n_samples: int, groups: np.ndarray | None
) -> KFold | list[tuple[np.ndarray, np.ndarray]]:
    """Return the splitter, or the splits, that an integer cv stands for."""
    if groups is None:
        return KFold(min(n_splits, n_samples), shuffle=True, random_state=0)
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            "groups must hold at least 2 different groups, one to train on and one "
            "to hold out. Got n_groups=1."
        )
    return group_folds(min(n_splits, n_groups), groups)


def select_n_components(
    X: np.ndarray,
    y: np.ndarray,
    splits: list[tuple[np.ndarray, np.ndarray]],
    *,
    max_components: int,
    rule: str,
    scale: bool,
) -> Selection:
    """Cross-validate 1, 2, ... components over splits of row indices.

    X is (n_rows, n_channels), y is (n_rows, n_targets), both float64. `rule` and
    the formulas are those of PLSRegressionCV.
    """
    fewest_rows = min(len(train) for train, _ in splits)
    n_tried = max(1, min(max_components, X.shape[1], fewest_rows - 1))
    spread = standardise(y, scale=True).std  # errors in its units have no unit
    squares = np.stack(
        [_held_out_squares(X, y, *split, n_tried, scale, spread) for split in splits]
    )  # (n_splits, n_tried, n_targets)
    n_rows = [len(test) for _, test in splits]
    chosen = _choose(*_pool(squares.mean(axis=2), n_rows), rule)
    error, std_error = _pool(squares, n_rows)
    return Selection(chosen, error * spread, std_error * spread)


def _held_out_squares(
    X: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    n_components: int,
    scale: bool,
    spread: np.ndarray,
) -> np.ndarray:
    """Return the mean squared test error over spread, (n_components, n_targets)."""
    predicted = predict_path(fit_path(X[train], y[train], n_components, scale), X[test])
    return (((predicted - y[test]) / spread) ** 2).mean(axis=1)


def _pool(squares: np.ndarray, n_rows: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the root mean square over all rows and its standard error over splits."""
    error = np.sqrt(np.average(squares, axis=0, weights=n_rows))
    if len(n_rows) < 2:
        return error, np.full_like(error, np.nan)
    by_split = np.sqrt(squares)
    return error, by_split.std(axis=0, ddof=1) / np.sqrt(len(n_rows))


def _choose(error: np.ndarray, std_error: np.ndarray, rule: str) -> int:
    """Return the number of components that the rule takes from the curve."""
    best = int(error.argmin())
    if rule == "one_standard_error":
        best = int(np.argmax(error <= error[best] + std_error[best]))
    return best + 1
