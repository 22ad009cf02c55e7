"""
What training costs against the sizes of the model
==================================================

The cost of a step of pretraining against the number of tokens, their width and the
batch, and of an epoch of ``fit`` against the number of spectra, all else as in the
default model, at 2048 channels. Exponents are fitted by least squares in logarithms
over the upper half of the sizes, where the fixed costs of a step count little. The
curve of ``precision="auto"`` has the sizes at which that takes bfloat16.
``speed.py`` draws it.
"""

import csv
import math
from functools import partial
from statistics import median
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.ticker import FuncFormatter, LogLocator
from skorch.callbacks import Callback
from steps import CPU, DEFAULT, build_objective, in_turns, our_step, seconds

from skspectra import MaskedSpectralPretrainer
from skspectra._inference import resolve_precision

SIZES = {
    "n_tokens": (16, 32, 64, 128, 256, 512),
    "embed_dim": (32, 64, 128, 256, 512),
    "batch": (4, 8, 16, 32, 64, 128, 256),
    "n_samples": (500, 1000, 2000, 4000, 8000),
}
LABELS = {
    "n_tokens": "tokens of a spectrum",
    "embed_dim": "width of a token (embed_dim)",
    "batch": "spectra of a batch (batch_size)",
    "n_samples": "spectra that are fitted (n_samples)",
}
STYLES = {"float32": ("#000000", "o", "-"), "auto (bfloat16)": ("#888888", "s", "--")}


def step_timer(precision, n_tokens, embed_dim, batch):
    """Return a function that does a step and returns its seconds."""
    torch.manual_seed(0)
    sizes = DEFAULT | {"embed_dim": embed_dim}
    objective = build_objective(sizes, n_channels=16 * n_tokens)
    x = torch.randn(batch, 16 * n_tokens)
    return partial(seconds, our_step(objective, x, precision))


class Clock(Callback):
    """Note when each epoch ends."""

    def __init__(self):
        self.ends = []

    def on_epoch_end(self, net, **kwargs):
        self.ends.append(perf_counter())


def epoch_timer(precision, n_samples):
    """Return a function that fits two epochs and returns the seconds of the second."""
    X = np.random.default_rng(0).standard_normal((n_samples, 2048))

    def epoch():
        clock = Clock()
        MaskedSpectralPretrainer(
            max_epochs=2, precision=precision, callbacks=[clock], random_state=0
        ).fit(X)
        return clock.ends[1] - clock.ends[0]

    return epoch


def cost(what, size, n_turns):
    """Return the seconds at one size in each precision."""
    sizes = {"n_tokens": 128, "embed_dim": 64, "batch": 128}
    if what in sizes:
        sizes[what] = size
    bfloat16 = resolve_precision("auto", CPU, math.prod(sizes.values())) is not None
    names = list(STYLES) if bfloat16 else ["float32"]
    if what == "n_samples":  # the second epoch of a fit is warm already
        return {name: epoch_timer(name.split()[0], size)() for name in names}
    timed = (step_timer(name.split()[0], **sizes) for name in names)
    runs = map(median, in_turns(n_turns, *timed))
    return dict(zip(names, runs, strict=True))


def exponent(points):
    """Return the power of the size that the costs grow with."""
    return np.polyfit(*np.log(points).T, 1)[0]


def panel(axes, what, curves):
    """Draw the cost against one size."""
    half = SIZES[what][len(SIZES[what]) // 2]
    for precision, points in curves.items():
        if len(points) < 2:
            continue
        colour, marker, line = STYLES[precision]
        upper = [point for point in points.items() if point[0] >= half]
        label = f"{precision}: exponent {exponent(upper):.2f}"
        axes.plot(
            *zip(*points.items(), strict=True),
            line,
            color=colour,
            marker=marker,
            label=label,
        )
    axes.set(xscale="log", yscale="log", xlabel=LABELS[what])
    axes.set_ylabel(
        "seconds of an epoch" if what == "n_samples" else "seconds of a step"
    )
    axes.set_xticks(SIZES[what], SIZES[what])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def draw(png, table, n_turns):
    """Measure all, and write the chart, the table, or both."""
    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    rows = []
    for what, place in zip(SIZES, axes.flat, strict=True):
        curves = {name: {} for name in STYLES}
        for size in SIZES[what]:
            for name, value in cost(what, size, n_turns).items():
                curves[name][size] = value
                rows.append((what, size, name, f"{value:.4g}"))
        panel(place, what, curves)
    if png:
        figure.savefig(png, dpi=150)
    if table:
        with open(table, "w", newline="") as file:
            columns = "against", "size", "precision", "seconds"
            csv.writer(file).writerows([columns, *rows])
