"""The torch modules, public for people who want a training loop of their own."""

from skspectra.nn._autoencoder import (
    MaskedAutoencoder,
    hidden_channels,
)
from skspectra.nn._encoder import SpectralEncoder
from skspectra.nn._heads import PredictionObjective, SpectralPredictor, augment
from skspectra.nn._losses import (
    masked_binary_cross_entropy,
    masked_cross_entropy,
    masked_mse,
)
from skspectra.nn._masking import (
    RowDraws,
    block_mask,
    count_hidden,
    matched_spans,
    random_mask,
    self_guided_mask,
    spare_one,
    visible_ids,
    visible_slots,
)
from skspectra.nn._objective import ReconstructionObjective
from skspectra.nn._state_space import (
    DampedOscillators,
    StateSpaceBlock,
    StateSpaceTrunk,
)
from skspectra.nn._tokens import (
    Positions,
    count_tokens,
    patchify,
    sine_cosine_table,
    unpatchify,
)
from skspectra.nn._transformer import TransformerBlock, TransformerTrunk
from skspectra.nn._transport import wasserstein_1d, windowed_wasserstein

__all__ = [
    "DampedOscillators",
    "MaskedAutoencoder",
    "Positions",
    "PredictionObjective",
    "ReconstructionObjective",
    "RowDraws",
    "SpectralEncoder",
    "SpectralPredictor",
    "StateSpaceBlock",
    "StateSpaceTrunk",
    "TransformerBlock",
    "TransformerTrunk",
    "augment",
    "block_mask",
    "count_hidden",
    "count_tokens",
    "hidden_channels",
    "masked_binary_cross_entropy",
    "masked_cross_entropy",
    "masked_mse",
    "matched_spans",
    "patchify",
    "random_mask",
    "self_guided_mask",
    "sine_cosine_table",
    "spare_one",
    "unpatchify",
    "visible_ids",
    "visible_slots",
    "wasserstein_1d",
    "windowed_wasserstein",
]
