"""What a pretraining is made of: its rows, and what it makes small."""

from collections.abc import Callable

import numpy as np
from torch import nn

from skspectra._batches import HeldRows, StreamedRows
from skspectra._corpus import blocks_of
from skspectra._patches import without_gaps
from skspectra._row_blocks import is_small
from skspectra._scaling import scale_spectra
from skspectra._sinkhorn import SinkhornTransport
from skspectra._survey import Survey
from skspectra.nn import (
    MaskedAutoencoder,
    ReconstructionObjective,
    SpectralEncoder,
    count_tokens,
    windowed_wasserstein,
)

__all__ = ["build_objective", "make_transport", "training_rows"]

# Part of the training over which self-guided masks go from random to guided.
_ANNEALED = 0.25


def training_rows(X: object, seen: Survey, patch_size: int) -> HeldRows | StreamedRows:
    """Return spectra as a training wants them: scaled, and where patches are missing.

    Parameters
    ----------
    X : ndarray or Corpus of shape (n_samples, n_channels)
        Spectra. An array is held in memory, a Corpus is read over and over.
    seen : Survey
        Of X.
    patch_size : int
        Width of a patch, in channels.

    Returns
    -------
    HeldRows or StreamedRows
        The rows. In which order they come does not depend on where they lie.
    """

    def read(rows, first_row=0):
        x = scale_spectra(rows, seen.mean, seen.scale, first_row)
        x, *missing = without_gaps(x, patch_size, first_row)
        if missing and not seen.has_gaps:
            first = missing[0].any(axis=1).argmax()
            raise ValueError(
                f"X must not change while it is read. Got a missing channel in row "
                f"{first_row + first}, which had none before."
            )
        if seen.has_gaps and not missing:
            missing = [np.zeros((len(x), count_tokens(x.shape[1], patch_size)), bool)]
        return x, *missing

    identity = f"{tuple(X.shape)}, SHA-256 {seen.identity['sha256']}"
    blocks = None if is_small(*X.shape) else blocks_of(X)
    if blocks is not None:  # their order in an epoch that goes on follows from it
        identity += f", in blocks of {blocks.n_in_block}"
    if isinstance(X, np.ndarray):
        return HeldRows(*read(X), blocks=blocks, identity=identity)
    return StreamedRows(X, read, blocks, identity)


def make_transport(loss: str, X: object, mean: np.ndarray, scale: float):
    """Return the transport term of a loss, or None.

    Parameters
    ----------
    loss : {"mse", "mse+wasserstein", "mse+sinkhorn"}
        As in the pretrainer.
    X : ndarray or Corpus of shape (n_samples, n_channels)
        Spectra.
    mean : ndarray of shape (n_channels,)
        Mean of each channel.
    scale : float
        Spread around it.

    Returns
    -------
    callable or None
        As `ReconstructionObjective` takes it.
    """
    if loss == "mse":
        return None
    if loss == "mse+wasserstein":
        return windowed_wasserstein
    return SinkhornTransport(mean, scale, X)


def build_objective(
    parameters: dict, n_channels: int, transport: Callable | None, n_steps: int
) -> nn.Module:
    """Build what the training makes small, its weights drawn anew.

    Parameters
    ----------
    parameters : dict
        Of the pretrainer, with `patch_size` and `mask_ratio` as they are used.
    n_channels : int
        Number of channels.
    transport : callable or None
        As `make_transport` gives it.
    n_steps : int
        Number of steps of the training.

    Returns
    -------
    ReconstructionObjective
        The objective.
    """

    def of(*names):
        return {name: parameters[name] for name in names}

    encoder = SpectralEncoder(
        n_channels,
        **of("patch_size", "embed_dim", "depth", "n_heads", "positions"),
        **of("hidden_tokens", "encoder"),
    )
    autoencoder = MaskedAutoencoder(
        encoder,
        **of("decoder_dim", "decoder_depth", "decoder_n_heads", "positions"),
    )
    return ReconstructionObjective(
        autoencoder,
        **of("mask_ratio", "masking", "block_width", "transport_weight"),
        n_annealing_steps=round(_ANNEALED * n_steps),
        transport=transport,
    )
