"""SaliencyDisplay: a saliency map on the axis of the spectra."""

import numpy as np

from skspectra._drawing import fit_titles, new_axes
from skspectra._validation import StrOptions, validate_params
from skspectra.inspection._axis import (
    channel_positions,
    check_labels,
    mark_positions,
    set_up_axis,
)
from skspectra.inspection._saliency import saliency_map

__all__ = ["SaliencyDisplay"]

_BLUE, _GREY = "#0072B2", "0.55"
_NAMES = {
    "gradient": "gradient of the prediction",
    "loss_gradient": "gradient of the loss",
    "integrated_gradients": "integrated gradient",
    "smooth_gradient": "smooth gradient of the prediction",
}


class SaliencyDisplay:
    """Which channels a prediction rests on, drawn on the axis of the spectra.

    Made by :meth:`from_estimator`; the arrays may also come from elsewhere, such as
    the coefficients of PLS.

    Parameters
    ----------
    saliency : ndarray of shape (n_channels,)
        One value a channel.
    spectrum : ndarray of shape (n_channels,), default=None
        Drawn behind it, in grey and on a second y axis.
    x_axis : array-like of shape (n_channels,), default=None
        Positions of the channels, rising or falling; None counts them.
    x_unit : str, default=None
        Unit of `x_axis`, such as "nm", "cm-1" or "keV".
    labels : dict, default=None
        Names of elements or bands, and for each its position on the axis, or a list
        of positions. Those outside of the axis are left out, and where there is no
        room for all names, those where the saliency is lowest.
    name : str, default="Saliency"
        What the values are; the title of the y axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the saliency.
    spectrum_ax_ : matplotlib Axes or None
        With the spectrum.
    figure_ : matplotlib Figure
        With both.

    See Also
    --------
    saliency_map : Computes what is drawn.
    ReconstructionDisplay : What the pretrainer makes of hidden bands.

    Examples
    --------
    >>> from skspectra import MaskedSpectralPretrainer, SpectralRegressor
    >>> from skspectra.datasets import make_nir_mixtures
    >>> from skspectra.inspection import SaliencyDisplay
    >>> spectra = make_nir_mixtures(n_samples=60, n_channels=100, random_state=0)
    >>> pretrainer = MaskedSpectralPretrainer(
    ...     patch_size=10, embed_dim=16, depth=1, max_epochs=10, x_axis=spectra.x_axis
    ... )
    >>> model = SpectralRegressor(pretrainer, max_epochs=10, random_state=0)
    >>> display = SaliencyDisplay.from_estimator(
    ...     model.fit(spectra.data, spectra.target),
    ...     spectra.data,
    ...     x_unit=spectra.x_unit,
    ...     labels={"first overtones": 1700, "combinations": [2100, 2300]},
    ... )
    >>> display.ax_.get_xlabel()
    'Wavelength (nm)'
    """

    def __init__(
        self,
        saliency,
        *,
        spectrum=None,
        x_axis=None,
        x_unit=None,
        labels=None,
        name="Saliency",
    ):
        self.saliency = saliency
        self.spectrum = spectrum
        self.x_axis = x_axis
        self.x_unit = x_unit
        self.labels = labels
        self.name = name

    @classmethod
    @validate_params(
        {
            "average": [StrOptions({"absolute", "signed"})],
            "x_unit": [str, None],
            "labels": [dict, None],
        },
        prefer_skip_nested_validation=False,
    )
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        method="gradient",
        average="absolute",
        target=None,
        target_names=None,
        baseline="mean",
        n_steps=50,
        noise=0.1,
        normalize=False,
        random_state=None,
        x_axis=None,
        x_unit=None,
        labels=None,
        ax=None,
    ):
        """Compute the mean saliency over spectra and draw it.

        Behind it lies the mean of X as given, which is easier to recognise than what
        the steps of a pipeline make of it; the latter where they change the number of
        channels.

        Parameters
        ----------
        estimator : SpectralRegressor, SpectralClassifier or Pipeline
            Fitted, see :func:`saliency_map`.
        X : array-like of shape (n_samples, n_channels)
            Spectra to average over, in the unit of the training data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Reference values, for "loss_gradient" alone.
        method : {"gradient", "loss_gradient", "integrated_gradients", \
                "smooth_gradient"}, default="gradient"
            See :func:`saliency_map`.
        average : {"absolute", "signed"}, default="absolute"
            Mean of the absolute values, or mean with signs.
        target : int, str or class, default=None
            Which column of y, by its number or name, or which class. A name is added
            to the title of the y axis.
        target_names : list of str of shape (n_targets,), default=None
            Names of the columns of y; None takes those of a DataFrame y.
        baseline : {"mean", "zero"} or array-like of shape (n_channels,), \
                default="mean"
            Where the paths of "integrated_gradients" start.
        n_steps : int, default=50
            Number of points on a path, or of noisy copies.
        noise : float, default=0.1
            Of "smooth_gradient", as a part of the pretrainer's `scale_`.
        normalize : bool, default=False
            Divide each map by its largest absolute value before averaging.
        random_state : int, RandomState instance or None, default=None
            Decides the noise of "smooth_gradient".
        x_axis : array-like of shape (n_channels,), default=None
            Positions of the channels; None takes those of the pretrainer.
        x_unit : str, default=None
            Unit of the positions.
        labels : dict, default=None
            Names of elements or bands and their positions. In a narrow drawing those
            where the saliency is lowest are left out.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        SaliencyDisplay
            Drawn.
        """
        found = saliency_map(
            estimator,
            X,
            y,
            method=method,
            target=target,
            target_names=target_names,
            baseline=baseline,
            n_steps=n_steps,
            noise=noise,
            normalize=normalize,
            random_state=random_state,
        )
        given = np.ma.masked_invalid(np.asarray(X, dtype=np.float64))
        given = given.mean(axis=0).filled(np.nan)
        of_target = f", {target}" if isinstance(target, str) else ""
        signed = average == "signed"
        display = cls(
            found.mean if signed else found.mean_absolute,
            spectrum=given if given.shape == found.mean.shape else found.spectrum,
            x_axis=found.x_axis if x_axis is None else x_axis,
            x_unit=x_unit,
            labels=labels,
            name=f"Mean {'' if signed else 'absolute '}{_NAMES[method]}{of_target}",
        )
        return display.plot(ax)

    def plot(self, ax=None, *, show_spectrum=True):
        """Draw the saliency, the spectrum behind it and the labels.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        show_spectrum : bool, default=True
            Draw the spectrum, if there is one.

        Returns
        -------
        SaliencyDisplay
            This display, with `ax_`, `spectrum_ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the arrays are not of one length, or labels have no positions.
        """
        saliency = np.asarray(self.saliency, dtype=np.float64)
        owner = type(self).__name__
        marks = check_labels(self.labels or {}, owner)
        positions = channel_positions(self.x_axis, len(saliency), owner)
        if self.spectrum is not None and np.shape(self.spectrum) != saliency.shape:
            raise ValueError(
                f"The 'spectrum' parameter of {owner} must have the shape of saliency, "
                f"{saliency.shape}. Got shape {np.shape(self.spectrum)} instead."
            )
        ax = new_axes((6.4, 3.6)) if ax is None else ax
        # Thousands of channels would run together under a broad line.
        ax.plot(
            positions, saliency, color=_BLUE, lw=1.5 if len(saliency) < 500 else 0.7
        )
        if saliency.min() < 0:
            ax.axhline(0, color="black", lw=0.8)
        else:
            ax.set_ylim(bottom=0)
        ax.set_ylabel(self.name)
        set_up_axis(ax, positions, known=self.x_axis is not None, x_unit=self.x_unit)
        ax.spines[["top", "right"]].set_visible(False)
        self.ax_, self.figure_, self.spectrum_ax_ = ax, ax.figure, None
        if show_spectrum and self.spectrum is not None:
            self.spectrum_ax_ = _draw_behind(ax, positions, self.spectrum)
        if marks:
            nearest = [np.abs(positions - mark[0]).argmin() for mark in marks]
            mark_positions(ax, marks, np.abs(saliency)[nearest])
        fit_titles(ax)
        return self


def _draw_behind(ax, positions, spectrum):
    """Draw a spectrum on a second y axis, under what is there."""
    behind = ax.twinx()
    behind.fill_between(positions, spectrum, np.nanmin(spectrum), color="0.9", lw=0)
    behind.plot(positions, spectrum, color=_GREY, lw=1)
    behind.set_ylabel("Mean spectrum", color="0.4")
    behind.tick_params(axis="y", colors="0.4")
    behind.spines[["top", "left"]].set_visible(False)
    behind.spines["right"].set_color(_GREY)
    # The later Axes lies above: let the saliency be the upper, and see through it.
    ax.set_zorder(behind.get_zorder() + 1)
    ax.patch.set_visible(False)
    return behind
