"""The baseline that every figure is held against."""

from skspectra._tuned_pls import TunedPLS

__all__ = ["TunedPLS", "pls_baseline"]


def pls_baseline():
    """Return PLS tuned as a chemometrician would, not yet fitted.

    The baseline of this package: treatment (none, SNV, first and second derivative,
    and SNV before either) and 1 to 20 components are chosen by five-fold
    cross-validation inside the training data, groups kept whole.

    Returns
    -------
    estimator : TunedPLS
        With the default parameters.

    See Also
    --------
    TunedPLS : The estimator, for other windows, folds or rules.
    compare : Holds any estimator against this one.

    Examples
    --------
    >>> from skspectra.evaluation import pls_baseline
    >>> pls_baseline()
    TunedPLS()
    """
    return TunedPLS()
