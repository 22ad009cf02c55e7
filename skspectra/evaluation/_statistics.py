"""What repeated folds say about one estimator against another."""

import numpy as np
import pandas as pd
from scipy.stats import t as student

from skspectra.evaluation._trials import FIGURES

__all__ = ["RATIO", "corrected_interval", "summarise"]

RATIO = ["rmsep_ratio", "ratio_low", "ratio_high", "p_value"]


def corrected_interval(differences, test_to_train, confidence):
    """Return mean, half-width of its interval and p-value, overlap allowed for.

    Parameters
    ----------
    differences : array of shape (n_folds,)
        One paired difference a fold; here of log RMSEP.
    test_to_train : float
        Test rows divided by training rows, n2 / n1.
    confidence : float
        Of the two-sided interval.

    Returns
    -------
    mean, half_width, p_value : float
        The last two are NaN for a single fold, all three where a difference is
        not finite.

    Notes
    -----
    Folds share training rows, so their J differences d are not independent and
    the variance of their mean is not s^2 / J. Nadeau and Bengio replace it by
    s^2 (1 / J + n2 / n1), s^2 being the variance over folds with J - 1 degrees of
    freedom, and refer mean / sqrt(that) to Student's t with J - 1.
    """
    differences = np.asarray(differences, dtype=float)
    if not np.isfinite(differences).all():  # an error of exactly zero
        return np.nan, np.nan, np.nan
    n_folds, mean = len(differences), differences.mean()
    if n_folds < 2:
        return mean, np.nan, np.nan
    error = np.sqrt(differences.var(ddof=1) * (1 / n_folds + test_to_train))
    half_width = student.ppf((1 + confidence) / 2, n_folds - 1) * error
    if error == 0:
        return mean, half_width, float(mean == 0)
    return mean, half_width, 2 * student.sf(abs(mean) / error, n_folds - 1)


def summarise(folds, reference, confidence, *, keys=(), pool="n_train"):
    """Return the table of mean figures and RMSEP ratios, one row an estimator.

    Parameters
    ----------
    folds : DataFrame
        One row a trial (and target).
    reference : str
        The estimator in the denominator.
    confidence : float
        Of the interval of the ratio.
    keys : sequence of str
        Columns besides "estimator" that get rows of their own.
    pool : str
        Column with the n1 of the correction.
    """
    rows = []
    blocks = folds.groupby(list(keys), sort=False) if keys else [((), folds)]
    for key, block in blocks:
        errors = block.pivot(
            index=["repeat", "fold"], columns="estimator", values="rmsep"
        )
        for name, part in block.groupby("estimator", sort=False):
            shared = (part["n_test"] / part[pool]).mean()
            with np.errstate(divide="ignore", invalid="ignore"):
                differences = np.log(errors[name]) - np.log(errors[reference])
            mean, width, p = corrected_interval(differences, shared, confidence)
            ratio = [1.0, 1.0, 1.0, np.nan]
            if name != reference:
                ratio = [*np.exp([mean, mean - width, mean + width]), p]
            spread = part["rmsep"].std() * np.sqrt(1 / len(part) + shared)
            means = part[["n_train", *FIGURES]].mean()
            rows.append([*key, name, *means, spread, *ratio])
    index = [*keys, "estimator"]
    columns = [*index, "n_train", *FIGURES, "rmsep_se", *RATIO]
    return pd.DataFrame(rows, columns=columns).set_index(index)
