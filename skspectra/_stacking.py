"""SpectralStackingRegressor: PLS, Gaussian processes, perhaps an encoder, weighed."""

import math
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skspectra._callbacks import CallbackMixin, tells_callbacks
from skspectra._inference import check_training_device
from skspectra._inputs import (
    check_answers,
    check_calibration_data,
    check_columns,
    check_groups,
    check_size,
    check_spectra,
    known_axis,
    warn_caller,
)
from skspectra._pickling import PicklableEstimator
from skspectra._pls_path import fit_path, make_splits, predict_path
from skspectra._pretrainer import MaskedSpectralPretrainer
from skspectra._provenance import identity, provenance
from skspectra._ranges import quantile_of_groups
from skspectra._stack import (
    MEMBERS,
    Combination,
    combine_processes,
    convex_weights,
    fit_processes,
)
from skspectra._supervised import fit_pretrainer
from skspectra._treatments import treated, warn_of_flat_spectra
from skspectra._tuned_pls import TunedPLS
from skspectra._validation import Interval, generator, seed_of, validate_parameters
from skspectra._views import ENCODED, learn_views

_BLOCK = 1024  # rows that are predicted at once


class _Target(NamedTuple):
    """What was fitted to one target."""

    mean: float
    spread: float
    pls: TunedPLS
    pls_weight: float
    processes: Combination

    def predict(self, X, views):
        """Predict in the units of y; X and the views are of the same spectra."""
        curved = self.processes.predict(views) * self.spread
        linear = (self.pls._predict_array(X) - self.mean) * self.pls_weight
        return self.mean + linear + curved


class SpectralStackingRegressor(
    RegressorMixin, CallbackMixin, PicklableEstimator, BaseEstimator
):
    """Predict reference values by PLS and Gaussian processes, weighed.

    What to reach for when the question is the prediction. Tuned PLS and Gaussian
    processes on several treatments of the spectra, and one on the tokens of a
    pretrained encoder if there is one, are fitted to the same rows; their weights are
    positive, sum to 1, and follow from predictions of held-out rows. There is nothing
    to tune, and X is the spectra as measured: SNV and derivatives are inside.

    Parameters
    ----------
    pretrainer : MaskedSpectralPretrainer, FrozenEstimator or None, default=None
        Where an encoder comes from:

        - None does without. Over 39 public sets a small encoder, pretrained or not,
          changed the error by less than 1 %, and cost seconds;
        - an unfitted pretrainer is cloned and fitted on exactly the spectra that
          `fit` gets, those without reference values too, after SNV, the first
          derivative and division of each channel by its spread;
        - `FrozenEstimator(pretrainer)` holds one that was fitted before; it gets
          the spectra as they are.
    cv : int, default=5
        Number of folds of held-out rows, or of groups where `fit` gets them. With
        fewer rows or groups there are as many folds as these.
    shrinkage : float, default=3.0
        How close the weights stay to the prior ones, in units of the best member's
        held-out error. 0 trusts the held-out rows alone. Prior weights are in the
        proportion of 1 for PLS, for the process of all views and for an encoder, and
        1/3 for each other process.
    random_state : int, RandomState instance or None, default=None
        Seeds a pretrainer without a seed of its own. Of more than 500 labelled rows, it
        draws 500 to search the kernels' parameters on.

    Attributes
    ----------
    weights_ : ndarray of shape (n_members,) or (n_members, n_targets)
        Share of each member in the prediction.
    member_names_ : list of str
        The members, in the order of `weights_`.
    held_out_predictions_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Predictions of each row by members fitted without its fold, in the units of
        y; NaN where the reference value is not known. Weights and kernels'
        parameters are those of all rows, so that errors look slightly too small.
    pretrainer_ : MaskedSpectralPretrainer, FrozenEstimator or None
        The fitted pretrainer.
    encoder_origin_ : {"fit", "frozen", "scratch"} or None
        Where the encoder's weights came from, as in :class:`SpectralRegressor`.
    provenance_ : Bunch
        What the model was made of and with: `versions` of packages, `seed`,
        `device`, `n_threads`, `data` (shape and SHA-256 of X) and `rows`, a hash of
        each spectrum. That of the encoder is ``pretrainer_.provenance_``.
    x_axis_ : ndarray of shape (n_channels,) or None
        The axis that the column names of X tell, where they are numbers; else that of a
        frozen pretrainer.
    n_features_in_ : int
        Number of channels seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the channels, if X has column names that are all strings.

    See Also
    --------
    SpectralRegressor : An encoder and a linear map alone, which saliency maps explain.
    skspectra.evaluation.TunedPLS : The linear member.

    Notes
    -----
    Cost: 41 PLS paths and 9 Gaussian processes for each target. 200 spectra of 700
    channels take about a second on one core; the time grows with the cube of the
    labelled rows, half a minute for 2,000.

    Treatments are those of :class:`skspectra.evaluation.TunedPLS`. The kernels'
    parameters maximise the evidence [1]_ times wide priors; held-out rows follow from
    one inverse of the kernel. The weights are those of stacking [2]_, on the simplex
    and shrunk.

    What each kind of member is worth, where PLS is preferable, and what was tried
    and did not help, stands in the user guide.

    References
    ----------
    .. [1] C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine
       Learning", MIT Press, 2006, chapter 5.
    .. [2] L. Breiman, "Stacked regressions", Machine Learning 24 (1996) 49-64.
       :doi:`10.1007/BF00117832`

    Examples
    --------
    >>> from skspectra import SpectralStackingRegressor
    >>> from skspectra.datasets import make_nir_mixtures
    >>> spectra = make_nir_mixtures(n_samples=80, n_channels=100, random_state=0)
    >>> model = SpectralStackingRegressor(random_state=0)
    >>> model.fit(spectra.data[:40], spectra.target[:40])
    SpectralStackingRegressor(random_state=0)
    >>> lower, upper = model.predict_interval(spectra.data[40:], coverage=0.8)
    >>> inside = (lower < spectra.target[40:]) & (spectra.target[40:] < upper)
    >>> bool(0.6 < inside.mean() < 1.0)
    True
    """

    # Rows without a reference value may be passed to `fit`; evaluation asks.
    _uses_unlabelled_rows = True

    _parameter_constraints: dict = {
        "pretrainer": [
            MaskedSpectralPretrainer,
            FrozenEstimator,
            None,
        ],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, pretrainer=None, *, cv=5, shrinkage=3.0, random_state=None):
        self.pretrainer = pretrainer
        self.cv = cv
        self.shrinkage = shrinkage
        self.random_state = random_state

    @tells_callbacks
    def fit(self, X, y, *, groups=None):
        """Fit the members, and a pretrainer if there is one, and weigh them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Reference values, in any unit. NaN where there is none: such rows join
            the pretraining and what else needs no reference values.
        groups : array-like of shape (n_samples,), default=None
            What each row belongs to; groups are held out whole.

        Returns
        -------
        self : SpectralStackingRegressor
            The fitted regressor.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described.
        FloatingPointError, CheckpointError, OSError
            As the fit of the `pretrainer` does, if there is one.

        Warns
        -----
        UserWarning
            If y is constant, spectra are flat, or `pretrainer` is fitted and not
            frozen: the clone loses its weights.
        """
        self._validate_params()
        self._check_pretrainer()
        # From here on a failure leaves an unfitted estimator, never a mixture.
        table, (X, y) = X, check_calibration_data(self, X, y)
        groups = check_groups(groups, X)
        warn_of_flat_spectra(X)
        seed = seed_of(self.random_state)
        rng = generator(seed)
        self._views = learn_views(X)
        self._fit_encoder(X, rng)
        self._check_axis(table)
        if self.x_axis_ is None:
            self.x_axis_ = known_axis(self.pretrainer_)
        self._flat = y.ndim == 1
        self._fit_targets(X, y.reshape(len(X), -1), groups, rng.randint(2**31 - 1))
        self.provenance_ = provenance(seed, "cpu", **identity(X))
        return self

    def predict(self, X):
        """Predict the reference values of spectra.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of the training data.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions in the units of y, float64; of the shape that y had.
        """
        check_is_fitted(self)
        self._check_axis(X)
        X = check_spectra(self, X, dtype=np.float64)
        check_size(X, "X")
        warn_of_flat_spectra(X)
        # In blocks: the views of a spectrum take many times its own memory.
        blocks = [X[start : start + _BLOCK] for start in range(0, len(X), _BLOCK)]
        with np.errstate(over="ignore", invalid="ignore"):
            predicted = np.concatenate([self._predict(rows) for rows in blocks])
        return self._shaped(check_answers(predicted))

    def predict_interval(self, X, coverage=0.9):
        """Predict the range in which the reference values lie.

        The half width is a quantile of the absolute errors of the rows that were held
        out in `fit`, as wide everywhere. If `fit` got groups, ranges are for rows of
        new groups: each group counts alike, however many rows it has [1]_. The members
        were chosen with the help of the held-out rows, so ranges are somewhat too
        narrow: of 0.9, 0.85 were inside with 20 labelled rows, and 0.89 with 100. Where
        new samples differ from those of `fit`, no method can promise a coverage.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of the training data.
        coverage : float, default=0.9
            Part of the samples whose reference value is to lie inside, in (0, 1).

        Returns
        -------
        lower, upper : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the units of y. Infinite if there are too few labelled rows, or groups,
            for the coverage: 9 at least for 0.9, 19 for 0.95.

        Raises
        ------
        ValueError
            If `coverage` is not in (0, 1).

        Warns
        -----
        UserWarning
            If ranges are infinite.

        References
        ----------
        .. [1] Y. Lee, R. F. Barber, R. Willett, "Distribution-free inference with
           hierarchical data", arXiv:2306.06342.
        """
        validate_parameters(
            {"coverage": [Interval(Real, 0, 1, closed="neither")]},
            {"coverage": coverage},
            "predict_interval",
        )
        y = self.predict(X)
        half = np.array(
            [quantile_of_groups(*errors, coverage) for errors in self._errors]
        )
        if np.isinf(half).any():
            n_units = min(len(np.unique(groups)) for _, groups in self._errors)
            warn_caller(
                f"{n_units} labelled rows or groups are too few for ranges that hold "
                f"{coverage:g} of the samples, which are therefore infinite: at least "
                f"{math.ceil(coverage / (1 - coverage) - 1e-9)} are needed."
            )
        half = half[0] if self._flat else half
        return y - half, y + half

    def __sklearn_is_fitted__(self):
        return hasattr(self, "weights_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    def _n_fit_tasks(self):
        return int(isinstance(self.pretrainer, MaskedSpectralPretrainer))

    def _check_pretrainer(self):
        """Say before any work what cannot become of the pretrainer."""
        pretrainer = self.pretrainer
        if pretrainer is None or isinstance(pretrainer, FrozenEstimator):
            return
        check_training_device(pretrainer.device)
        if pretrainer.loss == "mse+sinkhorn":
            raise ValueError(
                f"{type(self).__name__} trains its pretrainer on autoscaled "
                "derivatives, which are signed, and loss='mse+sinkhorn' needs "
                "spectra without negative values. Take loss='mse' or "
                "'mse+wasserstein', or pass FrozenEstimator(pretrainer), fitted before."
            )

    def _check_axis(self, X):
        if self.pretrainer_ is not None:
            check_columns(X, known_axis(self.pretrainer_), type(self).__name__)

    def _fit_encoder(self, X, rng):
        """Set the fitted pretrainer and where its weights came from."""
        pretrainer = self.pretrainer
        if pretrainer is None:
            self.pretrainer_, self.encoder_origin_ = None, None
            return
        if not isinstance(pretrainer, FrozenEstimator):
            X = self._views.look(X)[ENCODED]
        self.pretrainer_, self.encoder_origin_ = fit_pretrainer(
            pretrainer, X, rng, any_seed=self.random_state is None, outer=self
        )

    def _fit_targets(self, X, y, groups, seed):
        """Fit each column of y to the rows where it is known."""
        labelled = np.flatnonzero(~np.isnan(y).all(axis=1))
        views = self._views.look(X[labelled], self.pretrainer_)
        members = dict(MEMBERS)
        if self.pretrainer_ is None:
            del members["encoder"]
        self.member_names_ = list(members)
        held_out = np.full(y.shape, np.nan)
        targets, weights, errors = [], [], []
        for column, values in enumerate(y.T):
            rows = ~np.isnan(values[labelled])
            known = labelled[rows]
            own = None if groups is None else _check_groups(groups[known])
            target, share, held_out[known, column] = self._fit_target(
                X[known],
                {name: view[rows] for name, view in views.items()},
                values[known],
                own,
                members,
                np.random.RandomState(seed),  # the same rows for equal targets
            )
            missed = np.abs(values[known] - held_out[known, column])
            targets.append(target)
            weights.append(share)
            errors.append((missed, np.arange(len(known)) if own is None else own))
        self._errors, self._targets = errors, targets
        self.held_out_predictions_ = self._shaped(held_out)
        self.weights_ = self._shaped(np.array(weights).T)

    def _fit_target(self, X, views, y, groups, members, rng):
        """Return the fitted target, the weights and the held-out predictions."""
        # Sums of equal numbers are rounded: a constant is told by its extremes.
        constant = y.min() == y.max()
        mean, spread = (y[0], 0.0) if constant else (y.mean(), y.std())
        splits = make_splits(self.cv, X, y, groups, "min")
        folds = [test for _, test in splits]
        pls = TunedPLS(cv=splits)._fit_arrays(X, y, groups)
        others = {name: member for name, member in members.items() if name != "PLS"}
        scaled, scales, processes = fit_processes(
            views, (y - mean) / (spread or 1.0), others, folds, rng
        )
        held_out = [process.held_out * spread + mean for process in processes.values()]
        held_out = np.column_stack([_held_out_pls(pls, X, y, splits), *held_out])
        prior = np.array([share for share, _ in members.values()])
        weights = convex_weights(held_out, y, prior / prior.sum(), self.shrinkage)
        shares = dict(zip(others, weights[1:].tolist(), strict=True))
        combination = combine_processes(scaled, scales, processes, shares)
        target = _Target(mean, spread, pls, weights[0], combination)
        return target, weights, held_out @ weights

    def _predict(self, X):
        views = self._views.look(X, self.pretrainer_)
        return np.column_stack([target.predict(X, views) for target in self._targets])

    def _shaped(self, values):
        return values[:, 0] if self._flat else values


def _held_out_pls(pls, X, y, splits):
    """Predict each row by PLS of the chosen treatment and size without its fold."""
    ((_, spectra),) = treated(X, pls.window, [pls.treatment_])
    predicted = np.empty(len(y))
    for train, test in splits:
        n_components = max(1, min(pls.n_components_, len(train) - 1))
        path = fit_path(spectra[train], y[train, None], n_components, False)
        predicted[test] = predict_path(path, spectra[test])[-1, :, 0]
    return predicted


def _check_groups(groups):
    """Return the groups as numbers, or say that there are too few."""
    names, groups = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            "groups must hold at least 2 different groups among the rows with a "
            f"reference value, one to train on and one to hold out. Got {len(names)}."
        )
    return groups
