"""What supervised estimators share: parameters, pretrainer rule, inner split, fit."""

import copy
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils.validation import check_is_fitted

from skspectra._batches import HeldRows
from skspectra._callbacks import CallbackMixin, TrainingEpochs, inner_fit
from skspectra._corpus import as_table, check_corpus, in_parts
from skspectra._inference import check_training_device, forward_in_batches
from skspectra._inputs import (
    check_answers,
    check_columns,
    check_groups,
    check_spectra,
    check_X_y,
    known_axis,
    warn_caller,
)
from skspectra._patches import without_gaps
from skspectra._pickling import PicklableEstimator
from skspectra._pretrainer import MaskedSpectralPretrainer
from skspectra._probe import token_means
from skspectra._provenance import identity, provenance
from skspectra._scaling import scale_spectra
from skspectra._training import train, training_parameters
from skspectra._validation import Interval, StrOptions, generator, seed_of
from skspectra.nn import PredictionObjective, SpectralPredictor


class SupervisedModel(CallbackMixin, PicklableEstimator, BaseEstimator):
    """An encoder and a linear map from its tokens to targets.

    What y means is the subclass's business. It defines `_check_y`, which reads it;
    `_learn_targets`, which learns its units or classes; `_encode`, which makes it a
    float32 table with a column for each output of the network, NaN where unknown;
    `_strata`, what an inner split spreads evenly; `_probe`, which fits the linear map;
    and `_loss`, which names what fine-tuning makes small.
    """

    # Rows without a reference value may be passed to `fit`; evaluation asks.
    _uses_unlabelled_rows = True

    _parameter_constraints: dict = {
        "pretrainer": [MaskedSpectralPretrainer, FrozenEstimator, None],
        "strategy": [StrOptions({"fine_tune", "probe"})],
        "pooling": [StrOptions({"concatenate", "mean"})],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "warmup": [Interval(Real, 0, 1, closed="both")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "augmentation": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "compile": ["boolean"],
        "callbacks": [list, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        pretrainer=None,
        *,
        strategy="fine_tune",
        pooling="concatenate",
        lr=3e-4,
        weight_decay=0.05,
        warmup=0.1,
        max_epochs=100,
        batch_size=32,
        augmentation=0.0,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=20,
        device="auto",
        precision="auto",
        compile=False,
        callbacks=None,
        random_state=None,
        verbose=0,
    ):
        self.pretrainer = pretrainer
        self.strategy = strategy
        self.pooling = pooling
        self.lr = lr
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.device = device
        self.precision = precision
        self.compile = compile
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def _fit(self, X, y, groups, X_val, y_val):
        self._validate_params()
        check_training_device(self.device)
        # From here on a failure leaves an unfitted estimator, never a mixture.
        gaps = {"allow_gaps": self._allows_gaps()}
        table, (X, y) = X, check_X_y(self, X, y, self._check_y, **gaps)
        self._learn_targets(y)
        y, given = self._encode(y), (X, y)
        validation = self._check_validation(X_val, y_val)
        groups = check_groups(groups, X)
        seed = seed_of(self.random_state)
        rng = generator(seed)
        pretrainer, origin = fit_pretrainer(
            self.pretrainer, X, rng, any_seed=self.random_state is None, outer=self
        )
        self._check_axis_of(pretrainer, table, X_val)
        self.pretrainer_, self.encoder_origin_ = pretrainer, origin
        if self.x_axis_ is None:
            self.x_axis_ = known_axis(pretrainer)
        labelled = np.flatnonzero(~np.isnan(y).all(axis=1))
        x = self._scaled_spectra(X)
        self._read(x)  # while its rows are those of the user, for an error names one
        x, y = x[labelled], y[labelled]
        groups = None if groups is None else groups[labelled]
        if validation is not None:
            validation = self._scaled_spectra(validation[0]), validation[1]
        elif self.early_stopping and self.strategy == "fine_tune":
            fraction, strata = self.validation_fraction, self._strata(y)
            aside = validation_rows(len(x), groups, fraction, rng, strata)
            validation = x[aside], y[aside]
            x, y, labelled = x[~aside], y[~aside], labelled[~aside]
            groups = None if groups is None else groups[~aside]
        predictor = self._with_probe(x, y, groups)
        # Callbacks are told of the rows as they were given, and only if they ask.
        told = [lambda rows=rows: rows[labelled] for rows in given]
        self._train(predictor, x, y, validation, rng.randint(2**31 - 1), told)
        self.provenance_ = provenance(seed, self.device, **identity(X))
        return self

    def _outputs(self, X):
        """Return the outputs of the fitted network, (n_samples, n_outputs) float64."""
        check_is_fitted(self)
        self._check_axis_of(self.pretrainer_, as_table(X))
        gaps = {"allow_gaps": self._allows_gaps()}
        X = check_corpus(self, X, dtype=[np.float64, np.float32], **gaps)
        outputs = []
        for rows, first in in_parts(X):
            read = self._read(self._scaled_spectra(rows, first), first)
            outputs.append(self._forward(self.module_.forward, *read))
        return check_answers(np.concatenate(outputs))

    def _n_fit_tasks(self):
        return (not isinstance(self.pretrainer, FrozenEstimator)) + self._fine_tunes()

    def _fine_tunes(self):
        return self.strategy == "fine_tune"

    def __sklearn_is_fitted__(self):
        return hasattr(self, "module_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        pretrainer = self.pretrainer
        if not isinstance(pretrainer, BaseEstimator):
            pretrainer = MaskedSpectralPretrainer()
        tags.input_tags = get_tags(pretrainer).input_tags
        return tags

    def _allows_gaps(self):
        return get_tags(self).input_tags.allow_nan

    def _check_axis_of(self, pretrainer, *tables):
        for table in tables:
            check_columns(table, known_axis(pretrainer), type(self).__name__)

    def _check_validation(self, X_val, y_val):
        if X_val is None and y_val is None:
            return None
        if X_val is None or y_val is None:
            given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
            raise ValueError(f"{given} was passed, but {missing} was not.")
        if not self.early_stopping or self.strategy != "fine_tune":
            raise ValueError(
                "X_val and y_val are for early stopping: pass them with "
                "early_stopping=True and strategy='fine_tune'. Got "
                f"early_stopping={self.early_stopping} and strategy={self.strategy!r}."
            )
        gaps = {"allow_gaps": self._allows_gaps()}
        X_val = check_spectra(self, X_val, dtype=np.float64, **gaps)
        y_val = self._check_y(y_val, "y_val")
        check_consistent_length(X_val, y_val)
        y_val = self._encode(y_val)
        if np.isnan(y_val).all():
            raise ValueError("y_val holds no reference value: all of it is NaN.")
        return X_val, y_val

    def _scaled_spectra(self, X, first_row=0):
        pretrainer = self.pretrainer_
        return scale_spectra(X, pretrainer.mean_, pretrainer.scale_, first_row)

    def _read(self, x, first_row=0):
        """Return what the network reads of scaled spectra, as `without_gaps` does."""
        return without_gaps(x, self.pretrainer_.patch_size_, first_row)

    def _with_probe(self, x, y, groups):
        """Return the pretrained encoder with a linear map fitted to the targets."""
        encoder = copy.deepcopy(self.pretrainer_.module_.encoder)
        predictor = SpectralPredictor(encoder, y.shape[1], self.pooling)
        x, *missing = self._read(x)
        features = self._forward(predictor.features, x, *missing)
        if self.pooling == "concatenate":
            predictor.set_fillers(token_means(features, encoder.n_tokens, *missing))
            if missing:  # now with what stands for these
                features = self._forward(predictor.features, x, *missing)
        predictor.set_head(*self._probe(features, y, groups))
        return predictor

    def _forward(self, method, x, *missing):
        return forward_in_batches(method, x, *missing, device=self.device)

    def _train(self, predictor, x, y, validation, seed, told):
        """Fine-tune a predictor where the strategy says so, and keep it."""
        parameters = training_parameters(self.get_params(deep=False))
        part = "fine-tuning", self.max_epochs
        if not self._fine_tunes():
            parameters["max_epochs"], part = 0, None
        x, *missing = self._read(x)
        if validation is not None:
            x_val, *missing_val = self._read(validation[0])
            validation = HeldRows(x_val, validation[1], *missing_val)
        with TrainingEpochs(
            self, *told, lambda small: {"module_": small.predictor}, part
        ) as epochs:
            result = train(
                lambda _: PredictionObjective(
                    predictor, self.augmentation, self._loss()
                ),
                HeldRows(x, y, *missing),
                validation=validation,
                seed=seed,
                what="fine-tuning",
                epochs=epochs,
                **parameters,
            )
        self.module_ = predictor = result.module.predictor
        if self.pooling == "concatenate" and result.loss_curve:
            features = self._forward(predictor.features, x, *missing)
            means = token_means(features, predictor.encoder.n_tokens, *missing)
            if missing:  # what stood for a token in training, the map was trained with
                trained = missing[0].any(axis=0)[:, None]
                means = np.where(trained, predictor.fillers, means)
            predictor.set_fillers(means)
        self.loss_curve_ = result.loss_curve
        self.validation_scores_ = [-loss for loss in result.validation_curve]
        self.n_iter_ = len(result.loss_curve)


def fit_pretrainer(pretrainer, X, random_state, *, any_seed, outer):
    """Return a fitted pretrainer, and where its encoder's weights came from.

    Parameters
    ----------
    pretrainer : MaskedSpectralPretrainer, FrozenEstimator or None
        As in :class:`SpectralRegressor`.
    X : array-like of shape (n_samples, n_channels)
        All spectra that `fit` got.
    random_state : RandomState
        Seeds a pretrainer that has no seed of its own.
    any_seed : bool
        Whether no seed was asked for: then a checkpoint of such a pretrainer is gone
        on with, whatever its seed.
    outer : estimator
        Whose `fit` this is part of. Its callbacks are told, and a pretrainer is at
        least as talkative as its `verbose` says.

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
        warn_caller(
            "The pretrainer is fitted, but its weights are not used: like every "
            "nested estimator it is cloned and fitted again. To keep its weights, "
            "pass FrozenEstimator(pretrainer) from sklearn.frozen."
        )
    own = MaskedSpectralPretrainer() if pretrainer is None else clone(pretrainer)
    if own.random_state is None:
        own._validate_params()
        kept = own._kept_seed() if any_seed else None
        own.set_params(random_state=seed if kept is None else kept)
    verbose = own.verbose
    own.set_params(verbose=max(verbose, getattr(outer, "verbose", 0)))
    with inner_fit(outer, "pretraining", own, X):
        own.fit(X)
    own.set_params(verbose=verbose)
    return own, "fit" if own.max_epochs else "scratch"


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


def validation_rows(n_rows, groups, fraction, random_state, strata=None):
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
    strata : ndarray of shape (n_rows,), default=None
        What is to be as frequent among the rows set aside as among all, as far as
        groups allow; a group counts by its first row.

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
    n_aside = int(np.ceil(fraction * n_units))
    if n_units - n_aside < fewest:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} leaves too "
            f"little to train on: there are {n_units} labelled "
            f"{'rows' if groups is None else 'groups'}. Lower validation_fraction, "
            "pass X_val and y_val, or set early_stopping=False."
        )
    if strata is not None:
        return _evenly(n_rows, groups, strata, n_aside, random_state)
    split = splitter(n_splits=1, test_size=fraction, random_state=random_state)
    _, set_aside = next(split.split(np.zeros(n_rows), groups=groups))
    return np.isin(np.arange(n_rows), set_aside)


def _evenly(n_rows, groups, strata, n_aside, random_state):
    """Take every k-th row, or group, of a list that is sorted by stratum.

    scikit-learn's stratified splits refuse classes of one row.
    """
    units = np.arange(n_rows) if groups is None else groups
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    order = random_state.permutation(len(first))
    order = order[np.argsort(strata[first][order], kind="stable")]
    steps = (np.arange(n_aside) + random_state.uniform()) / n_aside
    return np.isin(unit, order[(steps * len(order)).astype(int)])
