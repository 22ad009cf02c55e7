"""SpectralClassifier: classes and labels on top of a pretrained encoder."""

import numpy as np
from pandas import isna
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets

from skspectra._callbacks import tells_callbacks
from skspectra._inputs import refuse_masked, warn_caller
from skspectra._probe import fit_class_probe, fit_label_probe
from skspectra._supervised import SupervisedModel

_ANY_Y = {"dtype": None, "ensure_2d": False}


class SpectralClassifier(ClassifierMixin, SupervisedModel):
    """Tell classes of samples from spectra, with a pretrained encoder.

    The encoder of a :class:`MaskedSpectralPretrainer` gets a linear map on its
    tokens, fitted by logistic regression. "probe" leaves it at that; "fine_tune"
    then trains encoder and map together. A spectrum is of one class (`y` holds
    names or numbers, two classes or more), or has any number of labels (`y` is a
    table of 0 and 1).

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
        "probe" leaves the encoder as it is and fits the linear map by logistic
        regression. "fine_tune" starts from there [1]_ and trains the encoder too,
        which on few labels can make it worse: `early_stopping` can then return to
        the start. The parameters from `lr` to `n_iter_no_change` and `callbacks`
        concern "fine_tune" alone.
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
        early stopping: shuffled, by `random_state`, with classes as frequent as
        they are among all as far as groups allow. Not used with `X_val`.
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
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted; with labels the numbers of their columns, as in
        :class:`sklearn.neural_network.MLPClassifier`.
    pretrainer_ : MaskedSpectralPretrainer or FrozenEstimator
        The fitted pretrainer; its encoder is as it was before fine-tuning.
    encoder_origin_ : {"fit", "frozen", "scratch"}
        Where the encoder's first weights came from: pretrained in this `fit`,
        fitted before, or random.
    module_ : torch.nn.Module
        The trained :class:`skspectra.nn.SpectralPredictor`, on the CPU. Its outputs
        are logarithms of odds.
    loss_curve_ : list of float
        Training loss of each epoch, cross entropy in nats: for each spectrum, or
        for each label of a spectrum; empty for "probe".
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
    SpectralRegressor : Predicts values instead of classes.

    Notes
    -----
    Put :class:`InstanceNormalizer` before it.

    The logistic regression does not read the tokens themselves but a ridge
    regression's score of each class (1 in it, 0 outside), taken from rows that were
    left out; both are linear, and so is the whole. Held against a logistic regression
    on the tokens, its penalty cross-validated, this told 88 % against 62 % of
    mayonnaises right, and as many within 3 % of coffees, olive oils, fruit purées,
    plastics and minerals, in at most half of the time.

    The defaults of the training are those of :class:`SpectralRegressor`; nobody has
    measured them on classes yet.

    References
    ----------
    .. [1] Kumar et al., "Fine-Tuning can Distort Pretrained Features and
       Underperform Out-of-Distribution", ICLR 2022, arXiv:2202.10054.

    Examples
    --------
    >>> import numpy as np
    >>> from skspectra import MaskedSpectralPretrainer, SpectralClassifier
    >>> from skspectra.datasets import make_nir_mixtures
    >>> spectra = make_nir_mixtures(n_samples=80, n_channels=100, random_state=0)
    >>> grade = np.where(spectra.target > np.median(spectra.target), "high", "low")
    >>> pretrainer = MaskedSpectralPretrainer(
    ...     patch_size=10, embed_dim=16, depth=1, max_epochs=50
    ... )
    >>> model = SpectralClassifier(pretrainer, strategy="probe", random_state=0)
    >>> model.fit(spectra.data[:60], grade[:60])
    SpectralClassifier(...)
    >>> model.classes_
    array(['high', 'low'], dtype='<U4')
    >>> model.predict_proba(spectra.data[60:]).shape
    (20, 2)
    """

    @tells_callbacks
    def fit(self, X, y, *, groups=None, X_val=None, y_val=None):
        """Fit the pretrainer if need be, then the encoder and its linear map.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, NaN where a channel is missing.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            The class of each spectrum, of any type that can be sorted; or a table
            of labels, 1 where a spectrum has one and 0 where it has not. NaN or
            None where this is not known: a row of which nothing is known joins the
            pretraining alone, a row with some of its labels is used for these.
            Numbers such as -1 are classes like others.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group stay together when rows are set aside for early
            stopping, and in the cross-validation of the probe. A class or label that
            is found in one group alone cannot be judged by groups left out; the
            probe leaves out single rows for it.
        X_val : array-like of shape (n_val, n_channels), default=None
            Spectra for early stopping, instead of rows of X.
        y_val : array-like of shape (n_val,) or (n_val, n_labels), default=None
            Their classes or labels.

        Returns
        -------
        self : object
            The fitted classifier.

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
        UserWarning
            If `pretrainer` is fitted and not frozen: the clone loses its weights.
        """
        return self._fit(X, y, groups, X_val, y_val)

    def predict(self, X):
        """Predict the classes or labels of spectra.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of the training data.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class of each spectrum; or int, 1 for the labels that
            are more probable than not.
        """
        proba = self.predict_proba(X)
        if self._is_multilabel:
            return (proba > 0.5).astype(int)
        return self.classes_[proba.argmax(axis=1)]

    def predict_proba(self, X):
        """Predict how probable each class or label is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of the training data.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            In the order of `classes_`, float64. The probabilities of classes sum to
            1; those of labels are each between 0 and 1.
        """
        outputs = self._outputs(X)
        return expit(outputs) if self._is_multilabel else softmax(outputs, axis=1)

    def decision_function(self, X):
        """Return the logarithms of odds that the probabilities are made of.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of the training data.

        Returns
        -------
        ndarray of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_labels)
            Of two classes those of the second, positive where it is predicted; of
            more classes up to a constant of each spectrum, the largest predicted; of
            labels positive where they are predicted. float64.
        """
        outputs = self._outputs(X)
        if self._is_multilabel or len(self.classes_) > 2:
            return outputs
        return outputs[:, 1] - outputs[:, 0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _check_y(self, y, name):
        """Return a masked array, which hides what is not known."""
        refuse_masked(y, name)
        unknown = np.asarray(isna(y))
        if unknown.any() and not hasattr(y, "dtype"):
            y = np.array(y, dtype=object)  # in a list, NaN among words becomes a word
        y = check_array(y, ensure_all_finite=False, input_name=name, **_ANY_Y)
        if y.ndim == 2 and y.shape[1] == 1:
            y, unknown = y.ravel(), unknown.ravel()
            warn_caller(
                f"A column-vector {name} was passed when a 1d array was expected. Pass "
                f"{name}.ravel() to have it without this warning.",
                DataConversionWarning,
            )
        known = y[~unknown]
        if y.dtype == object and not any(isinstance(value, str) for value in known):
            known = np.array(known.tolist())  # numbers with gaps between them
        known = check_array(known, ensure_min_samples=0, input_name=name, **_ANY_Y)
        if y.ndim == 2:
            if not np.isin(known, [0, 1]).all():
                raise ValueError(
                    f"{name} with several columns must hold labels: 1, 0, or NaN where "
                    f"unknown. Got {np.unique(known)[:5].tolist()}."
                )
            known = known.astype(np.float64)
        values = np.ma.masked_all(y.shape, dtype=known.dtype)
        values[~unknown] = known
        return values

    def _learn_targets(self, y):
        self._is_multilabel = y.ndim == 2
        if self._is_multilabel:
            n_known = y.count(axis=0)
            if n_known.min() < 1:
                raise ValueError(
                    f"{type(self).__name__} needs at least one known value of each "
                    f"label. Got none in column {n_known.argmin()} of y."
                )
            self.classes_ = np.arange(y.shape[1])
            return
        known = y.compressed()
        try:
            self.classes_ = np.unique(known)
        except TypeError as error:
            raise ValueError(
                "The classes in y must be of one type, such as str or int. Got "
                f"{sorted({type(value).__name__ for value in known})}."
            ) from error
        if len(known):
            check_classification_targets(known)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes in y. Got "
                f"{self.classes_.tolist()} among n_samples={len(y)} rows."
            )

    def _encode(self, y):
        n_columns = len(self.classes_) if self._is_multilabel else 1
        if y.reshape(len(y), -1).shape[1] != n_columns:
            raise ValueError(
                f"y_val must have as many columns as y, {n_columns}. Got an array of "
                f"shape {y.shape}."
            )
        if self._is_multilabel:
            return y.filled(np.nan).astype(np.float32)
        is_class = y.compressed()[:, None] == self.classes_
        if not is_class.any(axis=1).all():
            foreign = np.unique(y.compressed()[~is_class.any(axis=1)])
            raise ValueError(
                f"y_val holds classes that y does not: {foreign.tolist()}. Those of y "
                f"are {self.classes_.tolist()}."
            )
        table = np.full((len(y), len(self.classes_)), np.nan, dtype=np.float32)
        table[~np.ma.getmaskarray(y)] = is_class
        return table

    def _strata(self, y):
        return np.nansum(y, axis=1) if self._is_multilabel else y.argmax(axis=1)

    def _probe(self, features, y, groups):
        fit_probe = fit_label_probe if self._is_multilabel else fit_class_probe
        return fit_probe(features, y.astype(np.float64), groups)

    def _loss(self):
        return "binary_cross_entropy" if self._is_multilabel else "cross_entropy"
