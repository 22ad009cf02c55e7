"""The loss of pretraining: hide, rebuild, compare what was hidden."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from skspectra.nn._autoencoder import MaskedAutoencoder, hidden_channels
from skspectra.nn._losses import masked_mse
from skspectra.nn._masking import (
    block_mask,
    count_hidden,
    matched_spans,
    random_mask,
    self_guided_mask,
    spare_one,
    visible_slots,
)


class ReconstructionObjective(nn.Module):
    """Draw a mask, rebuild what it hides, and say how far off that was.

    Parameters
    ----------
    autoencoder : MaskedAutoencoder
        What is trained.
    mask_ratio : float or (float, float)
        Part of the tokens that is hidden; of a pair, one between the two is drawn
        for each batch.
    masking : {"random", "block", "self_guided", "matched_spans"}, default="random"
        How the hidden tokens are chosen.
    block_width : float, default=32
        What the lengths of blocks are drawn around, in channels.
    n_annealing_steps : int, default=0
        Number of training steps over which self-guided masks go from random to
        guided, along half a cosine.
    transport : callable, default=None
        Takes prediction, target and which channels count, each of shape
        (batch, n_channels), and returns a loss that is added to the squared error.
    transport_weight : float, default=0.0
        What it is multiplied by.

    Attributes
    ----------
    n_counted : int64 Tensor of shape ()
        Number of channels that the last squared error is the mean of: what the losses
        of the parts of a batch are to be weighted by. None before the first.

    Raises
    ------
    ValueError
        If `mask_ratio` would leave no token to see, or the encoder has no
        attention to guide masks by.
    """

    def __init__(
        self,
        autoencoder: MaskedAutoencoder,
        mask_ratio: float | tuple[float, float],
        *,
        masking: str = "random",
        block_width: float = 32,
        n_annealing_steps: int = 0,
        transport: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
        transport_weight: float = 0.0,
    ) -> None:
        super().__init__()
        low, high = mask_ratio if isinstance(mask_ratio, tuple) else (mask_ratio,) * 2
        count_hidden(autoencoder.encoder.n_tokens, high)
        if masking in ("self_guided", "matched_spans"):
            autoencoder.encoder.check_attention(masking)
        self.autoencoder = autoencoder
        self.mask_ratio = (low, high)
        self.masking = masking
        self.block_width = block_width
        self.n_annealing_steps = n_annealing_steps
        self.transport = transport
        self.transport_weight = transport_weight
        self.n_steps = 0
        self.n_counted = None

    @property
    def network(self) -> MaskedAutoencoder:
        """What is trained."""
        return self.autoencoder

    def get_extra_state(self) -> Tensor:
        """Return what `state_dict` would leave out.

        Returns
        -------
        int64 Tensor of shape ()
            Number of training steps done; the guidance of masks depends on it.
        """
        return torch.tensor(self.n_steps)

    def set_extra_state(self, state: Tensor) -> None:
        """Go back to a number of steps.

        Parameters
        ----------
        state : int64 Tensor of shape ()
            As `get_extra_state` gave it.
        """
        self.n_steps = int(state)

    def forward(
        self, x: Tensor, missing: Tensor | None = None, *, draws: Any = torch
    ) -> Tensor:
        """Return the loss of a batch under a fresh mask.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels)
            Spectra, with zeros in tokens that are missing: guided masks look at all.
        missing : bool Tensor of shape (batch, n_tokens), optional
            True for tokens that are not there: they are neither seen nor rebuilt. A
            mask is drawn as if they were there; of a row it hides one token less where
            none would be left to see.
        draws : module or RowDraws, default=torch
            What draws the mask: for a part of a batch, `RowDraws`.

        Returns
        -------
        Tensor of shape ()
            Mean squared error of the hidden channels, and what `transport` adds.
            The filling of the last patch is no channel, so it is never counted.
        """
        mask, ids_keep = self.draw_mask(x, draws=draws)
        self.n_steps += self.training
        if missing is None:
            rebuilt = self.autoencoder(x, mask, ids_keep)
        else:
            mask = spare_one(mask, missing, draws=draws)
            n_slots = ids_keep.shape[1]
            slots = visible_slots(mask | missing, n_slots)
            rebuilt = self.autoencoder(x, mask | missing, *slots)
        counted = hidden_channels(mask, self.autoencoder.encoder)
        self.n_counted = counted.sum()
        loss = masked_mse(rebuilt, x, counted)
        if self.transport is None:
            return loss
        return loss + self.transport_weight * self.transport(rebuilt, x, counted)

    def draw_mask(self, x: Tensor, *, draws: Any = torch) -> tuple[Tensor, Tensor]:
        """Choose what is hidden of each spectrum.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels)
            Spectra; only self-guided masks look at them.
        draws : module or RowDraws, default=torch
            What draws the mask: for a part of a batch, `RowDraws`.

        Returns
        -------
        mask : bool Tensor of shape (batch, n_tokens)
            True where a token is hidden, the same number in every row.
        ids_keep : int64 Tensor of shape (batch, n_kept)
            Indices of the visible tokens, ascending.
        """
        encoder = self.autoencoder.encoder
        n_hidden = count_hidden(encoder.n_tokens, self._draw_ratio())
        shape = len(x), encoder.n_tokens, n_hidden
        if self.masking == "random":
            return random_mask(*shape, device=x.device, draws=draws)
        if self.masking == "block":
            length = self.block_width / encoder.patch_size
            return block_mask(*shape, length, device=x.device, draws=draws)
        with torch.no_grad():
            queries, keys = encoder.first_attention(x)
        # Some versions of torch would take the weights that autocast has rounded here,
        # without gradients, for those of the step.
        torch.clear_autocast_cache()
        share = self._guided_share()
        guided = self_guided_mask(queries, keys, n_hidden, share, draws=draws)
        if self.masking == "matched_spans":
            return matched_spans(guided[0], n_hidden, draws=draws)
        return guided

    def _draw_ratio(self) -> float:
        low, high = self.mask_ratio
        # Drawn on the CPU: the number of hidden tokens is a shape, and a device
        # would have to be waited for.
        return low if low == high else low + (high - low) * torch.rand(()).item()

    def _guided_share(self) -> float:
        if self.n_steps >= self.n_annealing_steps:
            return 1.0
        return 0.5 * (1 - math.cos(math.pi * self.n_steps / self.n_annealing_steps))
