"""EmbeddingDisplay: a map of spectra as an encoder sees them."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length

from skspectra._drawing import fit_titles, new_axes, point_of, put_key
from skspectra._validation import validate_params
from skspectra.inspection._steps import before, described, last_step, steps_of
from skspectra.inspection._targets import (
    colour_map,
    find_classes,
    numbers_of,
    pick_column,
    quantity,
)

__all__ = ["EmbeddingDisplay"]


class EmbeddingDisplay:
    """Map of an embedding: two principal components, coloured by a target.

    How much of the variance of the embedding each component holds stands on its axis;
    what they do not hold the map does not show. Made by :meth:`from_estimator` or
    :meth:`from_embedding`.

    Parameters
    ----------
    components : array-like of shape (n_samples, 2)
        Coordinates on the map.
    explained_variance_ratio : array-like of shape (2,), default=None
        Part of the variance that each holds.
    y : array-like of shape (n_samples,), default=None
        What the colour tells. Floats, and whole numbers of more than 7 values, are a
        quantity; words, booleans and few whole numbers are classes.
    y_name : str, default=None
        What `y` is.
    y_unit : str, default=None
        Its unit.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the drawing.
    figure_ : matplotlib Figure
        With `ax_`.
    scatter_ : list of matplotlib PathCollection
        The points: of each class, or all of one quantity, those without a value last.
    colorbar_ : matplotlib Colorbar or None
        Of a quantity.

    See Also
    --------
    skspectra.MaskedSpectralPretrainer.transform : Computes the embedding.
    SpectraDisplay : The spectra themselves.

    Examples
    --------
    >>> from skspectra import MaskedSpectralPretrainer
    >>> from skspectra.datasets import make_nir_mixtures
    >>> from skspectra.inspection import EmbeddingDisplay
    >>> spectra = make_nir_mixtures(n_samples=60, n_channels=100, random_state=0)
    >>> pretrainer = MaskedSpectralPretrainer(
    ...     patch_size=10, embed_dim=16, depth=1, max_epochs=10, random_state=0
    ... )
    >>> display = EmbeddingDisplay.from_estimator(
    ...     pretrainer.fit(spectra.data),
    ...     spectra.data,
    ...     spectra.target,
    ...     y_name="fraction",
    ... )
    >>> display.components.shape
    (60, 2)
    """

    def __init__(
        self,
        components,
        *,
        explained_variance_ratio=None,
        y=None,
        y_name=None,
        y_unit=None,
    ):
        self.components = components
        self.explained_variance_ratio = explained_variance_ratio
        self.y = y
        self.y_name = y_name
        self.y_unit = y_unit

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, target=None, y_name=None, y_unit=None, ax=None
    ):
        """Embed spectra and draw the map.

        Parameters
        ----------
        estimator : MaskedSpectralPretrainer, transformer or Pipeline
            Fitted; any may be frozen. Of a pipeline the steps up to the last pretrainer
            are applied, or all that transform if there is none; a SpectralRegressor or
            SpectralClassifier stands for its pretrainer, whose encoder is as it was
            before fine-tuning. The map of PCA or of PLS may so be set beside.
        X : array-like of shape (n_samples, n_channels)
            Spectra, as they go into the first step.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            What the colour tells: a quantity, or classes such as groups.
        target : int or str, default=None
            Which column of y, by its number, or by its name if y is a DataFrame. None
            where there is only one.
        y_name : str, default=None
            What y is; None takes the name that a Series or DataFrame has.
        y_unit : str, default=None
            Its unit.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        EmbeddingDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the arrays are not as described, or the embedding has one column.
        TypeError
            If the estimator transforms nothing.
        """
        options = {"target": target, "y_name": y_name, "y_unit": y_unit, "ax": ax}
        return cls.from_embedding(_embed(estimator, X, cls.__name__), y, **options)

    @classmethod
    @validate_params(
        {
            "embedding": ["array-like"],
            "y": ["array-like", None],
            "y_name": [str, None],
            "y_unit": [str, None],
        },
        prefer_skip_nested_validation=False,
    )
    def from_embedding(
        cls, embedding, y=None, *, target=None, y_name=None, y_unit=None, ax=None
    ):
        """Draw the map of an embedding that was computed elsewhere.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_features)
            One row a spectrum, at least 2 columns.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            What the colour tells: a quantity, or classes such as groups.
        target : int or str, default=None
            Which column of y. None where there is only one.
        y_name : str, default=None
            What y is; None takes the name that a Series or DataFrame has.
        y_unit : str, default=None
            Its unit.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        EmbeddingDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the arrays are not as described.
        """
        name = None
        if y is not None:
            y, _, name = pick_column(y, target, cls.__name__)
        embedding = check_array(
            embedding,
            dtype=np.float64,
            ensure_min_samples=2,
            ensure_min_features=2,
            input_name="embedding",
        )
        components, ratio = _principal_components(embedding)
        display = cls(
            components,
            explained_variance_ratio=ratio,
            y=y,
            y_name=name if y_name is None else y_name,
            y_unit=y_unit,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw one point a spectrum.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        EmbeddingDisplay
            This display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the arrays are not as described.
        """
        points = check_array(self.components, dtype=np.float64, input_name="components")
        if points.shape[1] != 2:
            raise ValueError(
                f"The 'components' parameter of {type(self).__name__} must have 2 "
                f"columns. Got {points.shape[1]}: use from_embedding."
            )
        y = np.zeros(len(points), dtype=int) if self.y is None else np.asarray(self.y)
        check_consistent_length(points, y)
        self.ax_ = ax = new_axes((5.4, 4.2)) if ax is None else ax
        self.figure_, self.scatter_, self.colorbar_ = ax.figure, [], None
        for k, set_label in enumerate((ax.set_xlabel, ax.set_ylabel)):
            ratio = self.explained_variance_ratio
            share = "" if ratio is None else f" ({100 * ratio[k]:.0f} %)"
            set_label(f"PC {k + 1}{share}")
        ax.margins(0.06)
        ax.locator_params(nbins=5)
        ax.spines[["top", "right"]].set_visible(False)
        numbers = numbers_of(y)
        if numbers is None:
            self._draw_classes(points, y)
        else:
            self._draw_quantity(points, numbers)
        named = [part for part in self.scatter_ if part.get_label()[0] != "_"]
        title = "" if numbers is not None else quantity(self.y_name, self.y_unit)
        put_key(ax, [point_of(part) for part in named], title=title if named else "")
        if self.colorbar_ is not None:
            fit_titles(self.colorbar_.ax)
        return self

    def _draw_classes(self, points, y):
        classes = find_classes(y)
        for code, name in enumerate(classes.names):
            self._scatter(
                points[classes.codes == code],
                color=classes.styles[code]["color"],
                marker=classes.styles[code]["marker"],
                label="_points" if self.y is None else name,
            )

    def _draw_quantity(self, points, values):
        """Draw points coloured by a quantity, those without a value hollow."""
        known = ~np.isnan(values)
        scatter = self._scatter(
            points[known], c=values[known], cmap=colour_map(), label="_known"
        )
        self.colorbar_ = self.figure_.colorbar(scatter, ax=self.ax_, pad=0.02)
        self.colorbar_.set_label(quantity(self.y_name, self.y_unit))
        self.colorbar_.solids.set_alpha(1)
        self.colorbar_.outline.set_visible(False)
        if not known.all():
            self._scatter(
                points[~known], color="0.65", marker=".", label="not known", zorder=1
            )

    def _scatter(self, points, **style):
        """Draw points; where there are many, small and see-through."""
        n_points = len(self.components)
        size, alpha = (26, 0.9) if n_points <= 100 else (14, 0.7)
        if n_points > 1000:
            size, alpha = 7, 0.5
        style = {"s": size, "alpha": alpha, "lw": 0, "zorder": 2, **style}
        self.scatter_.append(self.ax_.scatter(*points.T, **style))
        return self.scatter_[-1]


def _embed(estimator, X, owner):
    """Return what the encoder, or else the last transformer, makes of spectra."""
    steps = steps_of(estimator)
    if any(hasattr(step, "reconstruct") or hasattr(step, "pooling") for step in steps):
        encoder, X = last_step(estimator, X, "reconstruct", "a pretrainer")
        return encoder.transform(X)
    if not hasattr(steps[0], "transform"):
        raise TypeError(
            f"estimator of {owner} must be a MaskedSpectralPretrainer, a transformer "
            f"or a Pipeline with one. Got {described(estimator)} instead."
        )
    return before(estimator, len(steps) - (not hasattr(steps[-1], "transform")), X)


def _principal_components(embedding):
    """Return two coordinates of each row, and the part of the variance they hold."""
    spread = np.ptp(embedding, axis=0)
    if not spread.any():
        return np.zeros((len(embedding), 2)), np.zeros(2)
    pca = PCA(n_components=2, svd_solver="full").fit(embedding)
    return pca.transform(embedding), pca.explained_variance_ratio_
