"""Drawings of a comparison and of a label-efficiency curve."""

from textwrap import fill

import numpy as np

from skspectra._drawing import COLOURS, DASHES, GREY, MARKERS, new_axes, plain, put_key

__all__ = [
    "draw_critical_difference",
    "draw_curve",
    "draw_predictions",
    "draw_ratios",
    "draw_task_ratios",
]


def draw_ratios(ratios, table, *, reference, confidence, ax=None):
    """Draw RMSEP ratios, one row a rival, with their intervals and their folds.

    Parameters
    ----------
    ratios : dict of str to array of shape (n_folds,)
        RMSEP divided by the reference's, fold by fold.
    table : DataFrame
        Rows in the order of `ratios`.
    reference : str
        Named on the axis.
    confidence : float
        Named in the legend.
    ax : Axes, default=None
        Where to draw; None makes a figure.

    Returns
    -------
    ax : Axes
        With the drawing.
    """
    ax = _axes(ax, figsize=(6.4, 1.5 + 0.55 * len(ratios)))
    for row, (values, figures) in enumerate(
        zip(ratios.values(), table.itertuples(), strict=True)
    ):
        values = np.asarray(values)
        spread = np.linspace(0.14, 0.34, len(values)) if len(values) > 1 else 0.24
        ax.scatter(values, row + spread, s=12, color=GREY, lw=0, zorder=2)
        low, high = figures.ratio_low, figures.ratio_high
        shown = high < 1 or low > 1
        ax.plot([low, high], [row, row], color=COLOURS[0], lw=2, zorder=3)
        ax.plot(
            figures.rmsep_ratio,
            row,
            marker="o",
            markersize=8,
            color=COLOURS[0],
            markerfacecolor=COLOURS[0] if shown else "white",
            markeredgewidth=1.5,
            zorder=4,
        )
    ax.axvline(1, color="black", lw=1, ls="--", zorder=1)
    ax.set_ylim(len(ratios) - 0.45, -0.55)
    ax.set_yticks(range(len(ratios)), [fill(plain(name), 20) for name in ratios])
    ax.tick_params(axis="y", length=0)
    _scale_ratios(ax)
    ax.set_xlabel(f"RMSEP ratio to {plain(repr(reference))}\n(below 1: smaller error)")
    ax.spines[["left", "top", "right"]].set_visible(False)
    _explain_ratios(ax, f"{100 * confidence:g} % interval")
    return ax


def _scale_ratios(ax):
    """Show ratios on a logarithmic axis with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    ax.set_xscale("log")
    low, high = ax.get_xlim()
    if high < 5 * low:
        locator = MaxNLocator(7, steps=[1, 2, 2.5, 5, 10])
    else:
        locator = LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,))
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def _explain_ratios(ax, interval):
    """Put the key above the drawing, where no row can lie under it."""
    blue = {"color": COLOURS[0], "marker": "o", "lw": 2, "markeredgewidth": 1.5}
    ax.plot([], [], **blue, label="excludes 1")
    ax.plot([], [], **blue, markerfacecolor="white", label="includes 1")
    ax.scatter([], [], s=12, color=GREY, lw=0, label="one fold")
    put_key(ax, ax.get_legend_handles_labels()[0], title=interval)


def draw_predictions(panels, *, ax=None):
    """Draw predicted against measured values, one panel each.

    Parameters
    ----------
    panels : list of (title, measured, predicted, target)
        Panels of the same `target` get the same limits.
    ax : Axes or array of Axes, default=None
        One for each panel; None makes a figure.

    Returns
    -------
    axes : ndarray of Axes of shape (n_panels,)
        In the order of `panels`.
    """
    axes = _panels(len(panels)) if ax is None else np.atleast_1d(ax).ravel()
    if len(axes) != len(panels):
        raise ValueError(f"ax must hold {len(panels)} Axes. Got {len(axes)} instead.")
    limits = {}
    for _, measured, predicted, target in panels:
        values = [*limits.get(target, ()), *measured, *predicted]
        limits[target] = min(values), max(values)
    for axis, (title, measured, predicted, target) in zip(axes, panels, strict=True):
        low, high = limits[target]
        pad = 0.04 * (high - low) or 1.0
        window = [low - pad, high + pad]
        axis.plot(window, window, color="black", lw=1, ls="--", zorder=1)
        axis.scatter(measured, predicted, s=14, alpha=0.5, color=COLOURS[0], lw=0)
        axis.set(xlim=window, ylim=window, aspect="equal")
        lines = [fill(line, 34) for line in plain(title).split("\n")]
        axis.set_title("\n".join(lines), fontsize="medium")
        axis.set_xlabel(f"Measured{_of(target)}")
        axis.set_ylabel(f"Predicted{_of(target)}")
        axis.locator_params(nbins=5)
        axis.spines[["top", "right"]].set_visible(False)
    return axes


def draw_curve(table, *, target=None, ax=None):
    """Draw RMSEP against the number of labelled rows, one line an estimator.

    Parameters
    ----------
    table : DataFrame indexed by train_size and estimator
        With n_labelled, rmsep and rmsep_se.
    target : object, default=None
        Named on the axis.
    ax : Axes, default=None
        Where to draw; None makes a figure.

    Returns
    -------
    ax : Axes
        With the drawing.
    """
    ax = _axes(ax, figsize=(6.4, 4.2))
    names = table.index.get_level_values("estimator").unique()
    sizes = table["n_labelled"].groupby(level="train_size").first()
    ratio = sizes.max() / sizes.min()
    for k, name in enumerate(names):
        line = table.xs(name, level="estimator")
        # Lines are set beside each other by a little, so that bars do not overlap.
        beside = ratio ** (0.012 * (k - (len(names) - 1) / 2))
        ax.errorbar(
            line["n_labelled"] * beside,
            line["rmsep"],
            line["rmsep_se"],
            color=COLOURS[k % len(COLOURS)],
            marker=MARKERS[k % len(MARKERS)],
            ls=DASHES[k % len(DASHES)],
            capsize=3,
            label=plain(name),
        )
    if ratio > 4:
        ax.set_xscale("log")
        ax.minorticks_off()
    ax.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
    ax.set_ylim(bottom=0)
    ax.set_xlabel("Labelled training rows")
    ax.set_ylabel(f"RMSEP{_of(target)} (mean and standard error)")
    ax.spines[["top", "right"]].set_visible(False)
    put_key(ax, ax.get_legend_handles_labels()[0])
    return ax


def draw_task_ratios(table, *, reference, ax=None):
    """Draw ratios of errors, one row a task and one marker a method.

    Parameters
    ----------
    table : DataFrame of shape (n_tasks, n_methods)
        Ratios, tasks in the order from top to bottom; NaN where there is none.
    reference : str
        Named on the axis.
    ax : Axes, default=None
        Where to draw; None makes a figure.

    Returns
    -------
    ax : Axes
        With the drawing.
    """
    ax = _axes(ax, figsize=(6.4, 1.4 + 0.2 * len(table)))
    rows = np.arange(len(table))
    for k, method in enumerate(table.columns):
        ax.plot(
            table[method],
            rows,
            ls="none",
            marker=MARKERS[k % len(MARKERS)],
            color=COLOURS[k % len(COLOURS)],
            # Filled and empty by turns: told apart in grey where markers overlap.
            markerfacecolor=None if k % 2 == 0 else "white",
            markersize=6,
            label=plain(method),
        )
    ax.axvline(1, color="black", lw=1, ls="--", zorder=1)
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.set_yticks(rows, [plain(name) for name in table.index], fontsize="small")
    ax.grid(axis="y", color="0.9")
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    _scale_ratios(ax)
    ax.set_xlabel(f"RMSEP ratio to {plain(repr(reference))} (below 1: smaller error)")
    ax.spines[["left", "top", "right"]].set_visible(False)
    put_key(ax, ax.get_legend_handles_labels()[0])
    return ax


def draw_critical_difference(found, *, ax=None):
    """Draw mean ranks on a line, and bars over those that are not told apart.

    Parameters
    ----------
    found : Bunch
        What `critical_difference` returns.
    ax : Axes, default=None
        Where to draw; None makes a figure.

    Returns
    -------
    ax : Axes
        With the drawing.
    """
    ranks, names = found.ranks.to_numpy(), found.ranks.index
    n_methods, bars = len(ranks), _alike(ranks, found.difference)
    n_left = (n_methods + 1) // 2
    top = -0.6 - 0.35 * len(bars)  # the names stand below the bars
    ax = _axes(ax, figsize=(7.0, 1.6 + 0.3 * (len(bars) / 2 + n_left)))
    line = {"color": "black", "lw": 1, "clip_on": False}
    for row, (first, last) in enumerate(bars):
        ax.plot(ranks[[first, last]], [-0.35 * (row + 1)] * 2, color="black", lw=4)
    for k, (rank, name) in enumerate(zip(ranks, names, strict=True)):
        left = k < n_left
        height = top - 0.6 * (k if left else n_methods - 1 - k)
        edge = 0.8 if left else n_methods + 0.2
        ax.plot([rank, rank, edge], [0, height, height], **line)
        aligned = {"ha": "right" if left else "left", "va": "center"}
        text = f"{name}  {rank:.2f} " if left else f" {rank:.2f}  {name}"
        ax.text(edge, height, plain(text), **aligned)
    ax.plot([1, 1 + found.difference], [0.8, 0.8], marker="|", **line)
    words = f" critical difference {found.difference:.2f}"
    ax.text(1 + found.difference, 0.8, words, va="center")
    ax.set(xlim=(1, n_methods), ylim=(top - 0.6 * n_left, 1.2))
    ax.spines["top"].set_position(("data", 0))
    ax.spines[["left", "bottom", "right"]].set_visible(False)
    ax.xaxis.tick_top()
    ax.set_xticks(range(1, n_methods + 1))
    ax.set_yticks([])
    ax.set_title(
        f"Mean ranks over {found.n_cells} task-cells "
        f"(Friedman: p = {found.p_value:.2g})",
        fontsize="medium",
    )
    return ax


def _alike(ranks, difference):
    """Return first and last of each longest run of ranks that are not told apart."""
    runs = []
    for first, rank in enumerate(ranks):
        last = np.searchsorted(ranks, rank + difference, side="right") - 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def _of(target):
    return "" if target is None else f" {plain(target)}"


def _axes(ax, figsize):
    """Return `ax`, or that of a new figure."""
    return new_axes(figsize) if ax is None else ax


def _panels(n_panels, widest=3):
    """Return that many Axes of a new figure, at most `widest` in a row."""
    import matplotlib.pyplot as plt

    n_rows = -(-n_panels // widest)
    n_columns = -(-n_panels // n_rows)
    axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(0.4 + 3.0 * n_columns, 3.2 * n_rows),
        layout="constrained",
        squeeze=False,
    )[1]
    for spare in axes.ravel()[n_panels:]:
        spare.remove()
    return axes.ravel()[:n_panels]
