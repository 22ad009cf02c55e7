"""What supervised estimators share: the pretrainer rule, inner split and probe."""

import copy
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, ShuffleSplit
from sklearn.utils.validation import check_is_fitted

from skspectra._pretrainer import MaskedSpectralPretrainer


def fit_pretrainer(pretrainer, X, random_state):
    """Return a fitted pretrainer, and where its encoder's weights came from.

    Parameters
    ----------
    pretrainer : MaskedSpectralPretrainer, FrozenEstimator or None
        As in :class:`SpectralRegressor`.
    X : array-like of shape (n_samples, n_channels)
        All spectra that `fit` got.
    random_state : RandomState
        Seeds a pretrainer that has no seed of its own.

    Returns
    -------
    pretrainer : MaskedSpectralPretrainer or FrozenEstimator
        Fitted.
    origin : {"frozen", "scratch", "fit"}
        Fixed beforehand, random, or trained on X just now.
    """
    seed = random_state.randint(2**31 - 1)
    if isinstance(pretrainer, FrozenEstimator):
        _check_frozen(pretrainer, X.shape[1])
        # A copy: what the user fits the original on later must not reach back.
        return copy.deepcopy(pretrainer), "frozen"
    if hasattr(pretrainer, "module_"):
        warnings.warn(
            "The pretrainer is fitted, but its weights are not used: like every "
            "nested estimator it is cloned and fitted again. To keep its weights, "
            "pass FrozenEstimator(pretrainer) from sklearn.frozen.",
            UserWarning,
            stacklevel=3,
        )
    own = MaskedSpectralPretrainer() if pretrainer is None else clone(pretrainer)
    if own.random_state is None:
        own.set_params(random_state=seed)
    return own.fit(X), "fit" if own.max_epochs else "scratch"


def _check_frozen(frozen, n_channels):
    if not isinstance(frozen.estimator, MaskedSpectralPretrainer):
        raise TypeError(
            "The FrozenEstimator passed as pretrainer must hold a "
            f"MaskedSpectralPretrainer. Got {frozen.estimator!r} instead."
        )
    try:
        check_is_fitted(frozen.estimator)
    except NotFittedError as error:
        raise NotFittedError(
            "The pretrainer inside FrozenEstimator is not fitted. Fit it on a pool of "
            "spectra first, or pass it without FrozenEstimator to have it fitted on X."
        ) from error
    if frozen.n_features_in_ != n_channels:
        raise ValueError(
            f"X has {n_channels} channels, but the pretrainer was fitted on "
            f"{frozen.n_features_in_}. Resample X to the pretrainer's channels, or "
            "pretrain again."
        )


def validation_rows(n_rows, groups, fraction, random_state):
    """Choose the rows that early stopping watches.

    Parameters
    ----------
    n_rows : int
        Number of labelled rows.
    groups : ndarray of shape (n_rows,) or None
        Rows of one group stay together.
    fraction : float
        Part of the rows, or of the groups, to set aside.
    random_state : RandomState
        Shuffles.

    Returns
    -------
    bool ndarray of shape (n_rows,)
        True for the rows set aside.

    Raises
    ------
    ValueError
        If fewer than 2 rows, or no group, would be left to train on.
    """
    splitter = ShuffleSplit if groups is None else GroupShuffleSplit
    n_units = n_rows if groups is None else len(np.unique(groups))
    fewest = 2 if groups is None else 1
    if n_units - np.ceil(fraction * n_units) < fewest:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} leaves too "
            f"little to train on: there are {n_units} labelled "
            f"{'rows' if groups is None else 'groups'}. Lower validation_fraction, "
            "pass X_val and y_val, or set early_stopping=False."
        )
    split = splitter(n_splits=1, test_size=fraction, random_state=random_state)
    _, set_aside = next(split.split(np.zeros(n_rows), groups=groups))
    return np.isin(np.arange(n_rows), set_aside)


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
        cv = None
        if groups is not None and len(np.unique(groups[known])) > 1:
            n_splits = min(5, len(np.unique(groups[known])))
            cv = list(GroupKFold(n_splits).split(target[known], groups=groups[known]))
        # Squared error, as in the closed form: R² needs two rows in a fold.
        scoring = "neg_mean_squared_error"
        ridge = RidgeCV(alphas=np.logspace(-8, 2, 21), scoring=scoring, cv=cv)
        ridge.fit(centred / scale, target[known])
        coef.append(ridge.coef_ / scale)
        intercept.append(target[known].mean() - features[known].mean(axis=0) @ coef[-1])
    return np.array(coef), np.array(intercept)
