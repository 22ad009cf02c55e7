"""Chemometric figures of merit, each with its formula pinned.

The same three letters mean different numbers in different programs, so every
docstring states sign, divisor and quantile rule. Throughout, n is the number of
samples and e = y_pred - y_true. For RMSEP and R² take
:func:`sklearn.metrics.root_mean_squared_error` and
:func:`sklearn.metrics.r2_score`, which go by the same signature.
"""

import numpy as np
from sklearn.metrics import root_mean_squared_error
from sklearn.utils.validation import check_array, check_consistent_length

from skspectra._validation import StrOptions, validate_params

__all__ = ["bias", "concordance_correlation", "rpd", "rpiq", "sep"]

_COMMON = {
    "y_true": ["array-like"],
    "y_pred": ["array-like"],
    "multioutput": [StrOptions({"raw_values", "uniform_average"}), "array-like"],
}


@validate_params(_COMMON, prefer_skip_nested_validation=True)
def bias(y_true, y_pred, *, multioutput="uniform_average"):
    """Return the mean error: by how much predictions are too high.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_targets)
        Reference values.
    y_pred : array-like of shape (n_samples,) or (n_samples, n_targets)
        Predictions.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape \
(n_targets,), default="uniform_average"
        "raw_values" returns a value for each target, else their (weighted) mean,
        in which biases of opposite sign cancel.

    Returns
    -------
    bias : float or ndarray of shape (n_targets,)
        In the units of y. Positive where predictions are too high.

    See Also
    --------
    sep : The error that is left once the bias is taken away.

    Notes
    -----
    bias = mean(y_pred - y_true). Some programs use the opposite sign. It is no
    score: neither more nor less of it is better, only less of its absolute value.

    References
    ----------
    T. Næs et al., "A User-Friendly Guide to Multivariate Calibration and
    Classification", NIR Publications, 2002, in the chapter on validation.

    Examples
    --------
    >>> from skspectra.metrics import bias
    >>> bias([1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    0.5
    """
    y_true, y_pred = _check_targets(y_true, y_pred, min_samples=1)
    return _average((y_pred - y_true).mean(axis=0), multioutput)


@validate_params(_COMMON, prefer_skip_nested_validation=True)
def sep(y_true, y_pred, *, multioutput="uniform_average"):
    """Return the standard error of prediction, corrected for bias.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_targets)
        Reference values, of at least two samples.
    y_pred : array-like of shape (n_samples,) or (n_samples, n_targets)
        Predictions.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape \
(n_targets,), default="uniform_average"
        "raw_values" returns a value for each target, else their (weighted) mean.

    Returns
    -------
    sep : float or ndarray of shape (n_targets,)
        In the units of y, never negative.

    See Also
    --------
    bias : The part that SEP leaves out.
    sklearn.metrics.root_mean_squared_error : Both parts together.

    Notes
    -----
    SEP = sqrt(sum((e - mean(e))**2) / (n - 1)), the standard deviation of the errors
    with ddof=1. Exactly, RMSEP**2 = bias**2 + SEP**2 * (n - 1) / n.

    References
    ----------
    T. Næs et al., "A User-Friendly Guide to Multivariate Calibration and
    Classification", NIR Publications, 2002, in the chapter on validation.

    Examples
    --------
    >>> from skspectra.metrics import sep
    >>> sep([1.0, 2.0, 3.0], [2.0, 2.0, 4.0])
    0.577...

    To choose parameters by it:

    >>> from sklearn.metrics import make_scorer
    >>> make_scorer(sep, greater_is_better=False)
    make_scorer(sep, greater_is_better=False, ...)
    """
    y_true, y_pred = _check_targets(y_true, y_pred, min_samples=2)
    return _average((y_pred - y_true).std(axis=0, ddof=1), multioutput)


@validate_params(
    {**_COMMON, "error": [StrOptions({"sep", "rmsep"})]},
    prefer_skip_nested_validation=True,
)
def rpd(y_true, y_pred, *, error="sep", multioutput="uniform_average"):
    """Return the ratio of performance to deviation: spread of y over error.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_targets)
        Reference values, of at least two samples.
    y_pred : array-like of shape (n_samples,) or (n_samples, n_targets)
        Predictions.
    error : {"sep", "rmsep"}, default="sep"
        "sep" forgives a bias, "rmsep" does not. Say which one you report.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape \
(n_targets,), default="uniform_average"
        "raw_values" returns a value for each target, else their (weighted) mean.

    Returns
    -------
    rpd : float or ndarray of shape (n_targets,)
        Without unit; more is better. Infinite without any error, NaN if there is
        neither error nor spread.

    See Also
    --------
    rpiq : The same for reference values that are not normally distributed.
    sklearn.metrics.r2_score : With `error="rmsep"`, 1 - n / ((n - 1) * rpd**2).

    Notes
    -----
    RPD = sd(y_true) / SEP, both with ddof=1; with `error="rmsep"`
    RPD = sd(y_true) / RMSEP, where RMSEP = sqrt(mean(e**2)).

    References
    ----------
    P. C. Williams, D. C. Sobering, Journal of Near Infrared Spectroscopy 1 (1993)
    25-32. :doi:`10.1255/jnirs.3`

    Examples
    --------
    >>> from skspectra.metrics import rpd
    >>> rpd([1.0, 2.0, 3.0], [2.0, 2.0, 4.0])
    1.732...
    >>> rpd([1.0, 2.0, 3.0], [2.0, 2.0, 4.0], error="rmsep")
    1.224...
    """
    y_true, y_pred = _check_targets(y_true, y_pred, min_samples=2)
    size = sep if error == "sep" else root_mean_squared_error
    errors = size(y_true, y_pred, multioutput="raw_values")
    return _average(_ratio(y_true.std(axis=0, ddof=1), errors), multioutput)


@validate_params(_COMMON, prefer_skip_nested_validation=True)
def rpiq(y_true, y_pred, *, multioutput="uniform_average"):
    """Return the ratio of performance to interquartile distance.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_targets)
        Reference values, of at least two samples.
    y_pred : array-like of shape (n_samples,) or (n_samples, n_targets)
        Predictions.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape \
(n_targets,), default="uniform_average"
        "raw_values" returns a value for each target, else their (weighted) mean.

    Returns
    -------
    rpiq : float or ndarray of shape (n_targets,)
        Without unit; more is better. Infinite without any error, NaN if there is
        neither error nor spread.

    See Also
    --------
    rpd : The same with the standard deviation.

    Notes
    -----
    RPIQ = (Q3 - Q1) / RMSEP, where RMSEP = sqrt(mean(e**2)) and the quartiles of
    y_true are interpolated linearly between order statistics: quartile q lies at
    position q * (n - 1), counted from 0 (numpy's default, type 7 of Hyndman and
    Fan). Other rules differ visibly when samples are few.

    References
    ----------
    V. Bellon-Maurel et al., Trends in Analytical Chemistry 29 (2010) 1073-1081.
    :doi:`10.1016/j.trac.2010.05.006`

    Examples
    --------
    >>> from skspectra.metrics import rpiq
    >>> rpiq([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 4.0, 4.0])
    2.121...
    """
    y_true, y_pred = _check_targets(y_true, y_pred, min_samples=2)
    lower, upper = np.quantile(y_true, [0.25, 0.75], axis=0, method="linear")
    rmsep = root_mean_squared_error(y_true, y_pred, multioutput="raw_values")
    return _average(_ratio(upper - lower, rmsep), multioutput)


@validate_params(_COMMON, prefer_skip_nested_validation=True)
def concordance_correlation(y_true, y_pred, *, multioutput="uniform_average"):
    """Return Lin's concordance correlation: closeness to the line of identity.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_targets)
        Reference values, of at least two samples.
    y_pred : array-like of shape (n_samples,) or (n_samples, n_targets)
        Predictions.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape \
(n_targets,), default="uniform_average"
        "raw_values" returns a value for each target, else their (weighted) mean.

    Returns
    -------
    concordance : float or ndarray of shape (n_targets,)
        Between -1 and 1; 1 only if every prediction is right. NaN if neither
        y_true nor y_pred varies and they are equal.

    See Also
    --------
    sklearn.metrics.r2_score : Is not symmetric and has no lower bound.

    Notes
    -----
    CCC = 2 * cov(y_true, y_pred) / (var(y_true) + var(y_pred) + bias**2), where the
    covariance and both variances have the divisor n (ddof=0), as in Lin's paper.
    The divisor n - 1 gives a value slightly further from zero if there is a bias.
    It is symmetric: y_true and y_pred may change places.

    References
    ----------
    L. I.-K. Lin, Biometrics 45 (1989) 255-268. :doi:`10.2307/2532051`

    Examples
    --------
    >>> from skspectra.metrics import concordance_correlation
    >>> concordance_correlation([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    0.571...
    """
    y_true, y_pred = _check_targets(y_true, y_pred, min_samples=2)
    true_mean, pred_mean = y_true.mean(axis=0), y_pred.mean(axis=0)
    covariance = ((y_true - true_mean) * (y_pred - pred_mean)).mean(axis=0)
    distance = y_true.var(axis=0) + y_pred.var(axis=0) + (pred_mean - true_mean) ** 2
    return _average(_ratio(2 * covariance, distance), multioutput)


def _check_targets(y_true, y_pred, *, min_samples):
    """Return both as float64 of shape (n_samples, n_targets)."""
    arrays = []
    for y, name in ((y_true, "y_true"), (y_pred, "y_pred")):
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name=name)
        arrays.append(y.astype(np.float64).reshape(len(y), -1))
    check_consistent_length(*arrays)
    n_true, n_pred = (y.shape[1] for y in arrays)
    if n_true != n_pred:
        raise ValueError(f"y_true has {n_true} targets, but y_pred has {n_pred}.")
    if len(arrays[0]) < min_samples:
        raise ValueError(f"At least {min_samples} samples are needed. Got n_samples=1.")
    return arrays


def _ratio(numerator, denominator):
    """Divide; by zero is infinite, zero by zero NaN, without a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(numerator, denominator)


def _average(values, multioutput):
    """Return one value a target, or their (weighted) mean as a float."""
    if isinstance(multioutput, str):
        return values if multioutput == "raw_values" else float(values.mean())
    weights = check_array(multioutput, ensure_2d=False, input_name="multioutput")
    if weights.shape != values.shape:
        raise ValueError(
            f"multioutput must hold {len(values)} weights, one for each target. "
            f"Got shape {weights.shape} instead."
        )
    return float(np.average(values, weights=weights))
