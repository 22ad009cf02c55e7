"""ReconstructionDisplay: spectra, what was hidden of them, and what was rebuilt."""

import numpy as np

from skspectra._drawing import put_key
from skspectra.inspection._axis import channel_positions, set_up_axis
from skspectra.inspection._steps import axis_before, last_step

__all__ = ["ReconstructionDisplay"]

_BLUE, _RED = "#0072B2", "#D55E00"
_MOST_PANELS = 12


class ReconstructionDisplay:
    """Spectra with hidden bands, and the reconstruction of these.

    One panel a spectrum. Made by :meth:`from_estimator`.

    Parameters
    ----------
    spectra : array-like of shape (n_spectra, n_channels)
        As measured.
    reconstruction : array-like of shape (n_spectra, n_channels)
        As rebuilt; looked at where hidden.
    hidden : bool array-like of shape (n_spectra, n_channels)
        True where a channel was hidden.
    x_axis : array-like of shape (n_channels,), default=None
        Positions of the channels, rising or falling; None counts them.
    x_unit : str, default=None
        Unit of `x_axis`, such as "nm", "cm-1" or "keV".

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_spectra,)
        One a spectrum.
    figure_ : matplotlib Figure
        With all of them.

    See Also
    --------
    skspectra.MaskedSpectralPretrainer.reconstruct : Computes what is drawn.
    SaliencyDisplay : Which channels a prediction rests on.

    Examples
    --------
    >>> from skspectra import MaskedSpectralPretrainer
    >>> from skspectra.datasets import make_nir_mixtures
    >>> from skspectra.inspection import ReconstructionDisplay
    >>> spectra = make_nir_mixtures(n_samples=60, n_channels=100, random_state=0)
    >>> pretrainer = MaskedSpectralPretrainer(
    ...     patch_size=10, embed_dim=16, depth=1, max_epochs=10, x_axis=spectra.x_axis
    ... )
    >>> display = ReconstructionDisplay.from_estimator(
    ...     pretrainer.fit(spectra.data), spectra.data[:2], x_unit=spectra.x_unit
    ... )
    >>> display.axes_.shape
    (2,)
    """

    def __init__(self, spectra, reconstruction, hidden, *, x_axis=None, x_unit=None):
        self.spectra = spectra
        self.reconstruction = reconstruction
        self.hidden = hidden
        self.x_axis = x_axis
        self.x_unit = x_unit

    @classmethod
    def from_estimator(
        cls, estimator, X, *, hidden=None, x_axis=None, x_unit=None, ax=None
    ):
        """Hide a part of spectra, rebuild it and draw both.

        Parameters
        ----------
        estimator : MaskedSpectralPretrainer, SpectralRegressor or Pipeline
            Fitted; any may be frozen. A regressor or classifier stands for its
            pretrainer. Of a pipeline the steps before that transform X, and what they
            make of it is drawn.
        X : array-like of shape (n_spectra, n_channels)
            A few spectra, at most 12.
        hidden : bool array-like of shape (n_channels,) or (n_spectra, n_channels), \
                default=None
            True where a channel is to be hidden, see
            :meth:`skspectra.MaskedSpectralPretrainer.reconstruct`; None draws
            patches at random.
        x_axis : array-like of shape (n_channels,), default=None
            Positions of the channels; None takes those of the pretrainer.
        x_unit : str, default=None
            Unit of the positions.
        ax : matplotlib Axes or array of them, default=None
            One a spectrum; None makes a figure.

        Returns
        -------
        ReconstructionDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there are too many spectra, or they are not as described.
        TypeError
            If the estimator, or each step of the pipeline, rebuilds nothing.
        NotFittedError
            If it is not fitted.
        """
        model, seen = last_step(
            estimator, X, "reconstruct", "a MaskedSpectralPretrainer"
        )
        found = model.reconstruct(seen, hidden=hidden)
        if x_axis is None:
            x_axis = axis_before(estimator, X, "reconstruct")
        display = cls(
            np.asarray(seen, dtype=np.float64),
            found.reconstruction,
            found.hidden,
            x_axis=x_axis,
            x_unit=x_unit,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw each spectrum, its hidden bands and their reconstruction.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One a spectrum; None makes a figure.

        Returns
        -------
        ReconstructionDisplay
            This display, with `axes_` and `figure_`.

        Raises
        ------
        ValueError
            If there are more than 12 spectra, or not one Axes for each.
        """
        spectra = np.atleast_2d(self.spectra)
        n_spectra, n_channels = spectra.shape
        if n_spectra > _MOST_PANELS:
            raise ValueError(
                f"{type(self).__name__} draws at most {_MOST_PANELS} spectra, a panel "
                f"each. Got {n_spectra} instead: pass a few rows, such as X[:3]."
            )
        axes = _new_axes(n_spectra) if ax is None else np.atleast_1d(ax).ravel()
        if len(axes) != n_spectra:
            raise ValueError(
                f"ax must hold {n_spectra} Axes, one a spectrum. Got {len(axes)} "
                "instead."
            )
        positions = channel_positions(self.x_axis, n_channels, type(self).__name__)
        rows = zip(
            axes,
            spectra,
            np.atleast_2d(self.reconstruction),
            np.atleast_2d(self.hidden),
            strict=True,
        )
        for axis, spectrum, rebuilt, hidden in rows:
            _draw(axis, positions, spectrum, rebuilt, hidden)
            known = self.x_axis is not None
            set_up_axis(axis, positions, known=known, x_unit=self.x_unit)
            axis.label_outer()
        _explain(axes[0])
        self.axes_, self.figure_ = axes, axes[0].figure
        return self


def _new_axes(n_spectra):
    import matplotlib.pyplot as plt

    return plt.subplots(
        n_spectra,
        1,
        figsize=(6.4, 1.4 + 1.6 * n_spectra),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )[1][:, 0]


def _draw(ax, positions, spectrum, rebuilt, hidden):
    middles = (positions[1:] + positions[:-1]) / 2
    edges = np.concatenate([positions[:1], middles, positions[-1:]])
    flips = np.flatnonzero(np.diff(hidden, prepend=False, append=False))
    for start, stop in flips.reshape(-1, 2):
        ax.axvspan(edges[start], edges[stop], color="0.9", lw=0, zorder=0)
    ax.plot(positions, spectrum, color=_BLUE, lw=1.5)
    # The line of a hidden band begins and ends on the visible channels beside it.
    drawn = hidden | np.roll(hidden, 1) | np.roll(hidden, -1)
    drawn[0], drawn[-1] = hidden[:2].any(), hidden[-2:].any()
    line = np.where(hidden, rebuilt, spectrum)
    ax.plot(positions, np.where(drawn, line, np.nan), color=_RED, lw=1.8, ls="--")
    ax.spines[["top", "right"]].set_visible(False)


def _explain(ax):
    from matplotlib.patches import Patch

    lines = ax.get_lines()
    lines[0].set_label("spectrum")
    lines[1].set_label("rebuilt")
    put_key(ax, [lines[0], Patch(color="0.9", lw=0, label="hidden"), lines[1]])
