"""OscillatorDisplay: at which frequencies a state-space encoder rings, and how long."""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skspectra._drawing import COLOURS, MARKERS, new_axes, put_key
from skspectra._table_axis import axis_of
from skspectra.inspection._axis import written

__all__ = ["OscillatorDisplay"]

# Six layers have a colour and a marker each; the next six get the markers again, in
# other colours.
_N_STYLES = 6


class OscillatorDisplay:
    """Frequency and memory of each oscillator that an encoder has learnt.

    An oscillator to the left follows what changes slowly from token to token, such as
    a baseline or a broad band; one at 0.5 answers to what alternates. Low down it
    looks at a token and its neighbours; at the dashed line and above, it carries what
    it saw through the whole spectrum. Made by :meth:`from_estimator`.

    Parameters
    ----------
    frequencies : array-like of shape (n_oscillators,)
        In cycles per token, between 0 and 0.5.
    dampings : array-like of shape (n_oscillators,)
        Decay of the logarithm of the amplitude per token, positive.
    layers : array-like of shape (n_oscillators,), default=None
        Number of the block each belongs to, from 0; None draws them as one.
    directions : array-like of shape (n_oscillators,), default=None
        "forward" or "backward": from which end each reads; None draws them as one.
    token_width : float, default=1.0
        Distance between tokens, in `unit`.
    unit : str, default="tokens"
        Unit of decay lengths.
    spectrum_width : float, default=None
        Length of a spectrum, in `unit`; drawn as a line.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the drawing.
    figure_ : matplotlib Figure
        With `ax_`.

    See Also
    --------
    skspectra.nn.DampedOscillators : The layer.
    SaliencyDisplay : Which channels a prediction rests on.

    Examples
    --------
    >>> from skspectra import MaskedSpectralPretrainer
    >>> from skspectra.datasets import make_nir_mixtures
    >>> from skspectra.inspection import OscillatorDisplay
    >>> spectra = make_nir_mixtures(n_samples=60, n_channels=100, random_state=0)
    >>> pretrainer = MaskedSpectralPretrainer(
    ...     "state_space", hidden_tokens="replace", patch_size=10, embed_dim=16,
    ...     depth=2, max_epochs=5, x_axis=spectra.x_axis, random_state=0
    ... )
    >>> display = OscillatorDisplay.from_estimator(
    ...     pretrainer.fit(spectra.data), x_unit=spectra.x_unit
    ... )
    >>> display.frequencies.shape  # 2 layers of 8 oscillators each way
    (32,)
    """

    def __init__(
        self,
        frequencies,
        dampings,
        *,
        layers=None,
        directions=None,
        token_width=1.0,
        unit="tokens",
        spectrum_width=None,
    ):
        self.frequencies = frequencies
        self.dampings = dampings
        self.layers = layers
        self.directions = directions
        self.token_width = token_width
        self.unit = unit
        self.spectrum_width = spectrum_width

    @classmethod
    def from_estimator(cls, estimator, *, x_unit=None, ax=None):
        """Read the oscillators of a fitted encoder and draw them.

        Parameters
        ----------
        estimator : MaskedSpectralPretrainer, SpectralRegressor or Pipeline
            Fitted, with `encoder="state_space"`; any may be frozen, and a
            pipeline ends in one of these. A fine-tuned regressor has oscillators of
            its own.
        x_unit : str, default=None
            Unit of the pretrainer's `x_axis`, such as "nm" or "cm-1". Decay lengths
            are given on that axis if there is one, at the mean distance of its
            channels, and else in channels.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        OscillatorDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the encoder has no oscillators.
        NotFittedError
            If the estimator is not fitted.
        """
        thawed = estimator
        if isinstance(estimator, FrozenEstimator):
            thawed = estimator.estimator
        model = thawed[-1] if isinstance(thawed, Pipeline) else thawed
        model = model.estimator if isinstance(model, FrozenEstimator) else model
        check_is_fitted(model)
        encoder = getattr(getattr(model, "module_", None), "encoder", None)
        banks = _banks(encoder)
        if not banks:
            raise ValueError(
                f"{cls.__name__} draws the oscillators of encoder='state_space', and "
                f"this encoder has none. Got {model!r} instead."
            )
        x_axis = axis_of(estimator)
        channel, unit = 1.0, "channels"
        if x_axis is not None:
            channel = abs(x_axis[-1] - x_axis[0]) / (len(x_axis) - 1)
            unit = "units of the axis" if x_unit is None else x_unit
        # Each a bank of two directions, row by row.
        shape = (len(banks), 2, banks[0].n_oscillators)
        display = cls(
            np.concatenate([bank.frequencies.numpy().ravel() for bank in banks]),
            np.concatenate([bank.dampings.numpy().ravel() for bank in banks]),
            layers=np.arange(len(banks)).repeat(shape[1] * shape[2]),
            directions=np.tile(
                np.repeat(["forward", "backward"], shape[2]), len(banks)
            ),
            token_width=encoder.patch_size * channel,
            unit=unit,
            spectrum_width=encoder.n_channels * channel,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw one point an oscillator, over its frequency.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        OscillatorDisplay
            This display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the arrays are not of one length.
        """
        frequencies = np.asarray(self.frequencies)
        lengths = self.token_width / np.asarray(self.dampings)
        layers = np.zeros(len(lengths)) if self.layers is None else self.layers
        directions = self.directions
        directions = np.repeat("", len(lengths)) if directions is None else directions
        check_consistent_length(frequencies, lengths, layers, directions)
        layers, directions = np.asarray(layers), np.asarray(directions)
        # Each once, in the order given.
        shown = list(dict.fromkeys(layers)), list(dict.fromkeys(directions))
        ax = new_axes((6.4, 3.8)) if ax is None else ax
        for k, layer in enumerate(shown[0]):
            for direction in shown[1]:
                chosen = (layers == layer) & (directions == direction)
                points = frequencies[chosen], lengths[chosen]
                ax.scatter(*points, s=26, **_style(k, direction == "backward"))
        if self.spectrum_width is not None:
            ax.axhline(self.spectrum_width, color="black", lw=1, ls="--", zorder=1)
        ax.set_yscale("log")
        ax.set_xlim(0, 0.5)
        ax.set_xlabel("Frequency (cycles per token)")
        ax.set_ylabel(f"Decay length ({written(self.unit)})")
        ax.spines[["top", "right"]].set_visible(False)
        self._explain(ax, *shown)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _explain(self, ax, layers, directions):
        """Put the key above the drawing, where no point can lie under it."""
        if len(layers) > 1:
            for k, layer in enumerate(layers):
                ax.scatter([], [], s=26, **_style(k), label=f"layer {layer + 1}")
        for direction in directions if len(directions) > 1 else ():
            style = {**_style(0, direction == "backward"), "edgecolors": "0.3"}
            if direction != "backward":
                style["facecolors"] = "0.3"
            ax.scatter([], [], s=26, **style, label=direction)
        if self.spectrum_width is not None:
            ax.plot([], [], color="black", lw=1, ls="--", label="whole spectrum")
        put_key(ax, ax.get_legend_handles_labels()[0])


def _banks(encoder):
    """Return the layers of oscillators of an encoder, none for a transformer."""
    blocks = getattr(getattr(encoder, "trunk", None), "blocks", ())
    return [block.oscillators for block in blocks if hasattr(block, "oscillators")]


def _style(k, hollow=False):
    """Return the marker of the k-th layer; hollow ones read backward."""
    turn, number = divmod(k, _N_STYLES)
    colour = COLOURS[(number + turn) % _N_STYLES]
    return {
        "marker": MARKERS[number],
        "facecolors": "none" if hollow else colour,
        "edgecolors": colour,
        "linewidths": 1.2,
        "zorder": 2,
    }
