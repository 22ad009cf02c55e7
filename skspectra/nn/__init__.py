"""The torch modules, public for people who want a training loop of their own."""

from skspectra.nn._autoencoder import (
    MaskedAutoencoder,
    ReconstructionObjective,
    hidden_channels,
)
from skspectra.nn._encoder import SpectralEncoder
from skspectra.nn._heads import PredictionObjective, SpectralPredictor, augment
from skspectra.nn._losses import masked_mse
from skspectra.nn._masking import random_mask, visible_ids
from skspectra.nn._tokens import Positions, patchify, sine_cosine_table, unpatchify
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
    "hidden_channels",
    "masked_mse",
    "patchify",
    "random_mask",
    "sine_cosine_table",
    "unpatchify",
    "visible_ids",
]
