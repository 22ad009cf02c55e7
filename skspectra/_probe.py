"""Linear maps on the output of a frozen encoder, their penalties cross-validated."""

import numpy as np
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV

from skspectra._folds import group_folds

# Penalties of the ridge regressions, for spectra at distance 1 from their centre.
_PENALTIES = np.logspace(-8, 2, 21)
# Inverse penalty of the logistic regressions on ridge scores, which lie around 0 and
# 1: the best of 1, 10, 30, 100 and 1000 on 40 and on 150 spectra of five public sets.
_C = 10.0


def fit_linear_probe(features, y, groups):
    """Fit a ridge regression on an encoder's output, its penalty cross-validated.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        From a frozen encoder.
    y : ndarray of shape (n_samples, n_targets)
        Standardised targets, NaN where unknown.
    groups : ndarray of shape (n_samples,) or None
        Kept together in up to five folds; without them each row is left out
        once, in closed form.

    Returns
    -------
    coef : ndarray of shape (n_targets, n_features)
        Weights.
    intercept : ndarray of shape (n_targets,)
        What is added.
    """
    coef, intercept = [], []
    for target in y.T:
        known = ~np.isnan(target)
        if known.sum() < 2:  # the rest went to early stopping: start from the mean
            coef.append(np.zeros(features.shape[1]))
            intercept.append(0.0)
            continue
        # Spectra become points at distance 1 from their centre, on average, so that
        # one list of penalties serves encoders of any width.
        centred = features[known] - features[known].mean(axis=0)
        scale = np.sqrt((centred**2).sum(axis=1).mean()) or 1.0
        own_groups = None if groups is None else groups[known]
        if own_groups is not None and len(np.unique(own_groups)) > 1:
            ridge = Ridge(_grouped_penalty(centred / scale, target[known], own_groups))
        else:
            ridge = RidgeCV(alphas=_PENALTIES)
        ridge.fit(centred / scale, target[known])
        coef.append(ridge.coef_ / scale)
        intercept.append(target[known].mean() - features[known].mean(axis=0) @ coef[-1])
    return np.array(coef), np.array(intercept)


def _grouped_penalty(x, y, groups):
    """Return the penalty with the lowest squared error over folds of whole groups.

    The one that RidgeCV finds, in a tenth of its time: products of spectra are
    computed once and decomposed once a fold, for all penalties.
    """
    products, errors = x @ x.T, []
    n_splits = min(5, len(np.unique(groups)))
    for train, test in group_folds(n_splits, groups):
        within, across = products[np.ix_(train, train)], products[np.ix_(test, train)]
        mean = within.mean(axis=0)
        across = across - across.mean(axis=1, keepdims=True) - mean + mean.mean()
        variance, axes = np.linalg.eigh(within - mean - mean[:, None] + mean.mean())
        along = axes.T @ (y[train] - y[train].mean())
        dual = axes @ (along[:, None] / (np.maximum(variance, 0)[:, None] + _PENALTIES))
        missed = across @ dual + y[train].mean() - y[test, None]
        errors.append((missed**2).mean(axis=0))
    return _PENALTIES[np.mean(errors, axis=0).argmin()]


def fit_class_probe(features, y, groups):
    """Fit a logistic regression on ridge scores of the classes.

    A ridge regression for each class, 1 in it and 0 outside, gives scores; a
    multinomial logistic regression on scores of rows that were left out makes
    probabilities of them. The two are one linear map.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        From a frozen encoder.
    y : ndarray of shape (n_samples, n_classes)
        1 for the class of a row, 0 for the others.
    groups : ndarray of shape (n_samples,) or None
        Kept together in up to five folds, classes spread over them.

    Returns
    -------
    coef : ndarray of shape (n_classes, n_features)
        Weights; their map gives the logarithms of the classes' odds.
    intercept : ndarray of shape (n_classes,)
        What is added.
    """
    labels = y.argmax(axis=1)
    scores, coef, intercept = _ridge_scores(features, y, labels, groups)
    weights, bias = _calibrate(scores, labels, y.shape[1])
    return weights @ coef, weights @ intercept + bias


def fit_label_probe(features, y, groups):
    """Fit a logistic regression on the ridge score of each label.

    Like `fit_class_probe`, with labels that are there or not, one by one.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        From a frozen encoder.
    y : ndarray of shape (n_samples, n_labels)
        1 or 0, NaN where unknown.
    groups : ndarray of shape (n_samples,) or None
        Kept together in up to five folds.

    Returns
    -------
    coef : ndarray of shape (n_labels, n_features)
        Weights; their map gives the logarithm of each label's odds.
    intercept : ndarray of shape (n_labels,)
        What is added.
    """
    coef = np.zeros((y.shape[1], features.shape[1]))
    intercept = np.zeros(y.shape[1])
    # Labels that are known in the same rows share the decompositions.
    patterns, which = np.unique(~np.isnan(y), axis=1, return_inverse=True)
    for number, known in enumerate(patterns.T):
        if not known.any():  # all went to early stopping: start from even odds
            continue
        columns = np.flatnonzero(which.ravel() == number)
        values = y[known][:, columns]
        own_groups = None if groups is None else groups[known]
        # Rows are spread over the folds by how many labels they have: where there is
        # one label, by its class.
        scores, ridge, constant = _ridge_scores(
            features[known], values, values.sum(axis=1), own_groups
        )
        for j, column in enumerate(columns):
            weights, bias = _calibrate(scores[:, [j]], values[:, j].astype(int), 2)
            slope = weights[1, 0] - weights[0, 0]
            coef[column] = slope * ridge[j]
            intercept[column] = slope * constant[j] + bias[1] - bias[0]
    return coef, intercept


def _ridge_scores(features, y, strata, groups):
    """Return ridge scores of left-out rows, and the map fitted to all rows."""
    if len(y) < 2:  # the rest went to early stopping
        return np.zeros(y.shape), np.zeros((y.shape[1], features.shape[1])), y[0] * 0.0
    mean = features.mean(axis=0)
    scale = np.sqrt(((features - mean) ** 2).sum(axis=1).mean()) or 1.0
    # A ridge regression stays in the span of its spectra, so no more numbers than
    # spectra are needed, however wide the encoder.
    _, size, axes = np.linalg.svd((features - mean) / scale, full_matrices=False)
    axes = axes[: max(1, (size > 1e-7 * size[0]).sum())]
    x = (features - mean) / scale @ axes.T
    whole, constant = _ridge_path(x, y)
    path = np.empty((len(_PENALTIES), *y.shape))
    for columns, fold in _splits(y, strata, groups):
        values = y[~fold][:, columns]
        coef, intercept = _ridge_path(x[~fold], values)
        # A class of one row is judged by the map that has seen it: no other knows it.
        lone = np.ptp(values, axis=0) == 0
        coef[..., lone] = whole[..., columns[lone]]
        intercept[..., lone] = constant[..., columns[lone]]
        place = np.ix_(np.arange(len(_PENALTIES)), np.flatnonzero(fold), columns)
        path[place] = x[fold] @ coef + intercept[:, None]
    best = ((path - y) ** 2).mean(axis=1).argmin(axis=0)
    each = np.arange(y.shape[1])
    coef, intercept = whole[best, :, each] @ axes / scale, constant[best, each]
    return path[best, :, each].T, coef, intercept - coef @ mean


def _ridge_path(x, y):
    """Return weights (n_penalties, n_features, n_targets) and what is added."""
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    variance, axes = np.linalg.eigh(x.T @ x)
    shrunk = (axes.T @ (x.T @ y)) / (variance[:, None] + _PENALTIES[:, None, None])
    coef = axes @ shrunk
    return coef, y_mean - x_mean @ coef


def _splits(y, strata, groups):
    """Yield columns of y and a test set for them, as a bool array.

    Groups stay whole, but for a class that a fold would leave no other row of: its
    scores there would be the lowest, and its map turned upside down.
    """
    columns = np.arange(y.shape[1])
    folds = list(_folds(strata, groups))
    lost = np.any([np.ptp(y[~fold], axis=0) == 0 for fold in folds], axis=0)
    if groups is not None and lost.any():
        yield from ((columns[lost], fold) for fold in _folds(strata, None))
        columns = columns[~lost]
    if len(columns):
        yield from ((columns, fold) for fold in folds)


def _folds(strata, groups):
    """Yield up to five test sets as bool arrays, each class spread over them."""
    units = np.arange(len(strata)) if groups is None else groups
    if len(np.unique(units)) < 2:
        units = np.arange(len(strata))
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    n_folds = min(5, len(first))
    fold = np.empty(len(first), dtype=int)
    fold[np.argsort(strata[first], kind="stable")] = np.arange(len(first)) % n_folds
    for number in range(n_folds):
        yield fold[unit] == number


def _calibrate(scores, labels, n_classes):
    """Return the weights and biases that turn scores into logarithms of odds."""
    weights, bias = np.zeros((n_classes, scores.shape[1])), np.zeros(n_classes)
    present = np.unique(labels)
    if len(present) > 1:
        logistic = LogisticRegression(C=_C, max_iter=1000).fit(scores, labels)
        slopes, constants = logistic.coef_, logistic.intercept_
        if len(present) == 2:
            slopes, constants = np.vstack([-slopes, slopes]) / 2, constants[0] / 2
            constants = np.array([-constants, constants])
        weights[present], bias[present] = slopes, constants
    # A class whose rows all went to early stopping: as if half a row were of it.
    absent = np.setdiff1d(np.arange(n_classes), present)
    centre = weights[present] @ scores.mean(axis=0) + bias[present]
    bias[absent] = logsumexp(centre) - np.log(2 * len(labels))
    return weights, bias


def token_means(features, n_tokens, missing=None):
    """Return the mean of each token over the spectra that have it.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_tokens * embed_dim)
        All tokens side by side.
    n_tokens : int
        Number of tokens.
    missing : bool ndarray of shape (n_samples, n_tokens), default=None
        True for tokens that are not there.

    Returns
    -------
    ndarray of shape (n_tokens, embed_dim)
        Zeros for a token that no spectrum has.
    """
    tokens = features.reshape(len(features), n_tokens, -1)
    there = np.ones(tokens.shape[:2], dtype=bool) if missing is None else ~missing
    n_there = np.maximum(there.sum(axis=0), 1)
    return tokens.sum(axis=0, where=there[..., None]) / n_there[:, None]
