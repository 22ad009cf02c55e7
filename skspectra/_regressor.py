"""SpectralRegressor: reference values on top of a pretrained encoder."""

import numpy as np
from sklearn.base import RegressorMixin

from skspectra._callbacks import tells_callbacks
from skspectra._inputs import check_reference_values, check_targets, warn_caller
from skspectra._probe import fit_linear_probe
from skspectra._supervised import SupervisedModel
from skspectra.exceptions import FewLabelsWarning

# With fewer labelled rows a fine-tuned network was mostly behind PLS on public sets,
# with more it was ahead on some: docs/guide/label_efficiency.rst.
FEW_LABELS = 100


class SpectralRegressor(RegressorMixin, SupervisedModel):
    """Predict reference values from spectra, with a pretrained encoder.

    The encoder of a :class:`MaskedSpectralPretrainer` gets a linear map on its
    tokens, fitted by ridge regression. "probe" leaves it at that; "fine_tune" then
    trains encoder and map together.

    Parameters
    ----------
    pretrainer : MaskedSpectralPretrainer, FrozenEstimator or None, default=None
        Where the encoder comes from:

        - an unfitted pretrainer is cloned and fitted on exactly the spectra that
          `fit` gets, so nothing leaks between folds; None is one with default
          parameters;
        - `FrozenEstimator(pretrainer)` holds one that was fitted before, on a
          pool of spectra, and keeps its weights through `clone` and grids;
        - `MaskedSpectralPretrainer(max_epochs=0)` is the control from scratch.
    strategy : {"fine_tune", "probe"}, default="fine_tune"
        "probe" leaves the encoder as it is and fits the linear map by ridge
        regression, its penalty chosen by cross-validation. "fine_tune" starts
        from there [2]_ and trains the encoder too, which on few labels can make it
        worse: `early_stopping` can then return to the start, and below 100 labels
        `fit` warns. The parameters from
        `lr` to `n_iter_no_change` and `callbacks` concern "fine_tune" alone.
    pooling : {"concatenate", "mean"}, default="concatenate"
        What the linear map reads: all tokens side by side, or their mean, which
        is what `MaskedSpectralPretrainer.transform` gives.
    lr : float, default=3e-4
        Highest learning rate of AdamW.
    weight_decay : float, default=0.05
        Weight decay of AdamW; biases, norms and single vectors have none.
    warmup : float, default=0.1
        Part of the training during which the learning rate climbs; afterwards it
        falls along half a cosine to zero.
    max_epochs : int, default=100
        Number of passes over the labelled spectra.
    batch_size : int, default=32
        Number of spectra of one training step.
    augmentation : float, default=0.0
        Strength of the random gain, offset, slope, shift and noise that training
        spectra are disturbed with, see :func:`skspectra.nn.augment`. One knob,
        so that a grid can search it: the five belong to the same accidents of
        measuring. 0 disturbs nothing.
    early_stopping : bool, default=False
        Stop when the loss on validation data no longer falls, and return to its
        minimum.
    validation_fraction : float, default=0.1
        Part of the labelled rows, or of their groups, that is set aside for
        early stopping: shuffled, by `random_state`. Not used with `X_val`.
    n_iter_no_change : int, default=20
        Number of epochs without improvement that early stopping waits for.
    device : str, default="auto"
        Where to compute: "auto" takes a CUDA GPU if there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Arithmetic of the training; "auto" takes bfloat16 where the device multiplies
        it faster and, on a CPU, batches are large enough to gain by it. Predictions are
        computed in float64.
    compile : bool, default=False
        Have torch compile the network, which takes a minute or more before each
        training and a C++ compiler. On a CPU it was hardly worth it: steps were then
        1.0 to 1.3 times as fast. On a GPU the launches of a step, which small
        networks wait for, are recorded and played as one. Whatever else torch has
        compiled in the process is compiled anew at its next call.
    callbacks : list of skorch callbacks, default=None
        Told of each epoch and batch of the fine-tuning. Clones share them; pickles of a
        fitted model and its files have none. scikit-learn's own callbacks go into
        `set_callbacks`.
    random_state : int, RandomState instance or None, default=None
        Decides the batches, the disturbances and the validation rows, and seeds
        a pretrainer whose own `random_state` is None.
    verbose : int, default=0
        1 shows a bar with the time left and the losses, on a terminal and in a
        notebook, and a few plain lines elsewhere, of the `pretrainer` too; fits that
        joblib runs, as in a grid, are silent. 2 prints a line for each epoch, always.

    Attributes
    ----------
    pretrainer_ : MaskedSpectralPretrainer or FrozenEstimator
        The fitted pretrainer; its encoder is as it was before fine-tuning.
    encoder_origin_ : {"fit", "frozen", "scratch"}
        Where the encoder's first weights came from: pretrained in this `fit`,
        fitted before, or random.
    module_ : torch.nn.Module
        The trained :class:`skspectra.nn.SpectralPredictor`, on the CPU.
    y_mean_, y_scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of the reference values; inside, targets
        have mean 0 and spread 1.
    loss_curve_ : list of float
        Training loss of each epoch, mean squared error in units of `y_scale_`
        squared; empty for "probe".
    validation_scores_ : list of float
        Negative validation loss of each epoch in the same units, higher is better;
        empty without early stopping.
    n_iter_ : int
        Number of epochs run.
    provenance_ : Bunch
        What the model was made of and with: `versions` of packages, `seed`,
        `device`, `n_threads`, `data` (shape and SHA-256 of X) and `rows`, a hash of
        each spectrum. That of the encoder is ``pretrainer_.provenance_``.
    x_axis_ : ndarray of shape (n_channels,) or None
        The axis that the column names of X tell, where they are numbers; else that
        of the pretrainer.
    n_features_in_ : int
        Number of channels seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_channels,)
        Names of the channels, where X has names that are strings.

    See Also
    --------
    MaskedSpectralPretrainer : Learns the encoder from spectra alone.
    PLSRegressionCV : What this has to beat.

    Notes
    -----
    Put :class:`InstanceNormalizer` before it: on the fat of meat (tecator) this
    brought the RMSEP from 1.2 to 0.37 of that of a tuned PLS, one split by group.

    The defaults were chosen on such splits of a few public sets (tecator, corn,
    wheat kernels, diesel). Reading all tokens instead of their mean divided the
    RMSEP by 1.1 to 2.5; starting from the ridge regression divided it by up to
    1.9 where the relation is linear, and by 1 where it is not; `lr=3e-4` was as
    good as 1e-3 or better; `augmentation=0.3` changed nothing.

    References
    ----------
    .. [1] "MAX: Masked Autoencoder for X-ray Fluorescence in Geological
       Investigation", arXiv:2410.12330.
    .. [2] Kumar et al., "Fine-Tuning can Distort Pretrained Features and
       Underperform Out-of-Distribution", ICLR 2022, arXiv:2202.10054.

    Examples
    --------
    >>> from skspectra import MaskedSpectralPretrainer, SpectralRegressor
    >>> from skspectra.datasets import make_nir_mixtures
    >>> spectra = make_nir_mixtures(n_samples=80, n_channels=100, random_state=0)
    >>> pretrainer = MaskedSpectralPretrainer(
    ...     patch_size=10, embed_dim=16, depth=1, max_epochs=50
    ... )
    >>> model = SpectralRegressor(pretrainer, max_epochs=50, random_state=0)
    >>> model.fit(spectra.data[:60], spectra.target[:60])
    SpectralRegressor(...)
    >>> model.predict(spectra.data[60:]).shape
    (20,)
    """

    @tells_callbacks
    def fit(self, X, y, *, groups=None, X_val=None, y_val=None):
        """Fit the pretrainer if need be, then the encoder and its linear map.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, NaN where a channel is missing.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Reference values, in any unit. NaN where there is none: a row without
            any joins the pretraining alone, a row with some is used for these.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group stay together when rows are set aside for early
            stopping, and in the cross-validation of the probe's penalty.
        X_val : array-like of shape (n_val, n_channels), default=None
            Spectra for early stopping, instead of rows of X.
        y_val : array-like of shape (n_val,) or (n_val, n_targets), default=None
            Their reference values.

        Returns
        -------
        self : object
            The fitted regressor.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described.
        FloatingPointError
            If the training diverges.
        CheckpointError, OSError
            As the fit of the `pretrainer` does, if that has a `checkpoint_dir`.

        Warns
        -----
        FewLabelsWarning
            If fewer than 100 rows have a reference value and `strategy` is
            "fine_tune".
        UserWarning
            If y is constant, or `pretrainer` is fitted and not frozen: the clone loses
            its weights.
        """
        return self._fit(X, y, groups, X_val, y_val)

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
        y = self._outputs(X) * self.y_scale_ + self.y_mean_
        return y.ravel() if self._y_is_flat else y

    def _check_y(self, y, name):
        return check_targets(y, name)

    def _learn_targets(self, y):
        self._y_is_flat = y.ndim == 1
        y = y.reshape(len(y), -1)
        check_reference_values(y, type(self).__name__)
        mean, scale = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
        # Sums of equal numbers are rounded: a constant is told by its extremes.
        lowest = np.nanmin(y, axis=0)
        constant = lowest == np.nanmax(y, axis=0)
        self.y_mean_ = np.where(constant, lowest, mean)
        self.y_scale_ = np.where(constant, 0.0, scale)
        self._warn_of_few_labels((~np.isnan(y)).any(axis=1).sum())

    def _warn_of_few_labels(self, n_labelled):
        if self.strategy == "probe" or n_labelled >= FEW_LABELS:
            return
        warn_caller(
            f"{type(self).__name__} fine-tunes an encoder on {n_labelled} labelled "
            f"rows. With fewer than about {FEW_LABELS} a fine-tuned network was mostly "
            "behind PLS on public sets; with more it was ahead on some. Take "
            "SpectralStackingRegressor or PLS. To silence this: "
            "warnings.simplefilter('ignore', skspectra.exceptions.FewLabelsWarning).",
            FewLabelsWarning,
        )

    def _encode(self, y):
        y = y.reshape(len(y), -1)
        if y.shape[1] != len(self.y_mean_):
            raise ValueError(
                f"y has {len(self.y_mean_)} targets, but y_val has {y.shape[1]}."
            )
        # A constant target has no spread; its predictions are its mean exactly,
        # because they are multiplied by that spread of 0.
        spread = np.where(self.y_scale_ > 0, self.y_scale_, 1.0)
        return ((y - self.y_mean_) / spread).astype(np.float32)

    def _strata(self, y):
        return None

    def _probe(self, features, y, groups):
        return fit_linear_probe(features, y, groups)

    def _loss(self):
        return "mse"
