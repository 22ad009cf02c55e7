"""MaskedSpectralPretrainer: learn what spectra look like, without reference values."""

from functools import partial
from numbers import Integral, Real
from os import PathLike

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from skspectra._callbacks import (
    CallbackMixin,
    TrainingEpochs,
    tells_callbacks,
)
from skspectra._corpus import as_table, check_corpus, in_parts
from skspectra._inference import check_training_device, embed, hidden_errors, rebuild
from skspectra._inputs import check_columns, whole_or_nothing
from skspectra._patches import (
    channels_of,
    check_all_can_be_hidden,
    check_some_can_be_hidden,
    draw_hidden,
    patches_of,
    without_gaps,
)
from skspectra._pickling import PicklableEstimator
from skspectra._pretraining import build_objective, make_transport, training_rows
from skspectra._processes import launched
from skspectra._provenance import fingerprint, provenance
from skspectra._scaling import scale_spectra
from skspectra._sinkhorn import check_non_negative
from skspectra._survey import survey
from skspectra._training import first_seed, train, training_parameters
from skspectra._validation import (
    Interval,
    StrOptions,
    check_mask_ratio,
    check_x_axis,
    generator,
    seed_of,
)
from skspectra.nn import count_tokens

# Parameters that a training may go on with changed.
_MAY_CHANGE = {"callbacks", "checkpoint_dir", "checkpoint_every", "device", "verbose"}

_SAME = (
    "X must be the whole corpus in every process of a launch: each takes its own rows "
    "of it."
)


class MaskedSpectralPretrainer(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackMixin,
    PicklableEstimator,
    BaseEstimator,
):
    """Learn an embedding of spectra by rebuilding what was hidden of them.

    Spectra are cut into patches, a random part of which is hidden; an encoder
    sees the rest, a small decoder rebuilds what was hidden, and both are
    trained to make the squared error of the hidden channels small. No reference
    values are needed. A channel that is NaN is missing: its patch is hidden
    from the encoder, in training and afterwards, and enters no loss.
    `transform` then gives the mean of the encoder's tokens;
    :class:`SpectralRegressor` and :class:`SpectralClassifier` fine-tune the
    encoder.

    Parameters
    ----------
    encoder : {"transformer", "state_space"}, default="transformer"
        What mixes the tokens: blocks of self-attention, or banks of damped
        oscillators that run along the spectrum both ways (D-LinOSS [3]_).
    patch_size : int, default=16
        Width of a patch in channels, best about the width of a band. It need
        not divide the number of channels. A patch wider than half of the
        spectrum is narrowed to that, so that two patches remain; `patch_size_`
        says what was used.
    embed_dim : int, default=64
        Width of a token, and so of the embedding.
    depth : int, default=4
        Number of blocks of the encoder. At equal width a block of the state space
        has a third of the parameters of a transformer's.
    n_heads : int, default=4
        Number of attention heads of the encoder; divides `embed_dim`. Ignored with
        `encoder="state_space"`.
    decoder_dim : int, default=64
        Width of the decoder's tokens.
    decoder_depth : int, default=1
        Number of transformer blocks of the decoder. 0 leaves a linear map, which
        needs `hidden_tokens="replace"`.
    decoder_n_heads : int, default=4
        Number of attention heads of the decoder; divides `decoder_dim`.
    positions : {"sine_cosine", "learned"}, default="sine_cosine"
        How a token knows its place: a fixed table or one trained vector each.
    masking : {"random", "block", "self_guided", "matched_spans"}, default="random"
        Which patches are hidden, drawn anew for each spectrum of each batch:

        - "random": every choice is equally likely;
        - "block": contiguous blocks about `block_width` wide, in random places;
        - "self_guided": those that a random few attend to most in the first layer,
          so that what goes together vanishes together (SMA [4]_). Over the first
          quarter of the training masks go from random to guided. Needs
          `encoder="transformer"`;
        - "matched_spans": runs as long as those of self-guided masks, in random
          places. The control for "self_guided": does it matter which patches are
          hidden, or only that they are neighbours?
    mask_ratio : float or tuple (low, high), default=0.5
        Part of the patches that is hidden: `round(mask_ratio * n_patches)`, and at
        least one. Of a pair, a number between the two is drawn for each batch.
    block_width : float, default=32
        What the widths of hidden blocks are drawn around, in channels: uniform
        between half and one and a half of it, in whole patches. Used by
        `masking="block"` alone.
    hidden_tokens : {"drop", "replace"}, default="drop"
        What becomes of hidden patches: they do not enter the encoder (masked
        autoencoder), or one learned vector stands for each (BERT). In a state
        space "drop" closes the gaps, so that oscillators count visible patches;
        leaving the gaps open, or "replace", was neither better nor worse (tecator
        and simulated mixtures, half hidden, three seeds).
    loss : {"mse", "mse+wasserstein", "mse+sinkhorn"}, default="mse"
        What is made small: the mean squared error of the hidden channels, alone or
        with the cost of transporting what was rebuilt to where it belongs.
        "mse+wasserstein" is exact, in windows of 64 channels, and takes signed
        spectra; "mse+sinkhorn" is entropic transport of whole spectra, needs
        non-negative ones, and is slow.
    transport_weight : float, default=0.3
        What the transport cost is multiplied by before it is added. With
        "mse+wasserstein" 0.3 makes the two gradients alike at the end of the training;
        neither good nor harm was shown of it. Ignored with `loss="mse"`.
    lr : float, default=1e-3
        Highest learning rate of AdamW.
    mask_token_lr_scale : float, default=1.0
        Learning rate of the vector that stands for hidden patches, as a multiple
        of `lr`. A published recipe has 10; on simulated infrared spectra that made
        no difference.
    weight_decay : float, default=0.05
        Weight decay of AdamW; biases, norms and single vectors have none.
    warmup : float, default=0.1
        Part of the training during which the learning rate climbs; afterwards it
        falls along half a cosine to zero.
    max_epochs : int, default=200
        Number of passes over X. With 0 the encoder keeps its random weights:
        the "from scratch" control.
    batch_size : int, default=128
        Number of spectra of one training step; of each process, where a launcher has
        started several.
    x_axis : array-like of shape (n_channels,), default=None
        Positions of the channels (nm, cm⁻¹, keV), strictly rising or falling.
        A table whose numeric column names differ from it is refused. None takes them
        from the column names of X where these are numbers.
    device : str, default="auto"
        Where to compute: "auto" takes a CUDA GPU if there is one, and in each process
        of a launch its own.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Arithmetic of the training; "auto" takes bfloat16 where the device multiplies
        it faster and, on a CPU, batches are large enough to gain by it. `transform`
        takes bfloat16 where this is "bfloat16", and float32 else: rounded to 8 bits,
        what tells spectra apart can get lost. Scores and reconstructions are computed
        in float64.
    compile : bool, default=False
        Have torch compile the network, which takes a minute or more before each
        training and a C++ compiler. On a CPU it was hardly worth it: steps were then
        1.0 to 1.3 times as fast. On a GPU the launches of a step, which small
        networks wait for, are recorded and played as one. Whatever else torch has
        compiled in the process is compiled anew at its next call.
    checkpoint_dir : str or os.PathLike, default=None
        Folder, which is there already, for the state of a long training. If the
        process dies at any moment, the same call goes on from the last
        checkpoint and ends with the very weights of an uninterrupted training; with
        `random_state=None` the first call's seed is taken. One folder belongs to one
        training: other data, parameters or versions are refused. None keeps nothing.
    checkpoint_every : float, default=1
        Number of epochs between checkpoints; below 1 there are several an epoch. There
        are fewer where writing them would take more than a twentieth of the time. How
        many changes no weight.
    callbacks : list of skorch callbacks, default=None
        Told of each epoch and batch, such as loggers. Clones share them; pickles of a
        fitted model and its files have none. scikit-learn's own callbacks go into
        `set_callbacks`. What they keep is in no checkpoint. In a launch those of the
        first process are told.
    random_state : int, RandomState instance or None, default=None
        Decides the first weights, the batches and the masks. The global
        generators are left as they are.
    verbose : int, default=0
        1 shows a bar with the time left and the loss, on a terminal and in a notebook,
        and a few plain lines elsewhere; fits that joblib runs, as in a grid, are
        silent. 2 prints a line for each epoch, always.

    Attributes
    ----------
    module_ : torch.nn.Module
        The trained :class:`skspectra.nn.MaskedAutoencoder`, on the CPU.
    loss_curve_ : list of float
        Training loss of each epoch: mean squared error of hidden channels, in
        units of `scale_` squared, and with it the weighted transport cost if
        `loss` has one.
    n_iter_ : int
        Number of epochs run.
    patch_size_ : int
        Width of a patch as used, in channels.
    n_tokens_ : int
        Number of patches of a spectrum.
    mean_ : ndarray of shape (n_channels,)
        Mean spectrum of the training data.
    scale_ : float
        Root mean square deviation from it, over all spectra and channels: one
        number, so that the shape of spectra is kept and their unit is not.
    provenance_ : Bunch
        What the model was made of and with: `versions` of packages, `seed`,
        `device`, `n_threads`, `data` (shape and SHA-256 of X) and `rows`, a hash of
        each spectrum, unless there are more than 16.8 million. With these
        :func:`skspectra.evaluation.compare` tells whether test spectra were among those
        of a frozen encoder.
    x_axis_ : ndarray of shape (n_channels,) or None
        The axis given, or else the one that the column names of X tell.
    n_features_in_ : int
        Number of channels seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_channels,)
        Names of the channels, where X has names that are strings.

    See Also
    --------
    SpectralRegressor : Fine-tunes the encoder on reference values.
    SpectralClassifier : Fine-tunes the encoder on classes or labels.
    InstanceNormalizer : Scales each spectrum by itself, to be put before this.

    Notes
    -----
    The design follows the masked autoencoder of MAX [1]_ and of images [2]_;
    ViT-base on 2048 channels is `MaskedSpectralPretrainer(patch_size=16,
    embed_dim=768, depth=12, n_heads=12, decoder_dim=512, decoder_depth=8,
    decoder_n_heads=16)`. Unlike these it has no class token: the mean of all
    tokens exists in every encoder. The user guide has the settings of each
    published system and says which of its claims held here.

    Tables of more than 16.8 million numbers (64 MiB in float32) are shuffled in blocks
    of neighbouring rows, 1 MiB each and whole chunks of a store that has them: blocks
    come in random order, and the rows of 64 MiB of them are mixed. So a corpus on a
    disk is read in pieces, each once an epoch and ahead of the training, and a table
    gives the same model wherever it lies. Smaller ones are permuted as a whole.

    Given the mask, hidden channels do not influence their own reconstruction in any
    way, unless a step before this one, such as :class:`InstanceNormalizer`, computed
    its statistics from whole spectra.

    References
    ----------
    .. [1] "MAX: Masked Autoencoder for X-ray Fluorescence in Geological
       Investigation", arXiv:2410.12330.
    .. [2] He et al., "Masked autoencoders are scalable vision learners",
       CVPR 2022.
    .. [3] Boyer et al., "Learning to Dissipate Energy in Oscillatory State-Space
       Models", arXiv:2505.12171.
    .. [4] Xie et al., "Self-Guided Masked Autoencoders for Domain-Agnostic
       Self-Supervised Learning", ICLR 2024, arXiv:2402.14789.

    Examples
    --------
    >>> from skspectra import MaskedSpectralPretrainer
    >>> from skspectra.datasets import make_nir_mixtures
    >>> X = make_nir_mixtures(n_samples=60, n_channels=100, random_state=0).data
    >>> pretrainer = MaskedSpectralPretrainer(
    ...     patch_size=10, embed_dim=16, depth=1, max_epochs=5, random_state=0
    ... )
    >>> pretrainer.fit_transform(X).shape
    (60, 16)
    """

    _parameter_constraints: dict = {
        "encoder": [StrOptions({"transformer", "state_space"})],
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "embed_dim": [Interval(Integral, 1, None, closed="left")],
        "depth": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "decoder_dim": [Interval(Integral, 1, None, closed="left")],
        "decoder_depth": [Interval(Integral, 0, None, closed="left")],
        "decoder_n_heads": [Interval(Integral, 1, None, closed="left")],
        "positions": [StrOptions({"sine_cosine", "learned"})],
        "masking": [StrOptions({"random", "block", "self_guided", "matched_spans"})],
        "mask_ratio": [Interval(Real, 0, 1, closed="neither"), "array-like"],
        "block_width": [Interval(Real, 0, None, closed="neither")],
        "hidden_tokens": [StrOptions({"drop", "replace"})],
        "loss": [StrOptions({"mse", "mse+wasserstein", "mse+sinkhorn"})],
        "transport_weight": [Interval(Real, 0, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "mask_token_lr_scale": [Interval(Real, 0, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "warmup": [Interval(Real, 0, 1, closed="both")],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "x_axis": ["array-like", None],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "compile": ["boolean"],
        "checkpoint_dir": [str, PathLike, None],
        "checkpoint_every": [Interval(Real, 0, None, closed="neither")],
        "callbacks": [list, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        encoder="transformer",
        *,
        patch_size=16,
        embed_dim=64,
        depth=4,
        n_heads=4,
        decoder_dim=64,
        decoder_depth=1,
        decoder_n_heads=4,
        positions="sine_cosine",
        masking="random",
        mask_ratio=0.5,
        block_width=32,
        hidden_tokens="drop",
        loss="mse",
        transport_weight=0.3,
        lr=1e-3,
        mask_token_lr_scale=1.0,
        weight_decay=0.05,
        warmup=0.1,
        max_epochs=200,
        batch_size=128,
        x_axis=None,
        device="auto",
        precision="auto",
        compile=False,
        checkpoint_dir=None,
        checkpoint_every=1,
        callbacks=None,
        random_state=None,
        verbose=0,
    ):
        self.encoder = encoder
        self.patch_size = patch_size
        self.embed_dim = embed_dim
        self.depth = depth
        self.n_heads = n_heads
        self.decoder_dim = decoder_dim
        self.decoder_depth = decoder_depth
        self.decoder_n_heads = decoder_n_heads
        self.positions = positions
        self.masking = masking
        self.mask_ratio = mask_ratio
        self.block_width = block_width
        self.hidden_tokens = hidden_tokens
        self.loss = loss
        self.transport_weight = transport_weight
        self.lr = lr
        self.mask_token_lr_scale = mask_token_lr_scale
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.x_axis = x_axis
        self.device = device
        self.precision = precision
        self.compile = compile
        self.checkpoint_dir = checkpoint_dir
        self.checkpoint_every = checkpoint_every
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    @tells_callbacks
    def fit(self, X, y=None):
        """Learn to rebuild hidden patches of spectra.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in any unit; at least 2 of them, of at least 2 channels. NaN
            where a channel is missing. May be larger than memory: whatever is
            two-dimensional and gives slices of rows, such as :class:`numpy.memmap`,
            arrays of zarr, h5py and dask, and tables of the package datasets, there
            with a column for each channel or with one of lists. It is looked at once
            for `mean_`, `scale_` and what cannot be used, and then read in every epoch.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted pretrainer.

        Raises
        ------
        ValueError
            If a parameter or X is not as described; of a corpus the row is named.
        FloatingPointError
            If the training diverges.
        CheckpointError
            If `checkpoint_dir` holds a damaged checkpoint or one of another training,
            or another process uses it.
        OSError
            If `checkpoint_dir` is no folder that can be written to, or the disk is
            full. The last checkpoint is as it was.
        ConnectionError
            If another process of a launch has died.
        ImportError
            If this process was launched, and the package accelerate is missing.

        Warns
        -----
        UserWarning
            If a training goes on with another number of threads or processes, or on
            another kind of processor: the last digits will differ.
        """
        self._validate_params()
        mask_ratio = check_mask_ratio(self.mask_ratio, type(self).__name__)
        check_training_device(self.device)
        # From here on a failure leaves an unfitted pretrainer, never a mixture.
        with whole_or_nothing(self):
            self._fit(X, y, mask_ratio)
        return self

    def _fit(self, X, y, mask_ratio):
        processes = launched(self.device, self.checkpoint_dir)
        table, gaps = X, self._allows_gaps()
        fewest = {"ensure_min_samples": 2, "ensure_min_features": 2}
        kind = {"dtype": np.float64, "allow_gaps": gaps, **fewest}
        X = check_corpus(self, X, reset=True, **kind)
        processes.check_same(partial(_ends, X), _SAME)
        n_channels = X.shape[1]
        owner = type(self).__name__
        x_axis = check_x_axis(self.x_axis, n_channels, owner)
        check_columns(as_table(table), x_axis, owner)
        patch_size = min(self.patch_size, (n_channels + 1) // 2)
        signed = self.loss != "mse+sinkhorn"
        check = None if signed else check_non_negative
        seen = processes.agree(partial(survey, X, patch_size, check=check))
        if self.max_epochs:
            check_some_can_be_hidden(seen.most_patches)
        scaling = {"mean": seen.mean, "scale": seen.scale}
        transport = make_transport(self.loss, X, **scaling)
        parameters = self.get_params(deep=False)
        used = {**parameters, "patch_size": patch_size, "mask_ratio": mask_ratio}
        seed = self._seed(processes)
        learnt = {"x_axis_": self.x_axis_ if x_axis is None else x_axis}
        learnt |= {"patch_size_": patch_size}
        learnt |= {"n_tokens_": count_tokens(n_channels, patch_size)}
        learnt |= {f"{name}_": value for name, value in scaling.items()}
        result = train(
            partial(self._objective, used, n_channels, transport),
            training_rows(X, seen, patch_size),
            seed=generator(seed).randint(2**31 - 1),
            described={n: v for n, v in parameters.items() if n not in _MAY_CHANGE}
            | {"random_state": seed, **scaling},
            what="pretraining",
            processes=processes,
            epochs=TrainingEpochs(
                self, table, y, lambda small: {**learnt, "module_": small.autoencoder}
            ),
            **training_parameters(parameters),
        )
        vars(self).update(learnt)
        self.provenance_ = provenance(seed, self.device, **seen.identity)
        self.module_ = result.module.autoencoder
        self.loss_curve_ = result.loss_curve
        self.n_iter_ = len(result.loss_curve)

    def transform(self, X):
        """Embed spectra: the mean of the encoder's tokens, nothing hidden.

        Computed in passes of about 1,000 patches, the last one filled up: one spectrum
        takes as long as a pass, and the memory does not grow with their number.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of the training data; may be larger than memory, as
            in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, embed_dim)
            The embedding, float32.
        """
        X = self._check_spectra(X)
        self._validate_params()  # precision may have been set after the fit
        how = {"device": self.device, "precision": self.precision}
        return np.concatenate(
            [
                embed(
                    self.module_.encoder, rows, partial(self._read, offset=first), **how
                )
                for rows, first in in_parts(X)
            ]
        )

    def reconstruct(self, X, hidden=None):
        """Hide a part of spectra and rebuild it from the rest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of the training data.
        hidden : bool array-like of shape (n_channels,) or (n_samples, n_channels), \
                default=None
            True where a channel is to be hidden; a patch with such a channel is
            hidden whole. None hides `mask_ratio` of the patches (of a pair, its
            mean) at random, by `random_state`.

        Returns
        -------
        Bunch
            With `reconstruction`, ndarray of shape (n_samples, n_channels): the
            hidden channels as rebuilt and the others as given, in the unit of
            X; and `hidden`, bool ndarray of the same shape: which channels
            were hidden, those of patches with a missing channel among them. A
            channel that was missing in all training spectra is NaN.

        Raises
        ------
        ValueError
            If `hidden` has another shape, or leaves nothing of a spectrum to see.
        """
        X = self._check_spectra(X)[:]  # what comes back is as large
        x, *missing = self._read(X)
        missing = missing[0] if missing else np.zeros((len(X), self.n_tokens_), bool)
        if hidden is None:
            rng, ratio = generator(self.random_state), np.mean(self.mask_ratio)
            mask = draw_hidden(missing, ratio, rng) | missing
        else:
            mask = patches_of(hidden, missing, X.shape[1], self.patch_size_)
        hidden = channels_of(mask, X.shape[1], self.patch_size_)
        rebuilt = rebuild(self.module_, x, mask, self.device)
        rebuilt = rebuilt * self.scale_ + self.mean_
        return Bunch(reconstruction=np.where(hidden, rebuilt, X), hidden=hidden)

    def score_samples(self, X):
        """Return how well each spectrum is rebuilt: low is foreign.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of the training data; may be larger than memory, as
            in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            The negative mean squared error of hidden channels in units of
            `scale_` squared: 0 is perfect, and the training mean spectrum would
            reach -1 on average over the training data. Half of the patches are
            hidden and then the others, the same for every call and for every spectrum
            that has the same patches. Missing channels do not count.

        Raises
        ------
        ValueError
            If a spectrum has less than two patches without a missing channel.
        """
        return -self._errors(X)[0]

    def score(self, X, y=None):
        """Return the R² of hidden channels against the training mean spectrum.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra, in the unit of the training data; may be larger than memory, as
            in `fit`.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        float
            1 is perfect; predicting the training mean spectrum scores 0,
            however smooth it is. Half of the patches are hidden whatever
            `mask_ratio` is, so that values of it can be compared; values of
            `patch_size` cannot, as wide patches are harder to rebuild.

        Raises
        ------
        ValueError
            If a spectrum has less than two patches without a missing channel.
        """
        error, total = (values.mean() for values in self._errors(X))
        return float(1 - error / total) if total > 0 else float(error == 0)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the embedding's columns.

        Parameters
        ----------
        input_features : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        ndarray of str of shape (embed_dim,)
            "maskedspectralpretrainer0", "maskedspectralpretrainer1", …
        """
        check_is_fitted(self)
        return super().get_feature_names_out(input_features)

    @property
    def _n_features_out(self):
        return self.module_.encoder.embed_dim

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.positive_only = self.loss == "mse+sinkhorn"
        tags.input_tags.allow_nan = self._allows_gaps()
        return tags

    def _tells_callbacks(self):
        return launched(self.device, self.checkpoint_dir).is_first

    def _allows_gaps(self):
        # Entropic transport compares whole spectra.
        return self.loss != "mse+sinkhorn"

    def _seed(self, processes):
        """Return what `random_state` stands for; of None a checkpoint may decide."""
        kept = self._kept_seed() if self.random_state is None else None
        if kept is not None:
            return kept
        return processes.agree(partial(seed_of, self.random_state))

    def _kept_seed(self):
        """Return the seed of the training that a fit would go on with, or None."""
        if self.checkpoint_dir is None or self.max_epochs == 0:
            return None
        processes = launched(self.device, self.checkpoint_dir)
        return processes.agree(partial(first_seed, self.checkpoint_dir))

    def _objective(self, *what):
        return build_objective(*what)

    def _n_fit_tasks(self):
        return self.max_epochs

    def __sklearn_is_fitted__(self):
        return hasattr(self, "module_")

    def _check_spectra(self, X):
        """Check spectra against the fitted ones; those in float32 are not copied."""
        check_is_fitted(self)
        kinds, gaps = [np.float64, np.float32], self._allows_gaps()
        return check_corpus(self, X, dtype=kinds, allow_gaps=gaps)

    def _read(self, X, first_row=0, offset=0):
        """Return what the network reads of spectra, as `without_gaps` does."""
        first_row += offset
        x = scale_spectra(X, self.mean_, self.scale_, first_row)
        return without_gaps(x, self.patch_size_, first_row)

    def _errors(self, X):
        """Return the mean squared errors of hidden channels, and those of zeros."""
        parts = []
        for rows, first in in_parts(self._check_spectra(X)):
            x, *missing = self._read(rows, first)
            check_all_can_be_hidden(*missing, first_row=first)
            parts.append(hidden_errors(self.module_, x, *missing, device=self.device))
        return tuple(map(np.concatenate, zip(*parts, strict=True)))


def _ends(X):
    """Return what tells a corpus from another at a glance."""
    return X.shape, fingerprint(X[:1], X[-1:])
