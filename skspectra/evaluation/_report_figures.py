"""The drawings of a report: pictures that a page can hold, and words in their place."""

import base64
import io
from textwrap import fill, wrap

import numpy as np
from sklearn.utils import Bunch

from skspectra.inspection._axis import set_up_axis

__all__ = ["draw_figures"]

_WIDTH = 4.0  # inches: the text keeps its size on a phone, and on a desk three fit
_MOST_DOTS = 1000  # in vectors; a picture of more is smaller
_MOST_SPECTRA = 150  # lines that can be told apart at all
_BLUE, _GREY = "#0072B2", "0.45"


def draw_figures(comparison, data, target, column):
    """Return the drawings of one target.

    Parameters
    ----------
    comparison : Comparison
        Of one target.
    data : Bunch or None
        Of `check_data`.
    target : str
        What is predicted, with its unit.
    column : int
        Of `data.y`.

    Returns
    -------
    list of Bunch
        Each with `source`, a data URI; `alt`, what it shows, with numbers; `caption`.
    """
    import matplotlib
    from matplotlib import style

    # Whatever style the user draws in; and the same bytes whenever it is drawn.
    repeatable = {"svg.hashsalt": "skspectra", "svg.fonttype": "path"}
    with style.context("default"), matplotlib.rc_context(repeatable):
        figures = []
        if len(comparison.table) > 1:
            figures.append(_draw_ratios(comparison))
        figures.append(_draw_errors(comparison, target))
        if data is not None:
            figures.append(_draw_spectra(data, target, data.y[:, column]))
        return figures + _draw_predictions(comparison, target)


def _axes(height):
    """Return the Axes of a figure that no window knows of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH, height), layout="constrained").subplots()


def _picture(ax, caption, alt):
    """Return a drawing as a data URI with its words."""
    file = io.BytesIO()
    ax.figure.savefig(file, format="svg", dpi=150, metadata={"Date": None})
    code = base64.b64encode(file.getvalue()).decode("ascii")
    source = f"data:image/svg+xml;base64,{code}"
    width, height = (round(96 * inches) for inches in ax.figure.get_size_inches())
    return Bunch(source=source, alt=alt, caption=caption, width=width, height=height)


def _name_rows(ax, names):
    """Name the rows of a drawing in lines that leave room for the next."""
    short = [wrap(name, 20, max_lines=3, placeholder=" …") for name in names]
    ax.set_yticks(range(len(names)), ["\n".join(lines) for lines in short])
    ax.tick_params(axis="y", length=0)


def _draw_ratios(comparison):
    rivals = comparison.table.drop(index=comparison.reference)
    ax = comparison.plot(_axes(1.5 + 0.55 * len(rivals)))
    _name_rows(ax, rivals.index)
    interval = f"{100 * comparison.confidence:g} % interval"
    words = []
    for name, row in rivals.iterrows():
        low, high = row["ratio_low"], row["ratio_high"]
        known = f"{interval} {low:.3g} to {high:.3g}" if low <= high else "no interval"
        words.append(f"{name} {row['rmsep_ratio']:.3g} ({known})")
    return _picture(
        ax,
        "Ratio of the errors to that of the reference. Left of the dashed line the "
        "error is smaller; an interval that reaches across it shows no difference.",
        f"RMSEP divided by that of {comparison.reference}: {'; '.join(words)}.",
    )


def _draw_errors(comparison, target):
    table = comparison.table
    ax, words = _axes(1.1 + 0.55 * len(table)), []
    for row, (name, figures) in enumerate(table.iterrows()):
        errors = comparison.folds.loc[comparison.folds["estimator"] == name, "rmsep"]
        spread = np.linspace(0.14, 0.34, len(errors)) if len(errors) > 1 else 0.24
        ax.scatter(errors, row + spread, s=12, color=_GREY, lw=0, label="one fold")
        mean, error = figures["rmsep"], figures["rmsep_se"]
        ax.errorbar(
            *(mean, row),
            xerr=None if np.isnan(error) else error,
            fmt="o",
            markersize=7,
            color=_BLUE,
            capsize=3,
            label="mean ± standard error",
        )
        words.append(f"{name} {mean:.3g} ({errors.min():.3g} to {errors.max():.3g})")
    ax.set_ylim(len(table) - 0.45, -0.55)
    _name_rows(ax, table.index)
    ax.set_xlim(left=0)
    ax.set_xlabel(fill(f"RMSEP of {target}", 34))
    ax.spines[["left", "top", "right"]].set_visible(False)
    words_of = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    ax.legend(
        words_of.values(),
        words_of.keys(),
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=2,
        frameon=False,
        fontsize="small",
    )
    return _picture(
        ax,
        "Error of each estimator: mean over the folds, and each fold.",
        f"Mean RMSEP, and that of the best and worst fold: {'; '.join(words)}.",
    )


def _draw_predictions(comparison, target):
    axes = [_axes(_WIDTH) for _ in comparison.table.index]
    comparison.plot_predictions(np.array(axes))
    figures, measured = [], comparison.predictions["measured"]
    for ax, (name, row) in zip(axes, comparison.table.iterrows(), strict=True):
        ax.set_xlabel(fill(f"Measured {target}", 38))
        ax.set_ylabel(fill(f"Predicted {target}", 38))
        for dots in ax.collections:
            dots.set_rasterized(len(measured) > _MOST_DOTS)
        figures.append(
            _picture(
                ax,
                f"{name}: predicted against measured, held-out spectra only. On the "
                "dashed line both are equal.",
                f"Predicted against measured {target} for {name}: {len(measured)} "
                f"predictions, measured {measured.min():.3g} to {measured.max():.3g}; "
                f"RMSEP {row['rmsep']:.3g}, R² {row['r2']:.3f}.",
            )
        )
    return figures


def _draw_spectra(data, target, measured):
    from matplotlib.collections import LineCollection

    labelled = np.flatnonzero(~np.isnan(measured))
    order = labelled[np.argsort(measured[labelled], kind="stable")]
    n_shown = min(len(order), _MOST_SPECTRA)
    order = order[np.linspace(0, len(order) - 1, n_shown).round().astype(int)]
    known = data.x_axis is not None
    positions = data.x_axis if known else np.arange(data.X.shape[1], dtype=float)
    lines = [np.column_stack([positions, spectrum]) for spectrum in data.X[order]]
    ax = _axes(3.4)
    drawn = LineCollection(lines, array=measured[order], cmap="cividis", lw=0.6)
    drawn.set_rasterized(n_shown * len(positions) > 10 * _MOST_DOTS)
    ax.add_collection(drawn, autolim=True)
    ax.autoscale_view()
    set_up_axis(ax, positions, known=known, x_unit=data.x_unit)
    ax.set_ylabel("Signal")
    ax.spines[["top", "right"]].set_visible(False)
    ax.figure.colorbar(drawn, label=fill(target, 30))
    part = "The" if n_shown == len(labelled) else f"{n_shown} of the"
    low, high = np.nanmin(measured), np.nanmax(measured)
    return _picture(
        ax,
        f"{part} {len(labelled)} labelled spectra as they were given, coloured by "
        "their reference value.",
        f"{n_shown} spectra over {ax.get_xlabel()}, values {np.nanmin(data.X):.3g} to "
        f"{np.nanmax(data.X):.3g}, coloured by {target} from {low:.3g} to {high:.3g}.",
    )
