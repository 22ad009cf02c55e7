"""
The rows of speed.py that need a GPU
====================================

Steps are timed by the device's own clock. The share of its matrix rate is against a
product of two matrices of 8192 x 8192 in bfloat16, which runs in turns with the steps.
"""

from functools import partial
from statistics import median

import numpy as np
import torch
from steps import (
    VIT_BASE,
    Measured,
    NotMeasured,
    build_objective,
    in_turns,
    our_step,
    seconds,
)
from torch.utils.flop_counter import FlopCounterMode

from skspectra import MaskedSpectralPretrainer

SIDE = 8192
CORPUS = 55_211 * 100  # spectra of MAX, epochs


def gpu():
    """Return the GPU, or say that there is none."""
    if not torch.cuda.is_available():
        raise NotMeasured("no GPU")
    return torch.device("cuda")


def device_seconds(function, n_calls=10):
    """Return how long a call takes on the device, the mean of some."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(n_calls):
        function()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3 / n_calls


def gpu_step(sizes, batch, args):
    """Pretrain one step on the GPU: the share of the device's matrix rate in use."""
    where = gpu()
    torch.manual_seed(0)
    x = torch.randn(batch, 2048, device=where)
    step = our_step(build_objective(sizes).to(where), x)
    step()
    with FlopCounterMode(display=False) as counter:
        step()
    flop = counter.get_total_flops()
    a, b = torch.randn(2, SIDE, SIDE, device=where, dtype=torch.bfloat16)
    product = partial(torch.mm, a, b)
    runs = in_turns(args.runs, *(partial(device_seconds, f) for f in (step, product)))
    shares = [100 * flop / s * m / (2 * SIDE**3) for s, m in zip(*runs, strict=True)]
    one, matrix = map(median, runs)
    note = (
        f"{batch / one:.0f} spectra/s, {flop / one / 1e12:.0f} TFLOP/s of "
        f"{2 * SIDE**3 / matrix / 1e12:.0f}"
    )
    if sizes is VIT_BASE:
        minutes = CORPUS / (batch / one) / 60
        reached = "reached" if minutes < 15 else "missed"
        note += f", 55,211 spectra x 100 epochs {minutes:.1f} min (< 15: {reached})"
    return Measured(shares, note=note, unit="%")


def gpu_transform(precision, args):
    """Embed spectra with ViT-base on the GPU."""
    gpu()
    X = np.random.default_rng(0).standard_normal((20 * args.samples, 2048))
    pretrainer = MaskedSpectralPretrainer(
        **VIT_BASE, max_epochs=0, precision=precision, random_state=0
    ).fit(X[:100])
    # The embeddings lie on the CPU at the end, so nothing is left to wait for.
    timed = partial(seconds, partial(pretrainer.transform, X))
    (runs,) = in_turns(args.runs, timed)
    return Measured([len(X) / run for run in runs], unit="spectra/s")
