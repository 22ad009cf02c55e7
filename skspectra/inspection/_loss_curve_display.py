"""LossCurveDisplay: how the loss of a training falls, epoch by epoch."""

from collections.abc import Mapping

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skspectra._drawing import new_axes, put_key
from skspectra._pretrainer import MaskedSpectralPretrainer
from skspectra._regressor import SpectralRegressor
from skspectra._supervised import SupervisedModel
from skspectra.inspection._steps import described, steps_of
from skspectra.inspection._targets import style_of

__all__ = ["LossCurveDisplay"]

_TRAINED = MaskedSpectralPretrainer, SupervisedModel
_LOG_FROM = 5.0  # largest loss over smallest
_MARKS = 8  # on a curve


class LossCurveDisplay:
    """Training loss against the epoch, and validation loss where there is one.

    The loss axis is logarithmic where losses differ by more than five times. Made by
    :meth:`from_estimator`.

    Parameters
    ----------
    losses : dict of str to array-like of shape (n_epochs,)
        Training loss of each epoch, by the name of the training.
    validation_losses : dict of str to array-like of shape (n_epochs,), default=None
        Validation loss of some or all of them; the lowest is marked.
    name : str, default="Loss"
        What the loss is; the title of the y axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the drawing.
    figure_ : matplotlib Figure
        With `ax_`.
    lines_ : dict of str to matplotlib Line2D
        Of the training losses.
    validation_lines_ : dict of str to matplotlib Line2D
        Of the validation losses.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of rows.
    skspectra.evaluation.label_efficiency_curve : Errors against the number of labels.

    Examples
    --------
    >>> from skspectra import MaskedSpectralPretrainer
    >>> from skspectra.datasets import make_nir_mixtures
    >>> from skspectra.inspection import LossCurveDisplay
    >>> spectra = make_nir_mixtures(n_samples=60, n_channels=100, random_state=0)
    >>> trained = {
    ...     f"patches of {size}": MaskedSpectralPretrainer(
    ...         patch_size=size, embed_dim=16, depth=1, max_epochs=10
    ...     ).fit(spectra.data)
    ...     for size in (5, 10)
    ... }
    >>> display = LossCurveDisplay.from_estimator(trained)
    >>> display.ax_.get_ylabel()
    'Mean squared error / variance'
    """

    def __init__(self, losses, *, validation_losses=None, name="Loss"):
        self.losses = losses
        self.validation_losses = validation_losses
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None):
        """Draw the losses that fitted estimators have kept.

        Parameters
        ----------
        estimator : estimator, Pipeline or dict of str to these
            Fitted: :class:`skspectra.MaskedSpectralPretrainer`,
            :class:`skspectra.SpectralRegressor` or
            :class:`skspectra.SpectralClassifier`; any may be frozen, and of a pipeline
            the last such step is taken. The curve is that of its own training: for
            that of a regressor's pretrainer pass `model.pretrainer_`. Several, by
            name, are drawn together.
        name : str, default=None
            What the loss is. None derives it: the mean squared error of pretrainers
            is divided by the variance of the spectra and that of regressors by the
            variance of the reference values, so that 1 is what predicting the mean
            would give.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LossCurveDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there is nothing to draw, as after a probe or with `max_epochs=0`.
        TypeError
            If an estimator has no training of its own.
        NotFittedError
            If it is not fitted.
        """
        given = estimator if isinstance(estimator, Mapping) else {"": estimator}
        models = {
            str(key): _trained(model, cls.__name__) for key, model in given.items()
        }
        losses = {key: model.loss_curve_ for key, model in models.items()}
        for key, curve in losses.items():
            if not len(curve):
                raise ValueError(
                    f"{described(models[key])}{f' {key!r}' if key else ''} was trained "
                    "for no epoch and has no loss to draw. Of strategy='probe' pass "
                    "the pretrainer_."
                )
        held_out = {
            key: [-score for score in getattr(model, "validation_scores_", ())]
            for key, model in models.items()
        }
        display = cls(
            losses,
            validation_losses={key: curve for key, curve in held_out.items() if curve},
            name=_name_of(models.values()) if name is None else name,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw a line for each curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LossCurveDisplay
            This display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If there is no curve, or one is no list of finite numbers.
        """
        owner = type(self).__name__
        losses = _checked(self.losses, "losses", owner)
        held_out = _checked(self.validation_losses or {}, "validation_losses", owner)
        if not losses or not set(held_out) <= set(losses):
            raise ValueError(
                f"The 'losses' parameter of {owner} must hold a curve, and one for "
                f"each of validation_losses. Got {list(losses)} and {list(held_out)}."
            )
        self.ax_ = ax = new_axes((6.0, 3.8)) if ax is None else ax
        self.figure_, self.lines_, self.validation_lines_ = ax.figure, {}, {}
        for k, (key, curve) in enumerate(losses.items()):
            style = style_of(k)
            self.lines_[key] = _draw(ax, curve, style, label=key or "training")
            if key in held_out:
                line = _draw(ax, held_out[key], style, validation=True)
                self.validation_lines_[key] = line
        _scale(ax, [*losses.values(), *held_out.values()])
        ax.set_xlabel("Epoch")
        ax.set_ylabel(self.name)
        ax.spines[["top", "right"]].set_visible(False)
        put_key(ax, self._handles())
        return self

    def _handles(self):
        """Return what the key explains; a single training needs none."""
        from matplotlib.lines import Line2D

        several, held_out = len(self.lines_) > 1, bool(self.validation_lines_)
        handles = list(self.lines_.values()) if several or held_out else []
        if held_out:
            colour = "0.3" if several else style_of(0)["color"]
            dashed = {"color": colour, "ls": "--", "lw": 1.5}
            handles.append(Line2D([], [], **dashed, label="validation"))
            lowest = {"color": colour, "ls": "", "marker": "*", "ms": 10}
            handles.append(Line2D([], [], **lowest, label="lowest"))
        return handles


def _trained(estimator, owner):
    """Return the last step that has a training of its own, fitted."""
    for step in reversed(steps_of(estimator)):
        if isinstance(step, _TRAINED):
            check_is_fitted(step)
            return step
    raise TypeError(
        f"estimator of {owner} must be a MaskedSpectralPretrainer, SpectralRegressor "
        "or SpectralClassifier, a Pipeline with one, or a dict of these. Got "
        f"{described(estimator)} instead."
    )


def _name_of(models):
    """Return what all the losses are, or just that they are losses."""
    errors = all(
        isinstance(model, SpectralRegressor) or getattr(model, "loss", "") == "mse"
        for model in models
    )
    return "Mean squared error / variance" if errors else "Loss"


def _checked(curves, name, owner):
    """Return curves as arrays, or say which is none."""
    checked = {}
    for key, curve in curves.items():
        curve = np.asarray(curve, dtype=np.float64)
        if curve.ndim != 1 or not len(curve) or not np.isfinite(curve).all():
            raise ValueError(
                f"The {name!r} parameter of {owner} must hold a list of finite numbers "
                f"for each training, one an epoch. Got {curve} for {key!r} instead."
            )
        checked[key] = curve
    return checked


def _draw(ax, curve, style, *, validation=False, label=None):
    """Draw one curve over its epochs, which are counted from 1."""
    epochs = np.arange(1, len(curve) + 1)
    every = max(1, len(curve) // _MARKS)
    marks = {"marker": style["marker"], "ms": 5, "markevery": every}
    if validation:
        marks = {"marker": "*", "ms": 11, "markevery": [int(curve.argmin())]}
    dash = "--" if validation else "-"
    return ax.plot(
        epochs, curve, color=style["color"], ls=dash, lw=1.5, label=label, **marks
    )[0]


def _scale(ax, curves):
    """Give the loss a logarithmic axis with plain numbers where that helps."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    lowest = min(curve.min() for curve in curves)
    highest = max(curve.max() for curve in curves)
    if 0 < lowest < highest / _LOG_FROM:
        ax.set_yscale("log")
        wide = highest > 100 * lowest
        ax.yaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
    elif lowest >= 0:
        ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
