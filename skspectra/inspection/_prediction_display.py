"""PredictionDisplay: predicted against measured values."""

from numbers import Real

import numpy as np
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, check_consistent_length

from skspectra._drawing import new_axes, point_of, put_key
from skspectra._inputs import check_groups, check_targets
from skspectra._validation import HasMethods, Interval, validate_params
from skspectra.inspection._axis import written
from skspectra.inspection._targets import (
    find_classes,
    pick_column,
    quantity,
)
from skspectra.metrics import bias, rpd, sep

__all__ = ["PredictionDisplay"]


class PredictionDisplay:
    """Predicted against measured values, with the line where they are equal.

    Above the drawing stand the errors: RMSEP, bias (predicted minus measured), SEP, R²
    and RPD, as :mod:`skspectra.metrics` defines them, over the rows that have a
    reference value. Made by :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Measured values; rows without one (NaN) are left out.
    y_pred : array-like of shape (n_samples,)
        Predicted values.
    groups : array-like of shape (n_samples,), default=None
        What each row belongs to, such as a variety, an instrument or a fold. Of more
        than 7 groups the 6 largest have a colour.
    interval : (array-like, array-like), default=None
        Lower and upper ends of the range of each prediction.
    y_name : str, default=None
        What is measured; named on both axes.
    y_unit : str, default=None
        Its unit.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the drawing.
    figure_ : matplotlib Figure
        With `ax_`.
    scatter_ : list of matplotlib PathCollection
        The points of each group, in the order of the key.
    line_ : matplotlib Line2D
        Where predicted and measured are equal.
    text_ : matplotlib Text
        The errors.

    See Also
    --------
    skspectra.evaluation.compare : Estimators against each other, on the same folds.
    sklearn.metrics.PredictionErrorDisplay : Residuals.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_predict
    >>> from skspectra import PLSRegressionCV
    >>> from skspectra.datasets import make_nir_mixtures
    >>> from skspectra.inspection import PredictionDisplay
    >>> spectra = make_nir_mixtures(n_samples=60, n_channels=100, random_state=0)
    >>> predicted = cross_val_predict(PLSRegressionCV(), spectra.data, spectra.target)
    >>> display = PredictionDisplay.from_predictions(
    ...     spectra.target, predicted, y_name="fraction"
    ... )
    >>> display.ax_.get_ylabel()
    'Predicted fraction'
    """

    def __init__(
        self, y_true, y_pred, *, groups=None, interval=None, y_name=None, y_unit=None
    ):
        self.y_true = y_true
        self.y_pred = y_pred
        self.groups = groups
        self.interval = interval
        self.y_name = y_name
        self.y_unit = y_unit

    @classmethod
    @validate_params(
        {
            "estimator": [HasMethods("predict")],
            "coverage": [Interval(Real, 0, 1, closed="neither"), None],
            "y_name": [str, None],
            "y_unit": [str, None],
        },
        prefer_skip_nested_validation=False,
    )
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        groups=None,
        coverage=None,
        target=None,
        y_name=None,
        y_unit=None,
        ax=None,
    ):
        """Predict spectra that the estimator was not fitted on, and draw them.

        Parameters
        ----------
        estimator : estimator or Pipeline
            Fitted, with `predict`.
        X : array-like of shape (n_samples, n_channels)
            Spectra.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Measured values.
        groups : array-like of shape (n_samples,), default=None
            What each row belongs to.
        coverage : float, default=None
            Draw ranges that are to hold this part of new values, in (0, 1); for
            estimators with `predict_interval`, such as
            :class:`skspectra.SpectralStackingRegressor`.
        target : int or str, default=None
            Which column of y, by its number, or by its name if y is a DataFrame. None
            where there is only one.
        y_name : str, default=None
            What is measured; None takes the name that a Series or DataFrame has.
        y_unit : str, default=None
            Its unit.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        PredictionDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the arrays are not as described.
        TypeError
            If the estimator has no ranges and `coverage` asks for some.
        """
        interval = None
        if coverage is not None:
            interval = _predict_interval(estimator, X, coverage)
        return cls.from_predictions(
            y,
            estimator.predict(X),
            groups=groups,
            interval=interval,
            target=target,
            y_name=y_name,
            y_unit=y_unit,
            ax=ax,
        )

    @classmethod
    @validate_params(
        {
            "y_true": ["array-like"],
            "y_pred": ["array-like"],
            "groups": ["array-like", None],
            "interval": [tuple, list, None],
            "y_name": [str, None],
            "y_unit": [str, None],
        },
        prefer_skip_nested_validation=False,
    )
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        groups=None,
        interval=None,
        target=None,
        y_name=None,
        y_unit=None,
        ax=None,
    ):
        """Draw predictions that were made elsewhere, as by a cross-validation.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, n_targets)
            Measured values; NaN where there is none.
        y_pred : array-like of shape (n_samples,) or (n_samples, n_targets)
            Predicted values.
        groups : array-like of shape (n_samples,), default=None
            What each row belongs to, such as its fold.
        interval : (array-like, array-like), default=None
            Lower and upper ends of the range of each prediction, of the shape of
            `y_pred`.
        target : int or str, default=None
            Which column, by its number, or by its name if `y_true` is a DataFrame.
            None where there is only one.
        y_name : str, default=None
            What is measured; None takes the name that a Series or DataFrame has.
        y_unit : str, default=None
            Its unit.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        PredictionDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the arrays are not as described.
        """
        measured, number, name = pick_column(y_true, target, cls.__name__, "y_true")
        n_targets = np.size(y_true) // max(1, len(measured))
        if interval is not None:
            interval = [_column(end, number, n_targets, "interval") for end in interval]
        display = cls(
            measured,
            _column(y_pred, number, n_targets, "y_pred"),
            groups=groups,
            interval=interval,
            y_name=name if y_name is None else y_name,
            y_unit=y_unit,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw a point for each row that has a measured value.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        PredictionDisplay
            This display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the arrays are not of one length, no row has a measured value, or a
            prediction is missing.
        """
        y_true, y_pred, ends, classes = self._checked()
        ax = new_axes((4.6, 5.0)) if ax is None else ax
        shown = [end[np.isfinite(end)] for end in ends]
        window = _window(np.concatenate([y_true, y_pred, *shown]))
        self.line_ = ax.plot(window, window, color="0.3", lw=1, ls="--", label="1:1")[0]
        handles = [self.line_]
        if ends:
            handles.append(_draw_ranges(ax, y_true, ends, window))
        self.scatter_ = _draw_points(ax, y_true, y_pred, classes)
        if len(self.scatter_) > 1:
            handles += [point_of(points) for points in self.scatter_]
        ax.set(xlim=window, ylim=window, aspect="equal")
        ax.locator_params(nbins=5)
        what = quantity(self.y_name, self.y_unit)
        ax.set_xlabel(f"Measured {what}".rstrip())
        ax.set_ylabel(f"Predicted {what}".rstrip())
        ax.spines[["top", "right"]].set_visible(False)
        legend = put_key(ax, handles, title=_errors(y_true, y_pred, self.y_unit))
        self.ax_, self.figure_, self.text_ = ax, ax.figure, legend.get_title()
        return self

    def _checked(self):
        """Return the arrays of the rows that have a measured value."""
        owner = type(self).__name__
        y_true = check_targets(self.y_true, "y_true").ravel()
        y_pred = check_array(
            self.y_pred, dtype=np.float64, ensure_2d=False, input_name="y_pred"
        ).ravel()
        groups = np.zeros(len(y_true)) if self.groups is None else self.groups
        groups = check_groups(groups, y_true)
        ends = [] if self.interval is None else list(self.interval)
        ends = [np.asarray(end, dtype=np.float64).ravel() for end in ends]
        check_consistent_length(y_true, y_pred, *ends)
        known = ~np.isnan(y_true)
        if not known.any():
            raise ValueError(
                f"y_true of {owner} holds no measured value: all of it is NaN."
            )
        if len(ends) not in (0, 2) or any(np.isnan(end).any() for end in ends):
            raise ValueError(
                f"The 'interval' parameter of {owner} must hold the lower and the "
                "upper ends, two arrays without NaN. Got "
                f"{len(ends)} arrays{' with NaN' if len(ends) == 2 else ''} instead."
            )
        ends = [end[known] for end in ends]
        return y_true[known], y_pred[known], ends, find_classes(groups[known])


def _column(values, number, n_targets, name):
    """Return the column of predictions that belongs to one of the targets."""
    values = np.asarray(values)
    table = values.reshape(len(values), -1)
    if table.shape[1] != n_targets:
        raise ValueError(
            f"y_true has {n_targets} targets, but {name} has {table.shape[1]}."
        )
    return table[:, number]


def _predict_interval(estimator, X, coverage):
    """Return the lower and upper ends of ranges, through the steps of a pipeline."""
    if isinstance(estimator, Pipeline):
        X = estimator[:-1].transform(X) if len(estimator) > 1 else X
        estimator = estimator[-1]
    if not hasattr(estimator, "predict_interval"):
        raise TypeError(
            f"coverage={coverage} asks for ranges, and {type(estimator).__name__} has "
            "no predict_interval. Take SpectralStackingRegressor, or pass "
            "interval=(lower, upper) to PredictionDisplay.from_predictions."
        )
    return estimator.predict_interval(X, coverage=coverage)


def _errors(y_true, y_pred, unit):
    """Return the figures of merit in words; those that two rows do not give, left out.

    Spaces in a figure do not break.
    """
    unit = "" if unit is None else f" {written(unit)}"
    figures = [
        f"RMSEP {root_mean_squared_error(y_true, y_pred):.3g}{unit}",
        f"bias {bias(y_true, y_pred):.2g}{unit}",
    ]
    if len(y_true) > 1:
        figures.append(f"SEP {sep(y_true, y_pred):.3g}{unit}")
    if np.ptp(y_true) > 0:
        figures.append(f"R² {r2_score(y_true, y_pred):.3f}")
        figures.append(f"RPD {rpd(y_true, y_pred):.3g}")
    figures.append(f"n = {len(y_true)}")
    return ", ".join(figure.replace(" ", "\N{NO-BREAK SPACE}") for figure in figures)


def _window(values):
    """Return limits that are the same for both axes."""
    low, high = values.min(), values.max()
    pad = 0.04 * (high - low) or 0.5 * abs(high) or 1.0
    return [low - pad, high + pad]


def _draw_ranges(ax, y_true, ends, window):
    """Draw a bar for each range; one without end ends at the frame."""
    lower, upper = ends
    inside = np.mean((lower <= y_true) & (y_true <= upper))
    return ax.vlines(
        y_true,
        *np.clip(ends, *window),
        color="0.75",
        lw=1.5 if len(y_true) <= 200 else 0.8,
        zorder=1.5,
        label=f"range ({100 * inside:.0f} % inside)",
    )


def _draw_points(ax, y_true, y_pred, classes):
    """Return the points of each group; where there are many, small and see-through."""
    few = len(y_true) <= 100
    size, alpha = (24, 0.9) if few else (14, 0.6) if len(y_true) <= 1000 else (7, 0.35)
    drawn = []
    for k, (name, style) in enumerate(zip(classes.names, classes.styles, strict=True)):
        rows = classes.codes == k
        drawn.append(
            ax.scatter(
                y_true[rows],
                y_pred[rows],
                s=size,
                alpha=alpha,
                color=style["color"],
                marker=style["marker"],
                lw=0,
                zorder=2,
                label=name,
            )
        )
    return drawn
