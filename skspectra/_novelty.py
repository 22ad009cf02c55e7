"""SpectralNoveltyDetector: tell spectra that do not look like those of fit."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skspectra._callbacks import CallbackMixin, inner_fit, tells_callbacks
from skspectra._inputs import (
    check_answers,
    check_columns,
    check_spectra,
    check_unit,
    known_axis,
    warn_caller,
)
from skspectra._pickling import PicklableEstimator
from skspectra._pls_path import make_splits
from skspectra._ranges import reach_of_groups
from skspectra._subspace import (
    Subspace,
    distances,
    most_likely_size,
    principal_axes,
    smallest_square,
)
from skspectra._validation import (
    HasMethods,
    Interval,
    RealNotInt,
    generator,
    seed_of,
    validate_parameters,
)
from skspectra.exceptions import TransductiveWarning


def _has_no_pretrainer(detector):
    return getattr(detector, "pretrainer_", detector.pretrainer) is None


class SpectralNoveltyDetector(
    OutlierMixin, CallbackMixin, PicklableEstimator, BaseEstimator
):
    """Tell spectra that do not look like those of `fit`.

    Without a pretrainer, principal components of the spectra of `fit` are the judge:
    a spectrum is foreign if too much of it lies beyond them (its squared residual,
    called Q or SPE), or if it lies too far out among them (Hotelling's T² [1]_).
    With one, it is foreign if the network rebuilds its hidden parts too badly.

    What is too much is not read from spectra that were fitted, whose residuals are too
    small, but from spectra of `fit` that were held out.

    Parameters
    ----------
    pretrainer : MaskedSpectralPretrainer, FrozenEstimator or None, default=None
        None means principal components. A pretrainer is cloned and fitted on X, and
        once more for each fold of `cv`. Weights trained before come in as
        :class:`~sklearn.frozen.FrozenEstimator`: nothing is trained then, and X should
        be other spectra than those of that training.
    n_components : int, float or None, default=None
        Number of principal components, or the share of the variance that they are to
        have, in (0, 1). None takes the number under which held-out spectra are
        likeliest. Ignored with a pretrainer.
    false_alarm_rate : float, default=0.05
        Part of spectra like those of `fit` that is to be flagged, in (0, 0.5]. Of
        n spectra, or n groups, it cannot be less than 1 / (n + 1): 19 are needed for
        0.05, and 99 for 0.01. `false_alarm_rate_` is what was reached.
    cv : int, splitter, iterable of (train, test) or None, default=5
        How spectra are held out, as in :class:`PLSRegressionCV`. Ignored with a
        FrozenEstimator.
    random_state : int, RandomState instance or None, default=None
        Seeds a pretrainer that has no seed of its own. Ignored without one.

    Attributes
    ----------
    offset_ : float
        The lowest score that is not flagged; -1 without a pretrainer.
    false_alarm_rate_ : float
        Part of new spectra that is flagged on average if they are like those of
        `fit`: the rate asked for, rounded down to what so many spectra or groups can
        tell, or 1 / (n + 1) where even this is more.
    held_out_scores_ : ndarray of shape (n_samples,)
        Score of each spectrum of `fit` when it was held out, the mean where it was so
        more than once; NaN where never. The lowest ones are outliers of X itself.
    n_components_ : int or None
        Number of principal components, perhaps 0; None with a pretrainer.
    q_limit_, t2_limit_ : float or None
        A spectrum is foreign if its Q or its T² is above; None with a pretrainer.
    mean_ : ndarray of shape (n_channels,) or None
        Mean spectrum of the principal components.
    components_ : ndarray of shape (`n_components_`, n_channels) or None
        The principal axes.
    explained_variance_ : ndarray of shape (`n_components_`,) or None
        Variance along each axis.
    pretrainer_ : MaskedSpectralPretrainer, FrozenEstimator or None
        The fitted pretrainer.
    encoder_origin_ : {"fit", "frozen", "scratch"} or None
        Where its weights came from: X, before, or nowhere.
    x_axis_ : ndarray of shape (n_channels,) or None
        The axis that the column names of X tell, where they are numbers; else that
        of the pretrainer.
    n_features_in_ : int
        Number of channels seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_channels,)
        Names of the channels, where X has names that are strings.

    See Also
    --------
    InstanceNormalizer : Put before this, it has shapes compared and not heights.
    MaskedSpectralPretrainer.score_samples : The score without a limit.

    Notes
    -----
    The score is the negative of the larger of Q / `q_limit_` and T² / `t2_limit_`,
    whose upper quartiles are alike among held-out spectra; with a pretrainer it is the
    negative mean squared error of hidden channels. In neither the unit of X matters.

    Of n held-out scores the k-th lowest is the limit, with k the whole part of
    (n + 1) `false_alarm_rate` and at least 1. A further spectrum, were it exchangeable
    with these, would fall below it with the probability k / (n + 1). It is not quite:
    it is judged by a model of all spectra, and they by models of a part, so that fewer
    are flagged: of 0.05, 0.018 where 19 simulated spectra were fitted, 0.026 of 40 and
    0.037 of 200. Spectra of a new group are another matter: pass `groups`, so that
    held-out spectra are of new groups too, and each group counts as one spectrum.

    The number of components is the one with the highest likelihood of held-out spectra
    under probabilistic PCA [2]_. On eight of ten public sets it flagged more weak
    bands, noise and spikes, most often far more, than numbers that keep 95 or 99 % of
    the variance; on the other two none of these was found by any number. 99.99 % found
    more on two sets (25 components in place of 14 for 54 spectra of corn, 119 in place
    of 76 for tablets), less on two, and as many on the others.

    References
    ----------
    .. [1] J. E. Jackson, G. S. Mudholkar, "Control procedures for residuals
       associated with principal component analysis", Technometrics 21 (1979) 341-349.
       :doi:`10.1080/00401706.1979.10489779`
    .. [2] M. E. Tipping, C. M. Bishop, "Probabilistic principal component analysis",
       Journal of the Royal Statistical Society B 61 (1999) 611-622.
       :doi:`10.1111/1467-9868.00196`

    Examples
    --------
    >>> from skspectra import SpectralNoveltyDetector
    >>> from skspectra.datasets import make_nir_mixtures
    >>> X = make_nir_mixtures(n_samples=200, n_channels=60, random_state=0).data
    >>> detector = SpectralNoveltyDetector().fit(X[:100])
    >>> bool((detector.predict(X[100:]) == -1).mean() < 0.12)
    True
    >>> other = make_nir_mixtures(n_samples=100, n_channels=60, random_state=1).data
    >>> bool((detector.predict(other) == -1).all())
    True
    """

    _parameter_constraints: dict = {
        # `_fit_pretrainer` asks for more, which takes torch and so seconds to import.
        "pretrainer": [HasMethods(["fit", "score_samples"]), None],
        "n_components": [
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
        "false_alarm_rate": [Interval(Real, 0, 0.5, closed="right")],
        "cv": ["cv_object"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        pretrainer=None,
        *,
        n_components=None,
        false_alarm_rate=0.05,
        cv=5,
        random_state=None,
    ):
        self.pretrainer = pretrainer
        self.n_components = n_components
        self.false_alarm_rate = false_alarm_rate
        self.cv = cv
        self.random_state = random_state

    @tells_callbacks
    def fit(self, X, y=None, *, groups=None):
        """Learn what spectra look like, and how far held-out ones are from that.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra that are as they should be, one a row. At least two. With a
            pretrainer missing channels may be NaN, as in its own `fit`.
        y : Ignored
            Not used, present for API consistency by convention.
        groups : array-like of shape (n_samples,), default=None
            What each row belongs to: a sample measured repeatedly, a batch, a field.
            No group is both fitted and held out; else the limit would be that of
            repeated measurements, and new samples would be flagged.

        Returns
        -------
        self : SpectralNoveltyDetector
            The fitted detector.

        Raises
        ------
        ValueError
            If a parameter or the spectra are not as described.

        Warns
        -----
        TransductiveWarning
            If a frozen pretrainer was trained on some of these spectra.
        """
        self._validate_params()
        table = X
        allowed = {"ensure_min_samples": 2, "allow_gaps": self._allows_gaps()}
        X = check_spectra(self, X, reset=True, dtype=np.float64, **allowed)
        splits = make_splits(self.cv, X, np.zeros(len(X)), groups, "min")
        units = np.arange(len(X)) if groups is None else np.asarray(groups)
        if self.pretrainer is None:
            self._fit_subspace(np.ascontiguousarray(X), splits, units)
        else:
            self._fit_pretrainer(table, X, splits, units)
        return self

    def score_samples(self, X):
        """Return how much each spectrum looks like those of `fit`: low is foreign.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of those of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            0 at most. Without a pretrainer -1 is where Q or T² reaches its limit; with
            one, -inf is a spectrum with less than two patches that can be seen.
        """
        check_is_fitted(self)
        if self.pretrainer_ is not None:
            return self._pretrainer_scores(X)
        return -self._relative(*self._distances(X))

    def decision_function(self, X):
        """Return `score_samples` above the limit: negative is foreign.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of those of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            `score_samples(X) - offset_`.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Tell which spectra look like those of `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of those of `fit`.

        Returns
        -------
        ndarray of int of shape (n_samples,)
            1 for these, -1 for foreign ones.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    @available_if(_has_no_pretrainer)
    def statistics(self, X):
        """Return what chemometricians draw against each other: Q and T².

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of those of `fit`.

        Returns
        -------
        Bunch
            With `q`, ndarray of shape (n_samples,): the sum over channels of the
            squared residual, in the unit of X squared; and `t2`, of the same shape:
            the sum of squared scores, each divided by its variance in `fit`.
        """
        check_is_fitted(self)
        q, t2 = self._distances(X)
        return Bunch(q=q, t2=t2)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "offset_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if isinstance(self.pretrainer, BaseEstimator):
            tags.input_tags = get_tags(self.pretrainer).input_tags
        return tags

    def _allows_gaps(self):
        return get_tags(self).input_tags.allow_nan

    def _fit_subspace(self, X, splits, units):
        check_unit(X, "X")
        size, whole = self.n_components, principal_axes(X)
        if size is None:
            size = most_likely_size(X, splits)
        elif size < 1:
            size = whole.size_of_share(size)
        subspace = whole.cut(size)
        held_out = np.zeros((3, len(X)))  # Q, T², how often
        for train, test in splits:
            held_out[:2, test] += distances(principal_axes(X[train]).cut(size), X[test])
            held_out[2, test] += 1
        with np.errstate(invalid="ignore"):
            q, t2 = held_out[:2] / held_out[2]
        self.pretrainer_, self.encoder_origin_ = None, None
        self.n_components_ = len(subspace.axes)
        self.mean_, self.components_ = subspace.mean, subspace.axes
        self.explained_variance_ = subspace.variances
        self.q_limit_, self.t2_limit_ = self._both_limits(q, t2, units)
        self._set_limit(-self._relative(q, t2), units)

    def _n_fit_tasks(self):
        return 0 if self.pretrainer is None else None  # as many as the folds

    def _fit_pretrainer(self, table, X, splits, units):
        # They import torch, which principal components can do without.
        from skspectra._pretrainer import MaskedSpectralPretrainer
        from skspectra._supervised import fit_pretrainer

        kinds = {"pretrainer": [MaskedSpectralPretrainer, FrozenEstimator]}
        given = {"pretrainer": self.pretrainer}
        validate_parameters(kinds, given, type(self).__name__)
        seed = seed_of(self.random_state)
        fit = {"random_state": generator(seed), "any_seed": self.random_state is None}
        pretrainer, origin = fit_pretrainer(self.pretrainer, X, outer=self, **fit)
        check_columns(table, known_axis(pretrainer), type(self).__name__)
        if self.x_axis_ is None:
            self.x_axis_ = known_axis(pretrainer)
        if origin == "frozen":
            self._warn_of_seen(pretrainer, X)
            scores = _rebuilt(pretrainer, X)
        else:
            scores = _held_out_scores(self, pretrainer, X, splits)
        self.pretrainer_, self.encoder_origin_ = pretrainer, origin
        self.n_components_ = self.q_limit_ = self.t2_limit_ = None
        self.mean_ = self.components_ = self.explained_variance_ = None
        self._set_limit(np.where(np.isinf(scores), np.nan, scores), units)

    def _warn_of_seen(self, frozen, X):
        from skspectra._provenance import were_among

        seen = were_among(X, frozen.estimator.provenance_.rows)
        if frozen.estimator.n_iter_ and seen.any():
            warn_caller(
                f"Of the {len(X)} spectra of fit, {seen.sum()} were among those that "
                "the frozen pretrainer was trained on. It may rebuild new ones worse, "
                "and too many would be flagged. Fit the detector on other spectra, or "
                "pass the pretrainer without FrozenEstimator.",
                TransductiveWarning,
            )

    def _both_limits(self, q, t2, units):
        """Return what Q and T² may be, so that as many as may be are above one of both.

        By their upper quartiles they are told what is as far: extremes of few spectra
        would make limits that two of them touch, one by Q and the other by T².
        """
        q = np.maximum(q, self._rounding_of_q())
        q_far, t2_far = np.nanquantile(q, 0.75), np.nanquantile(t2, 0.75)
        t2_far = t2_far or 1.0  # of no components all are 0
        limit, _ = self._limit(np.maximum(q / q_far, t2 / t2_far), units)
        return float(limit * q_far), float(limit * t2_far)

    def _rounding_of_q(self):
        return len(self.mean_) * smallest_square(self.mean_)

    def _limit(self, distances, units):
        """Return how far held-out spectra may be, and what part of new ones is farther.

        `units` are what counts as one: spectra, or their groups.
        """
        known = ~np.isnan(distances)
        distances, reach = reach_of_groups(distances[known], units[known])
        kept = np.searchsorted(reach, 1 - self.false_alarm_rate - 1e-9)
        kept = min(kept, len(reach) - 1)
        return float(distances[kept]), round(float(1 - reach[kept]), 12)

    def _set_limit(self, scores, units):
        """Set the offset, the last of all: with it the detector is fitted."""
        self.held_out_scores_ = scores
        limit, self.false_alarm_rate_ = self._limit(-scores, units)
        self.offset_ = -limit

    def _distances(self, X):
        X = check_spectra(self, X, dtype=np.float64)
        nothing = np.zeros(0)
        subspace = Subspace(
            self.mean_, self.components_, self.explained_variance_, nothing
        )
        with np.errstate(over="ignore", invalid="ignore"):
            q, t2 = distances(subspace, X)
        return check_answers(q), check_answers(t2)

    def _relative(self, q, t2):
        q = np.maximum(q, self._rounding_of_q())
        return np.maximum(q / self.q_limit_, t2 / self.t2_limit_)

    def _pretrainer_scores(self, X):
        check_columns(X, known_axis(self.pretrainer_), type(self).__name__)
        gaps = {"allow_gaps": self._allows_gaps()}
        X = check_spectra(self, X, dtype=np.float64, **gaps)
        return _rebuilt(self.pretrainer_, X)


def _rebuilt(pretrainer, X):
    """Return the scores of spectra, -inf where too little is there to judge by."""
    starts = np.arange(0, X.shape[1], pretrainer.patch_size_)
    whole = ~np.logical_or.reduceat(np.isnan(X), starts, axis=1)
    judged = whole.sum(axis=1) >= 2  # one is hidden, and rebuilt from the other
    scores = np.full(len(X), -np.inf)
    if judged.any():
        scores[judged] = check_answers(pretrainer.score_samples(X[judged]))
    return scores


def _held_out_scores(outer, pretrainer, X, splits):
    """Return the scores of held-out spectra, in the units of the fitted pretrainer.

    Each fold trains a copy; none of them goes on from the checkpoint of another.
    """
    copy = clone(pretrainer).set_params(checkpoint_dir=None)
    scores, n_times = np.zeros(len(X)), np.zeros(len(X))
    for train, test in splits:
        fold = clone(copy)
        with inner_fit(outer, "held-out fold", fold, X[train]):
            fold.fit(X[train])
        in_units = (fold.scale_ / pretrainer.scale_) ** 2
        scores[test] += _rebuilt(fold, X[test]) * in_units
        n_times[test] += 1
    with np.errstate(invalid="ignore"):
        return scores / n_times
