"""compare: several estimators on the same folds, with an honest ratio of errors."""

from numbers import Integral, Real

import pandas as pd

from skspectra._validation import Interval, generator, seed_of, validate_parameters
from skspectra.evaluation._comparison import Comparison
from skspectra.evaluation._settings import describe_settings
from skspectra.evaluation._splits import (
    check_estimators,
    check_samples,
    make_splits,
)
from skspectra.evaluation._statistics import summarise
from skspectra.evaluation._trials import run_trials

__all__ = ["compare"]


CONSTRAINTS = {
    "estimators": [dict, list],
    "X": ["array-like", "sparse matrix"],
    "y": ["array-like"],
    "cv": ["cv_object"],
    "n_repeats": [Interval(Integral, 1, None, closed="left")],
    "groups": ["array-like", None],
    "reference": [str, None],
    "n_jobs": [Integral, None],
    "random_state": ["random_state"],
    "confidence": [Interval(Real, 0, 1, closed="neither")],
    "verbose": ["verbose"],
}


def compare(
    estimators,
    X,
    y,
    *,
    cv=5,
    n_repeats=1,
    groups=None,
    reference=None,
    n_jobs=None,
    random_state=None,
    confidence=0.95,
    verbose=0,
):
    """Compare estimators on the same folds, and say how sure the difference is.

    Every estimator is cloned and fitted anew on each fold, so that nothing it
    learns, pretraining and tuning included, has seen the rows it is tested on.

    Parameters
    ----------
    estimators : dict of str to estimator, or list of (str, estimator)
        What is compared, by name. Parameters named `random_state` that are None, at
        any depth, get a seed that depends on the fold and not on the estimator.
    X : array-like of shape (n_samples, n_channels)
        Spectra, one a row, passed on as they are.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Reference values. A row with a NaN is unlabelled: it is never tested on,
        and trained on by those estimators only that can use it (all its targets are
        NaN then). Several targets are predicted together and judged one by one.
    cv : int, splitter, iterable of (train, test) or None, default=5
        An integer is the number of folds, made anew for each repeat: of whole
        groups with `groups`, else of rows, both shuffled; None means 5. A splitter
        splits the labelled rows, and unlabelled ones join every training set. An
        iterable gives row numbers of X, unlabelled rows among them. Where a row
        is tested again, a new repeat is counted.
    n_repeats : int, default=1
        How often the folds of an integer `cv` are drawn.
    groups : array-like of shape (n_samples,), default=None
        What each row belongs to: a sample, a batch, a core. No group is on both
        sides of a split, unlabelled rows included, and an estimator whose `fit`
        takes `groups`, or whose `cv` is a splitter of groups, is given them for its
        own splits. (A search whose `cv` is an integer splits by row: give it
        :class:`~sklearn.model_selection.GroupKFold`.)
    reference : str, default=None
        Name of the estimator in the denominator of the ratio; None means the first.
    n_jobs : int, default=None
        How many fits run at once. The figures do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Decides the folds and the seeds. None draws new ones each time.
    confidence : float, default=0.95
        Of the interval of the ratio, in (0, 1).
    verbose : int, default=0
        From 1 on, a bar on the standard error stream counts the fits.

    Returns
    -------
    comparison : Comparison
        Tables and drawings.

    Raises
    ------
    ValueError
        If names repeat or `reference` is none of them; if lengths differ; if no
        row, or no row of a fold, has a reference value; if there are fewer groups
        (or rows) than folds; if a group or a row is on both sides of a split.
    Exception
        Whatever an estimator raises, with a note of its name and fold.

    Warns
    -----
    UserWarning
        If an estimator has a fitted `pretrainer` that is not frozen: the clone
        loses its weights.
    TransductiveWarning
        If test spectra were among those that a frozen part of an estimator was
        trained on; once an estimator.

    See Also
    --------
    pls_baseline : What to compare with.
    label_efficiency_curve : The same at several numbers of labelled rows.

    Notes
    -----
    With n rows in a test fold and e the predicted minus the measured values, RMSEP
    is sqrt(mean(e^2)); the other figures are those of :mod:`skspectra.metrics` and
    :func:`sklearn.metrics.r2_score`, per fold. Those that need the spread of the
    fold are NaN in a fold of one row, and the means of the table leave them out.

    The ratio of RMSEP is exp(mean(d)), where d_j is the logarithm of the ratio in
    fold j of J. Folds share training rows, which makes the usual t-test see
    differences that are not there. The variance of mean(d) is therefore taken as
    s^2 (1 / J + n2 / n1) with s^2 the variance of d, n2 test rows and n1 labelled
    training rows (the mean of n2 / n1 over folds), and mean(d) / sqrt(that) is
    referred to Student's t with J - 1 degrees of freedom: the corrected resampled
    t-test of [1]_, recommended for repeated cross-validation by [2]_. Interval and
    p-value are NaN for one fold, and where an error is exactly zero.

    Comparing many rivals, expect one in twenty to differ by chance at 0.95.

    A `FrozenEstimator` keeps what it learnt before. If that was on the spectra
    compared here, test spectra were seen without their reference values: such a
    comparison is transductive and should be called so. Models record hashes of their
    training spectra, so this warns and counts the rows as `n_seen`. A spectrum is known
    again after offset and scale were changed, as by
    :class:`~skspectra.InstanceNormalizer`, and after the steps of its own pipeline;
    one with other noise, rounded to few digits, resampled or treated outside is not.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the Generalization Error", Machine
       Learning 52 (2003) 239-281. :doi:`10.1023/A:1024068626366`
    .. [2] R. R. Bouckaert, E. Frank, "Evaluating the Replicability of Significance
       Tests for Comparing Learning Algorithms", PAKDD 2004, 3-12.
       :doi:`10.1007/978-3-540-24775-3_3`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn.linear_model import Ridge
    >>> from skspectra.evaluation import compare
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 10))
    >>> y = X[:, 0] + 0.1 * rng.normal(size=60)
    >>> estimators = {"mean": DummyRegressor(), "ridge": Ridge()}
    >>> comparison = compare(estimators, X, y, random_state=0)
    >>> comparison.table[["rmsep", "rmsep_ratio"]].round(2)
               rmsep  rmsep_ratio
    estimator
    mean        0.91         1.00
    ridge       0.11         0.12
    >>> print(comparison.verdict)
    The error of 'ridge' is 88 % lower than that of 'mean' (95 % interval 76 to 94 %;
    5 folds).
    """
    validate_parameters(CONSTRAINTS, locals(), "compare")
    estimators, reference = check_estimators(estimators, reference)
    samples = check_samples(X, y, groups)
    seed = seed_of(random_state)
    settings = describe_settings(estimators, cv, n_repeats, seed)
    splits = make_splits(samples, cv, n_repeats, generator(seed))
    trials = run_trials(estimators, samples, splits, n_jobs=n_jobs, verbose=verbose)
    folds = pd.DataFrame([row for *_, trial in trials for row in trial.figures])
    predictions = _predictions(trials, samples)
    keys = ["target"] if len(samples.targets) > 1 else []
    if not keys:
        folds = folds.drop(columns="target")
        predictions = predictions.drop(columns="target")
    return Comparison(
        folds=folds,
        table=summarise(folds, reference, confidence, keys=keys),
        predictions=predictions,
        reference=reference,
        confidence=confidence,
        grouped=samples.groups is not None,
        settings=settings,
    )


def _predictions(trials, samples):
    """Return the held-out predictions, one row a repeat, row of X and target."""
    blocks = {}
    for name, split, trial in trials:
        for k, target in enumerate(samples.targets):
            block = {"row": split.test, "repeat": split.repeat, "fold": split.fold}
            block["target"] = target
            if samples.groups is not None:
                block["group"] = samples.groups[split.test]
            block["measured"] = samples.y[split.test, k]
            block = blocks.setdefault((split.repeat, split.fold, k), block)
            block[name] = trial.predicted[:, k]
    return pd.concat(map(pd.DataFrame, blocks.values()), ignore_index=True)
