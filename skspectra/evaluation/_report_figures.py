"""The drawings of a report: pictures that a page can hold, and words in their place."""

import base64
import io
from textwrap import fill, wrap

import numpy as np
from sklearn.utils import Bunch

from skspectra._drawing import plain
from skspectra.inspection import SpectraDisplay

__all__ = ["draw_figures"]

_WIDTH = 4.0  # inches: the text keeps its size on a phone, and on a desk three fit
_MOST_DOTS = 1000  # in vectors; a picture of more is smaller
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
    short = [wrap(plain(name), 20, max_lines=3, placeholder=" …") for name in names]
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
    ax.set_xlabel(fill(f"RMSEP of {plain(target)}", 34))
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
        ax.set_xlabel(fill(f"Measured {plain(target)}", 38))
        ax.set_ylabel(fill(f"Predicted {plain(target)}", 38))
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
    known = ~np.isnan(measured)
    spectra, measured = data.X[known], measured[known]
    display = SpectraDisplay(
        spectra,
        measured,
        x_axis=data.x_axis,
        x_unit=data.x_unit,
        y_name=plain(target),
        quantity="Signal",
    ).plot(_axes(3.4))
    display.lines_.set_rasterized(spectra.size > 10 * _MOST_DOTS)
    return _picture(
        display.ax_,
        f"The {len(spectra)} labelled spectra as they were given, coloured by their "
        "reference value.",
        f"{len(spectra)} spectra over {display.ax_.get_xlabel()}, values "
        f"{np.nanmin(spectra):.3g} to {np.nanmax(spectra):.3g}, coloured by {target} "
        f"from {measured.min():.3g} to {measured.max():.3g}.",
    )
