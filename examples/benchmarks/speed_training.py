"""
The rows of speed.py that train
===============================

Steps of pretraining, whole fits, and what they are made of: the layer of damped
oscillators, transport losses, and guided masks.
"""

import shutil
from functools import partial
from statistics import median

import numpy as np
import state_space
import torch
import transport
from plain import fit_barely, plain_autoencoder, plain_step
from steps import (
    CPU,
    DEFAULT,
    Measured,
    NotMeasured,
    build_objective,
    in_turns,
    our_step,
    seconds,
    torch_threads,
)
from torch.nn.functional import mse_loss

from skspectra import MaskedSpectralPretrainer
from skspectra._inference import resolve_precision
from skspectra._training import autocast_dtype
from skspectra.nn import (
    DampedOscillators,
    masked_mse,
    wasserstein_1d,
    windowed_wasserstein,
)


def step(sizes, batch, precision, args, most=100):
    """Pretrain one step, against the plain step."""
    torch.manual_seed(0)
    x = torch.randn(batch, 2048)
    ours = build_objective(sizes)
    theirs = plain_autoencoder(ours.autoencoder)
    note = agreement(
        ours, theirs, x[:2], autocast_dtype(ours.network, batch, precision, CPU)
    )
    steps = our_step(ours, x, precision), plain_step(theirs, x)
    timed = (partial(seconds, one) for one in steps)
    return Measured(*in_turns(min(args.runs, most), *timed), note)


def agreement(ours, theirs, x, dtype):
    """Check that both give the same loss in float64; return that and the difference."""
    mask, ids_keep = ours.draw_mask(x)
    counted = mask.repeat_interleave(ours.autoencoder.encoder.patch_size, 1)
    shuffled = mask.int().argsort(dim=1, stable=True)

    def both(x):
        rebuilt = ours.autoencoder(x, mask, ids_keep)
        return masked_mse(rebuilt, x, counted), theirs.loss(
            x, shuffled, ids_keep.shape[1]
        )

    with torch.no_grad():
        ours.double(), theirs.double()
        one, other = both(x.double())
        ours.float(), theirs.float()
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            rough = both(x)[0]
    exact, used = abs(one / other - 1).item(), abs(rough / other - 1).item()
    assert exact < 1e-12, exact
    return f"loss differs by {exact:.0e} in float64, {used:.0e} as used"


def fit_tiny(args):
    """Fit a tiny pretrainer, against a bare loop."""
    X = np.random.RandomState(0).standard_normal((2000, 200))
    sizes = DEFAULT | {"embed_dim": 64, "depth": 2}
    pretrainer = MaskedSpectralPretrainer(**sizes, max_epochs=10, random_state=0)
    build = partial(build_objective, sizes, n_channels=200)
    barely = partial(
        fit_barely,
        X,
        build,
        max_epochs=10,
        autocast=autocast_dtype(build().network, 128, "auto", CPU),
        seed=np.random.RandomState(0).randint(2**31 - 1),
    )
    difference = np.abs(np.array(barely()) / pretrainer.fit(X).loss_curve_ - 1).max()
    assert difference < 1e-3, difference
    timed = partial(seconds, partial(pretrainer.fit, X)), partial(seconds, barely)
    note = f"loss curves differ by at most {difference:.0e}"
    return Measured(*in_turns(args.runs, *timed), note)


def state_space_layer(n_tokens, precision, args):
    """Filter by damped oscillators, against the associative scan as published."""
    torch.manual_seed(0)
    layer = DampedOscillators(256)
    tokens = torch.randn(64, n_tokens, 256, requires_grad=True)
    grad = torch.randn(64, n_tokens, 256)
    dtype = resolve_precision(precision, CPU, tokens.numel())

    def run(name, dtype=None):
        form = state_space.FORMS[name]
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            return state_space.timed(layer, tokens, grad, form)

    names = ("the same, a matrix a spectrum", "associative scan", "projections alone")
    with torch_threads(1):
        ours, theirs = run("as chosen")[1], run(names[0])[1]
        difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
        assert difference < 1e-4, difference
        rough = (run("as chosen", dtype)[1] - theirs).abs().max() / theirs.abs().max()
        timed = [lambda: run("as chosen", dtype)[0]]
        timed += [lambda name=name: run(name)[0] for name in names]
        timed += [lambda: run(names[2], dtype)[0]]
        runs = in_turns(args.runs, *timed)
    ours, _, lean, _, projections = map(median, runs)
    note = (
        f"differs by {difference:.0e} in float32, {rough.item():.0e} as used; "
        f"a scan with one matrix for the batch {lean / ours:.1f} x; "
        f"the layer takes {ours / projections:.2f} x its projections; "
        "processor time, one thread"
    )
    return Measured(*runs[:2], note)


def transport_loss(name, args):
    """Compute a transport term forward and backward, against the squared error."""
    torch.manual_seed(0)
    p, t = torch.rand(64, 2048) + 0.1, torch.rand(64, 2048) + 0.1
    losses = {title: loss for title, (loss, _) in transport.losses(t).items()}
    terms = [losses[name], losses["mean squared error"]]
    if name == "wasserstein_1d":  # the term alone; the other divides by sums first
        terms = [wasserstein_1d, terms[1], terms[0], mse_loss]
    runs = in_turns(args.runs, *(partial(transport.timed, one, p, t) for one in terms))
    note = ""
    if len(runs) > 2:
        ours, unit, divided, bare = map(median, runs)
        note = (
            f"with the division of spectra by their sums {divided / unit:.2f}; "
            f"against torch's squared error, without a mask {ours / bare:.2f}"
        )
    return Measured(*runs[:2], note)


def steps_of_two(sizes, batch, ours, theirs, n_turns):
    """Pretrain one step with each of two settings of the objective."""
    torch.manual_seed(0)
    x = torch.randn(batch, 2048)
    objectives = (build_objective(sizes, **settings) for settings in (ours, theirs))
    timed = (partial(seconds, our_step(objective, x)) for objective in objectives)
    return Measured(*in_turns(n_turns, *timed))


def transport_step(args):
    """Pretrain one step with the transport term, against the squared error alone."""
    term = {"transport": windowed_wasserstein, "transport_weight": 0.3}
    return steps_of_two(DEFAULT, 64, term, {}, args.runs)


def self_guided(sizes, batch, args):
    """Pretrain one step with self-guided masks, against masks at random."""
    guided = {"masking": "self_guided"}
    return steps_of_two(sizes, batch, guided, {}, max(15, args.runs))


def compiled(args):
    """Pretrain one step compiled, against one as it is."""
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++", "cl")):
        raise NotMeasured("no C++ compiler")
    torch.manual_seed(0)
    x = torch.randn(128, 2048)
    compiling = our_step(build_objective(DEFAULT), x, compiled=True)
    as_is = our_step(build_objective(DEFAULT), x)
    first = seconds(compiling)
    runs = in_turns(args.runs, *(partial(seconds, one) for one in (compiling, as_is)))
    return Measured(*runs, f"first call {first:.0f} s")
