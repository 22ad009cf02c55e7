"""
What the benchmarks of speed share
==================================

Sizes of models, one step of pretraining as the package does it, and taking turns:
what is compared runs in turns in one process, so that a machine that slows down slows
all of it, and the first turn, which warms up, is thrown away.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import torch

from skspectra._training import autocast_dtype
from skspectra.nn import MaskedAutoencoder, ReconstructionObjective, SpectralEncoder

CPU = torch.device("cpu")
VIT_BASE = {  # MAX (arXiv:2410.12330)
    "embed_dim": 768,
    "depth": 12,
    "n_heads": 12,
    "decoder_dim": 512,
    "decoder_depth": 8,
    "decoder_n_heads": 16,
}
MIDDLE = {
    "embed_dim": 256,
    "depth": 6,
    "n_heads": 8,
    "decoder_dim": 128,
    "decoder_depth": 2,
    "decoder_n_heads": 4,
}
DEFAULT = {
    "embed_dim": 64,
    "depth": 4,
    "n_heads": 4,
    "decoder_dim": 64,
    "decoder_depth": 1,
    "decoder_n_heads": 4,
}


class NotMeasured(Exception):
    """Says why a row cannot be measured here."""


@dataclass
class Measured:
    """Seconds of each turn; without `theirs` figures by themselves, in `unit`."""

    ours: list
    theirs: list | None = None
    note: str = ""
    unit: str = "x"


def build_objective(sizes, n_channels=2048, **settings):
    """Return the package's objective, half of the patches of 16 hidden."""
    shared = {"positions": "sine_cosine"}
    sizes = sizes.copy()
    decoder = {name: sizes.pop(name) for name in list(sizes) if "decoder" in name}
    encoder = SpectralEncoder(
        n_channels, patch_size=16, hidden_tokens="drop", **sizes, **shared
    )
    autoencoder = MaskedAutoencoder(encoder, **decoder, **shared)
    return ReconstructionObjective(autoencoder, 0.5, **settings)


def our_step(objective, x, precision="auto", compiled=False):
    """Return a function that does one step as the trainer of the package does."""
    where = x.device
    dtype = autocast_dtype(objective.network, len(x), precision, where)
    parameters = list(objective.parameters())
    optimizer = torch.optim.AdamW(parameters, fused=True)
    if compiled:
        objective.network.compile()

    def step():
        with torch.autocast(where.type, dtype, enabled=dtype is not None):
            loss = objective(x)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def seconds(function):
    """Return how long a call takes."""
    start = perf_counter()
    function()
    return perf_counter() - start


def in_turns(n_turns, *timed):
    """Call functions that return seconds in turns; the first turn is thrown away."""
    turns = [[one() for one in timed] for _ in range(n_turns + 1)]
    return list(zip(*turns[1:], strict=True))


@contextmanager
def torch_threads(n_threads):
    """Give torch so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
