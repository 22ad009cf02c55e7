"""SpectraDisplay: spectra on their axis, coloured by a target."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length

from skspectra._drawing import fit_titles, new_axes, put_key
from skspectra._table_axis import axis_of, column_axis, known_axis
from skspectra._validation import validate_params
from skspectra.inspection._axis import channel_positions, set_up_axis
from skspectra.inspection._steps import (
    before,
    described,
    is_pipeline,
    steps_of,
)
from skspectra.inspection._targets import (
    colour_map,
    find_classes,
    numbers_of,
    pick_column,
    quantity,
)

__all__ = ["SpectraDisplay"]

_FEW = 30  # spectra; of more, single lines cannot be followed
_OPTIONS = {
    "x_unit": [str, None],
    "y_name": [str, None],
    "y_unit": [str, None],
    "quantity": [str],
}


class SpectraDisplay:
    """Spectra on their axis, coloured by a quantity or by classes.

    A quantity has a colour bar, classes have a key. Of more than 30 spectra the mean of
    each class is drawn over them, with a dash of its own. Where channels are missing
    (NaN) a line has a gap. Made by :meth:`from_spectra` or :meth:`from_estimator`.

    Parameters
    ----------
    spectra : array-like of shape (n_samples, n_channels)
        One a row; NaN for missing channels.
    y : array-like of shape (n_samples,), default=None
        What the colour tells. Floats, and whole numbers of more than 7 values, are a
        quantity; words, booleans and few whole numbers are classes.
    x_axis : array-like of shape (n_channels,), default=None
        Positions of the channels, rising or falling; None counts them.
    x_unit : str, default=None
        Unit of `x_axis`, such as "nm", "cm-1" or "keV".
    y_name : str, default=None
        What `y` is.
    y_unit : str, default=None
        Its unit.
    quantity : str, default="Intensity"
        What the spectra hold, such as "Absorbance"; the title of the y axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the drawing.
    figure_ : matplotlib Figure
        With `ax_`.
    lines_ : matplotlib LineCollection
        The spectra, in a shuffled order, so that no class hides another.
    means_ : list of matplotlib Line2D
        The mean of each class; empty where there are few spectra, or a quantity.
    colorbar_ : matplotlib Colorbar or None
        Of a quantity.

    See Also
    --------
    EmbeddingDisplay : One point a spectrum.

    Examples
    --------
    >>> from skspectra.datasets import make_nir_mixtures
    >>> from skspectra.inspection import SpectraDisplay
    >>> spectra = make_nir_mixtures(n_samples=60, n_channels=100, random_state=0)
    >>> display = SpectraDisplay.from_spectra(
    ...     spectra.data,
    ...     spectra.target,
    ...     x_axis=spectra.x_axis,
    ...     x_unit=spectra.x_unit,
    ...     y_name="fraction",
    ...     quantity="Absorbance",
    ... )
    >>> display.ax_.get_xlabel(), display.colorbar_.ax.get_ylabel()
    ('Wavelength (nm)', 'fraction')
    """

    def __init__(
        self,
        spectra,
        y=None,
        *,
        x_axis=None,
        x_unit=None,
        y_name=None,
        y_unit=None,
        quantity="Intensity",
    ):
        self.spectra = spectra
        self.y = y
        self.x_axis = x_axis
        self.x_unit = x_unit
        self.y_name = y_name
        self.y_unit = y_unit
        self.quantity = quantity

    @classmethod
    @validate_params(
        {"X": ["array-like"], "y": ["array-like", None], **_OPTIONS},
        prefer_skip_nested_validation=False,
    )
    def from_spectra(
        cls,
        X,
        y=None,
        *,
        target=None,
        x_axis=None,
        x_unit=None,
        y_name=None,
        y_unit=None,
        quantity="Intensity",
        ax=None,
    ):
        """Draw spectra as they are given.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels)
            Spectra; NaN for missing channels.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            What the colour tells: a quantity, or classes.
        target : int or str, default=None
            Which column of y, by its number, or by its name if y is a DataFrame. None
            where there is only one.
        x_axis : array-like of shape (n_channels,), default=None
            Positions of the channels; None takes the column names of a DataFrame, if
            they are numbers.
        x_unit : str, default=None
            Unit of the positions.
        y_name : str, default=None
            What y is; None takes the name that a Series or DataFrame has.
        y_unit : str, default=None
            Its unit.
        quantity : str, default="Intensity"
            What the spectra hold, such as "Absorbance".
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        SpectraDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the arrays are not as described.
        """
        name = None
        if y is not None:
            y, _, name = pick_column(y, target, cls.__name__)
        display = cls(
            X,
            y,
            x_axis=column_axis(X) if x_axis is None else x_axis,
            x_unit=x_unit,
            y_name=name if y_name is None else y_name,
            y_unit=y_unit,
            quantity=quantity,
        )
        return display.plot(ax)

    @classmethod
    @validate_params(
        {"X": ["array-like"], "y": ["array-like", None], **_OPTIONS},
        prefer_skip_nested_validation=False,
    )
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        target=None,
        x_axis=None,
        x_unit=None,
        y_name=None,
        y_unit=None,
        quantity="Intensity",
        ax=None,
    ):
        """Draw spectra as the last step of a fitted pipeline gets them.

        Parameters
        ----------
        estimator : Pipeline or transformer
            Fitted; either may be frozen. All steps of a pipeline but the last are
            applied, or a single transformer of spectra, such as
            :class:`skspectra.InstanceNormalizer`.
        X : array-like of shape (n_samples, n_channels)
            Spectra, as they go into the first step.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            What the colour tells, see :meth:`from_spectra`.
        target : int or str, default=None
            Which column of y.
        x_axis : array-like of shape (n_channels,), default=None
            Positions of the channels that are drawn; None takes those that the
            estimator knows, or the column names of X.
        x_unit : str, default=None
            Unit of the positions.
        y_name : str, default=None
            What y is; None takes the name that a Series or DataFrame has.
        y_unit : str, default=None
            Its unit.
        quantity : str, default="Intensity"
            What the spectra hold then, such as "Absorbance, SNV".
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        SpectraDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the arrays are not as described.
        TypeError
            If the estimator is neither a pipeline nor a transformer of spectra.
        """
        steps = steps_of(estimator)
        if not is_pipeline(estimator) and (
            not hasattr(steps[0], "transform") or hasattr(steps[0], "reconstruct")
        ):
            raise TypeError(
                f"estimator of {cls.__name__} must be a Pipeline or a transformer of "
                f"spectra. Got {described(estimator)} instead: use from_spectra."
            )
        if is_pipeline(estimator):
            number, known = len(steps) - 1, axis_of(estimator, column_axis(X))
        else:
            number, known = 1, known_axis(steps[0])
        return cls.from_spectra(
            np.asarray(before(estimator, number, X)),
            y,
            target=target,
            x_axis=known if x_axis is None else x_axis,
            x_unit=x_unit,
            y_name=y_name,
            y_unit=y_unit,
            quantity=quantity,
            ax=ax,
        )

    def plot(self, ax=None):
        """Draw the spectra.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        SpectraDisplay
            This display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the arrays are not as described.
        """
        owner = type(self).__name__
        X = check_array(
            self.spectra,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_features=2,
            input_name="X",
        )
        if np.isnan(X).all():
            raise ValueError(f"X of {owner} holds no value: all of it is NaN.")
        positions = channel_positions(self.x_axis, X.shape[1], owner)
        y = np.zeros(len(X), dtype=int) if self.y is None else np.asarray(self.y)
        check_consistent_length(X, y)
        self.ax_ = ax = new_axes((6.4, 3.6)) if ax is None else ax
        self.figure_, self.means_, self.colorbar_ = ax.figure, [], None
        set_up_axis(ax, positions, known=self.x_axis is not None, x_unit=self.x_unit)
        low, high = np.nanmin(X), np.nanmax(X)
        pad = 0.04 * (high - low) or 1.0
        ax.set_ylim(low - pad, high + pad)
        ax.set_ylabel(self.quantity)
        ax.spines[["top", "right"]].set_visible(False)
        numbers = numbers_of(y)
        if numbers is None:
            self._draw_classes(positions, X, y)
        else:
            self._draw_quantity(positions, X, numbers)
        return self

    def _draw_quantity(self, positions, X, values):
        """Draw spectra coloured by a quantity, those without a value in grey below."""
        known = ~np.isnan(values)
        handles = []
        if not known.all():
            grey = {"color": "0.75", "ls": "-"}
            colours = [grey["color"]] * (~known).sum()
            _lines(self.ax_, positions, X[~known], colours=colours, zorder=1)
            handles = [_sample_line("not known", grey)]
        order = np.flatnonzero(known)[_shuffled(known.sum())]
        self.lines_ = _lines(self.ax_, positions, X[order], values=values[order])
        self.colorbar_ = self.figure_.colorbar(self.lines_, ax=self.ax_, pad=0.02)
        self.colorbar_.set_label(quantity(self.y_name, self.y_unit))
        self.colorbar_.solids.set_alpha(1)
        self.colorbar_.outline.set_visible(False)
        put_key(self.ax_, handles)
        fit_titles(self.colorbar_.ax)

    def _draw_classes(self, positions, X, y):
        """Draw spectra coloured by class, and the means where there are many."""
        classes, few, ax = find_classes(y), len(X) <= _FEW, self.ax_
        order = _shuffled(len(X))
        styles = [classes.styles[code] for code in classes.codes[order]]
        self.lines_ = _lines(
            ax,
            positions,
            X[order],
            colours=[(str if few else _pale)(style["color"]) for style in styles],
            dashes=[style["ls"] for style in styles] if few else "-",
        )
        named = list(zip(classes.names, classes.styles, strict=True))
        if self.y is None:
            named = [(f"mean of {len(X)} spectra", {"color": "black", "ls": "-"})]
        if few:
            handles = [_sample_line(*each) for each in named if self.y is not None]
        else:
            handles = self.means_ = [
                _draw_mean(ax, positions, _mean(X[classes.codes == code]), *each)
                for code, each in enumerate(named)
            ]
        title = quantity(self.y_name, self.y_unit) if handles else ""
        put_key(ax, handles, title=title)


def _shuffled(n_rows):
    return np.random.default_rng(0).permutation(n_rows)


def _mean(X):
    """Return the mean of each channel over the rows that have it, NaN without any."""
    counts = (~np.isnan(X)).sum(axis=0)
    return np.where(counts > 0, np.nansum(X, axis=0) / np.maximum(counts, 1), np.nan)


def _lines(ax, positions, X, *, values=None, colours=None, dashes="-", zorder=2):
    """Draw one line a row, all in one go, gaps where there is no value."""
    from matplotlib.collections import LineCollection

    few, many = len(X) <= _FEW, len(X) > 10 * _FEW
    vertices = np.empty((*X.shape, 2))
    vertices[..., 0], vertices[..., 1] = positions, X
    lines = LineCollection(
        vertices,
        array=values,
        cmap=None if values is None else colour_map(),
        colors=colours,
        linestyles=dashes,
        linewidths=1.3 if few else 0.4 if many else 0.8,
        alpha=0.9 if few else 0.4 if many else 0.6,
        # In files of vectors, thousands of lines would be hundreds of megabytes.
        rasterized=X.size > 100_000,
        zorder=zorder,
    )
    ax.add_collection(lines, autolim=False)
    rows, channels = np.nonzero(_alone(X))
    if len(rows):
        colours = lines.to_rgba(values) if colours is None else np.asarray(colours)
        ax.scatter(positions[channels], X[rows, channels], s=2, c=colours[rows], lw=0)
    return lines


def _alone(X):
    """Tell which values have no neighbour that a line could lead to."""
    known = np.pad(~np.isnan(X), ((0, 0), (1, 1)))
    return known[:, 1:-1] & ~known[:, :-2] & ~known[:, 2:]


def _sample_line(name, style):
    from matplotlib.lines import Line2D

    return Line2D([], [], color=style["color"], ls=style["ls"], lw=1.8, label=name)


def _draw_mean(ax, positions, mean, name, style):
    """Draw a mean over the spectra, on white, so that it stands out in grey too."""
    ax.plot(positions, mean, color="white", lw=4.2, zorder=3)
    style = {"color": style["color"], "ls": style["ls"]}
    return ax.plot(positions, mean, **style, lw=2, label=name, zorder=4)[0]


def _pale(colour):
    """Return a colour half white, for what lies behind a line of that colour."""
    from matplotlib.colors import to_rgb

    return 0.5 + 0.5 * np.array(to_rgb(colour))
