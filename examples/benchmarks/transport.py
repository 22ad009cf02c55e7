"""
How long transport losses take
==============================

A training step pays for its loss forward and backward. The mean squared error is the
unit; next to it stand the two losses of this package, transport in windows by
cumulative sums and entropic transport by POT on binned spectra, and what POT offers
for whole spectra: sorting, Sinkhorn's iterations spectrum by spectrum and in a batch,
and the exact solver.

The slow ones are run on a few spectra and multiplied up, which the table says. Runs
are interleaved, so that a machine that slows down slows all, and the median is
reported. Set ``OMP_NUM_THREADS=1`` to compare the work and not the threads.
"""

import argparse
from statistics import median
from time import perf_counter

import numpy as np
import ot
import torch
from ot.batch import solve_batch

from skspectra._sinkhorn import SinkhornTransport
from skspectra.nn import masked_mse, wasserstein_1d, windowed_wasserstein

REG, N_ITERATIONS = 0.01, 50


def histograms(x):
    """Divide rows by their sums, as transport between histograms needs it."""
    return x / x.sum(1, keepdim=True)


def pot_sorting(p, t):
    """POT's exact transport on a line, which sorts."""
    x = torch.arange(p.shape[1], dtype=p.dtype)[:, None].expand(-1, len(p))
    return ot.wasserstein_1d(x, x, histograms(p).T, histograms(t).T).mean()


def distances(n_channels):
    """Absolute distances on an axis from 0 to 1."""
    axis = torch.linspace(0, 1, n_channels)
    return (axis[:, None] - axis).abs()


def pot_sinkhorn(p, t):
    """POT's Sinkhorn iterations, one spectrum after the other."""
    cost = distances(p.shape[1])
    settings = {"numItermax": N_ITERATIONS, "stopThr": 0, "warn": False}
    pairs = zip(histograms(p), histograms(t), strict=True)
    return torch.stack([ot.sinkhorn2(a, b, cost, REG, **settings) for a, b in pairs])


def pot_batch(p, t):
    """POT's Sinkhorn iterations on many spectra at once, differentiated through."""
    return solve_batch(
        distances(p.shape[1]).expand(len(p), -1, -1),
        REG,
        histograms(p),
        histograms(t),
        max_iter=N_ITERATIONS,
        tol=0,
        method="sinkhorn",
        grad="autodiff",
    ).value_linear


def pot_exact(p, t):
    """POT's exact solver for any cost, one spectrum after the other."""
    # It needs equal sums to more digits than float32 has.
    pairs = zip(histograms(p.double()), histograms(t.double()), strict=True)
    cost = distances(p.shape[1]).double()
    return torch.stack([ot.emd2(a, b, cost, numItermax=10**7) for a, b in pairs])


def losses(target):
    """Return each loss by name, and the part of the batch that it is run on."""
    hidden = torch.rand(len(target), target.shape[1] // 16) < 0.5
    counted = hidden.repeat_interleave(16, 1)
    X = target.double().numpy()
    sinkhorn = SinkhornTransport(np.zeros(X.shape[1]), 1.0, X)
    return {
        "mean squared error": (lambda p, t: masked_mse(p, t, counted), 1),
        "windowed_wasserstein": (
            lambda p, t: windowed_wasserstein(p, t, counted),
            1,
        ),
        "wasserstein_1d": (
            lambda p, t: wasserstein_1d(histograms(p), histograms(t)),
            1,
        ),
        "SinkhornTransport": (lambda p, t: sinkhorn(p, t, counted), 1),
        "ot.wasserstein_1d": (pot_sorting, 1),
        "ot.sinkhorn2": (pot_sinkhorn, 1 / 32),
        "ot.batch.solve_batch": (pot_batch, 1 / 32),
        "ot.emd2": (pot_exact, 1 / 32),
    }


def timed(loss, prediction, target, at_least=0.05):
    """Return the seconds of a forward and a backward pass.

    Quick ones are repeated, so that none is timed on the cold caches that a slow
    one before it leaves.
    """
    prediction = prediction.clone().requires_grad_()
    seconds = []
    while sum(seconds) < at_least:
        start = perf_counter()
        loss(prediction, target).mean().backward()
        seconds.append(perf_counter() - start)
    return median(seconds)


def main():
    """Time all in turns and print medians and their ratios to the squared error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--channels", type=int, nargs="+", default=[1024, 2048])
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()

    torch.manual_seed(0)
    for n_channels in args.channels:
        shape = args.batch, n_channels
        prediction, target = torch.rand(shape) + 0.1, torch.rand(shape) + 0.1
        compared = losses(target)
        seconds = {name: [] for name in compared}
        for _ in range(args.runs + 1):
            for name, (loss, part) in compared.items():
                rows = max(1, round(part * args.batch))
                run = timed(loss, prediction[:rows], target[:rows])
                seconds[name].append(run * args.batch / rows)
        print(f"{args.batch} spectra of {n_channels} channels, forward and backward,")
        print(f"median of {args.runs} runs; Sinkhorn by POT: {N_ITERATIONS} iterations")
        unit = median(seconds["mean squared error"][1:])
        for name, runs in seconds.items():
            part = compared[name][1]
            note = "" if part == 1 else f"  from {part:g} of the batch"
            middle = median(runs[1:])  # the first run warms up
            print(f"{name:24s} {1e3 * middle:11.2f} ms {middle / unit:11.1f}{note}")
        print()


if __name__ == "__main__":
    main()
