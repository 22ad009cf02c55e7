"""
The drawings of scaling.py
==========================

What was measured, against what; and what an epoch of a corpus takes, of which the
largest part is extrapolated or assumed.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from scaling_costs import exponent

from skspectra._drawing import COLOURS, DASHES, GREY, MARKERS

TIMES = {"1 s": 1, "1 min": 60, "1 h": 3600, "1 day": 86400, "30 days": 2592000}
MACHINES = {
    "laptop": "laptop: one core measured, eight assumed",
    "one GPU": "one GPU: not measured",
    "eight GPUs": "eight GPUs: not measured",
}


def looks(number, **other):
    """Return the colour, the marker and the dash of a series."""
    style = {"color": COLOURS[number], "marker": MARKERS[number], "ms": 5}
    return style | {"ls": DASHES[number]} | other


def finish(ax, title, xlabel, ylabel):
    """Give a panel its words, and the looks of the others."""
    ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    ax.set_title(title, loc="left", fontsize="medium")
    ax.grid(color=GREY, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(which="minor", length=0)


def plain_numbers(axis, narrow=False):
    """Write marks as plain numbers, more of them where the axis is `narrow`."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def epochs(ax, rows, law):
    """Draw measured epochs, the law, and where it is extrapolated."""
    n = rows["n_spectra"].to_numpy(float)
    ax.plot(n, rows["epoch_s"], **looks(0, ls="", label="measured"))
    inside, beyond = np.geomspace(n.min(), n.max()), np.geomspace(n.max(), 1e7)
    within, after = ([law(size) for size in sizes] for sizes in (inside, beyond))
    ax.plot(inside, [value for value, _ in within], color=COLOURS[0], lw=1)
    values, errors = np.array(after).T
    ax.plot(beyond, values, "--", color=COLOURS[1], label="extrapolated")
    ax.fill_between(
        beyond, values - errors, values + errors, color=COLOURS[1], alpha=0.2, lw=0
    )
    ax.legend(frameon=False, loc="upper left")
    finish(ax, "An epoch", f"spectra of {rows['n_channels'].iloc[0]:,} channels", "")
    ax.set_yticks(list(TIMES.values())[:3], list(TIMES)[:3])
    ax.minorticks_off()


def memory(ax, rows):
    """Draw what pretraining adds to a process, beside the size of the table."""
    n = rows["n_spectra"]
    ax.plot(n, 4e-6 * n * rows["n_channels"], **looks(6, marker="", label="the table"))
    ax.plot(n, rows["rss_mb"], **looks(0, label="pretraining, files read included"))
    ax.plot(n, rows["anonymous_mb"], **looks(1, label="without them"))
    ax.legend(frameon=False, loc="upper left")
    finish(ax, "Memory", f"spectra of {rows['n_channels'].iloc[0]:,} channels", "MB")
    ax.set_ylim(1, 50 * rows["rss_mb"].max())  # room for the key
    plain_numbers(ax.yaxis)


def growth(ax, points, against, title, xlabel):
    """Draw a step against one size, with the power of the upper half."""
    found = points[points["against"] == against].astype({"size": int})
    for number, (precision, rows) in enumerate(found.groupby("precision", sort=False)):
        rows = rows.sort_values("size")
        upper = rows[len(rows) // 2 if len(rows) > 3 else 0 :]
        slope, error = exponent(upper["size"], upper["step_s"])
        said = f"{precision}: power {slope:.2f} ± {error:.2f}"
        ax.plot(rows["size"], 1e3 * rows["step_s"], **looks(number, label=said))
    ax.legend(frameon=False, loc="upper left")
    finish(ax, title, xlabel, "ms of a step")
    ax.set_xticks(sorted(found["size"].unique()), sorted(found["size"].unique()))
    plain_numbers(ax.yaxis, narrow=True)


def draw_growth(points, law, path):
    """Draw time and memory against what was varied."""
    plt.rcParams["font.size"] = 10
    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    rows = points[points["against"] == "n_spectra"].sort_values("n_spectra")
    epochs(axes[0, 0], rows, law)
    memory(axes[0, 1], rows)
    growth(axes[1, 0], points, "n_tokens", "Patches", "patches of a spectrum")
    growth(axes[1, 1], points, "embed_dim", "Width", "width of a token (embed_dim)")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_costs(rates, path):
    """Draw an epoch of a corpus on each machine, a panel for each network."""
    plt.rcParams["font.size"] = 10
    figure, axes = plt.subplots(
        1, len(rates), figsize=(9, 4), layout="constrained", sharey=True
    )
    n = 10.0 ** np.arange(4, 9)
    for ax, (_, row) in zip(axes, rates.iterrows(), strict=True):
        for number, (machine, said) in enumerate(MACHINES.items()):
            white = {} if number == 0 else {"mfc": "white"}
            ax.plot(n, n / row[machine], **looks(number, label=said, **white))
        title = f"{row['network']}, {row['channels']:,} channels"
        finish(ax, title, "spectra", "")
        ax.set_xticks(n)
    axes[0].set_yticks(list(TIMES.values()), list(TIMES))
    axes[0].set_ylabel("one epoch")
    axes[0].minorticks_off()
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper left", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
