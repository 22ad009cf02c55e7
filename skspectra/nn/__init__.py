"""The torch modules, public for people who want a training loop of their own."""

from skspectra.nn._autoencoder import (
    MaskedAutoencoder,
    ReconstructionObjective,
    hidden_channels,
)
from skspectra.nn._encoder import SpectralEncoder
from skspectra.nn._heads import PredictionObjective, SpectralPredictor, augment
from skspectra.nn._losses import masked_mse
from skspectra.nn._masking import count_hidden, random_mask, visible_ids
from skspectra.nn._tokens import (
    Positions,
    count_tokens,
    patchify,
    sine_cosine_table,
    unpatchify,
)
from skspectra.nn._transformer import TransformerBlock, TransformerTrunk

__all__ = [
    "MaskedAutoencoder",
    "Positions",
    "PredictionObjective",
    "ReconstructionObjective",
    "SpectralEncoder",
    "SpectralPredictor",
    "TransformerBlock",
    "TransformerTrunk",
    "augment",
    "count_hidden",
    "count_tokens",
    "hidden_channels",
    "masked_mse",
    "patchify",
    "random_mask",
    "sine_cosine_table",
    "unpatchify",
    "visible_ids",
]
