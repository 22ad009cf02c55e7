"""The encoder: from spectra to tokens that know of each other."""

import torch
from torch import Tensor, nn

from skspectra.nn._masking import visible_slots
from skspectra.nn._state_space import StateSpaceTrunk
from skspectra.nn._tokens import Positions, count_tokens, patchify
from skspectra.nn._transformer import TransformerTrunk, check_heads, initialise_linear


class SpectralEncoder(nn.Module):
    """Cut spectra into patches, project them, add positions, mix the tokens.

    What is hidden is taken out before anything can mix channels of different
    patches, and positions are added after it: a hidden token knows where it is
    and nothing else.

    Parameters
    ----------
    n_channels : int
        Length of the spectra.
    patch_size : int
        Width of a patch, in channels. The last patch is filled with zeros when
        it does not divide `n_channels`.
    embed_dim : int
        Width of a token.
    depth : int
        Number of blocks.
    n_heads : int
        Number of attention heads; divides `embed_dim`. A state space has none.
    positions : {"sine_cosine", "learned"}
        How a token knows its place.
    hidden_tokens : {"drop", "replace"}
        "drop": hidden tokens do not enter (He et al., 2022). "replace": one
        learned vector stands for each of them (Devlin et al., 2019).
    encoder : {"transformer", "state_space"}, default="transformer"
        What mixes the tokens: a :class:`TransformerTrunk` or a
        :class:`StateSpaceTrunk`.

    Attributes
    ----------
    architecture : dict
        The arguments that build another one like it.

    Raises
    ------
    ValueError
        If `n_heads` of a transformer does not divide `embed_dim`.
    """

    def __init__(
        self,
        n_channels: int,
        *,
        patch_size: int,
        embed_dim: int,
        depth: int,
        n_heads: int,
        positions: str,
        hidden_tokens: str,
        encoder: str = "transformer",
    ) -> None:
        super().__init__()
        self.architecture = {
            "n_channels": n_channels,
            "patch_size": patch_size,
            "embed_dim": embed_dim,
            "depth": depth,
            "n_heads": n_heads,
            "positions": positions,
            "hidden_tokens": hidden_tokens,
            "encoder": encoder,
        }
        self.n_channels = n_channels
        self.patch_size = patch_size
        self.embed_dim = embed_dim
        self.n_tokens = count_tokens(n_channels, patch_size)
        self.project = nn.Linear(patch_size, embed_dim)
        self.positions = Positions(self.n_tokens, embed_dim, positions)
        if encoder == "transformer":
            check_heads(embed_dim, n_heads, ("embed_dim", "n_heads"))
            self.trunk = TransformerTrunk(embed_dim, depth, n_heads)
        else:
            self.trunk = StateSpaceTrunk(embed_dim, depth)
        initialise_linear(self)
        if hidden_tokens == "replace":
            self.mask_token = nn.Parameter(torch.empty(embed_dim))
            nn.init.normal_(self.mask_token, std=0.02)
        else:
            self.mask_token = None

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        ids_keep: Tensor | None = None,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Encode spectra, some of their tokens hidden.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels)
            Spectra.
        mask : bool Tensor of shape (batch, n_tokens), optional
            True where a token is hidden; nothing is hidden when None.
        ids_keep : int64 Tensor of shape (batch, n_kept), optional
            Indices of the visible tokens, ascending; goes with `mask`.
        kept : bool Tensor of shape (batch, n_kept), optional
            True for the indices of visible tokens, where rows hide unequal numbers:
            see `visible_slots`. What comes out for the others means nothing.

        Returns
        -------
        Tensor of shape (batch, n_kept or n_tokens, embed_dim)
            The visible tokens ("drop"), or all of them ("replace").
        """
        patches = patchify(x, self.patch_size)  # (batch, n_tokens, patch_size)
        if mask is None:
            return self.trunk(self.project(patches) + self.positions())
        if self.mask_token is None:
            # The raw patches are gathered: they are narrower than their projections.
            index = ids_keep[..., None].expand(-1, -1, self.patch_size)
            visible = patches.gather(1, index)  # (batch, n_kept, patch_size)
            return self.trunk(self.project(visible) + self.positions(ids_keep), kept)
        tokens = self.project(patches)
        tokens = torch.where(mask[..., None], self.mask_token.to(tokens.dtype), tokens)
        return self.trunk(tokens + self.positions())

    def present(self, x: Tensor, missing: Tensor) -> Tensor:
        """Encode spectra with gaps: what is missing is hidden, as in training.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels)
            Spectra, with any number where a channel is missing.
        missing : bool Tensor of shape (batch, n_tokens)
            True for tokens that are not to be seen; not all of a row.

        Returns
        -------
        Tensor of shape (batch, n_tokens, embed_dim)
            All tokens in their places, zeros for those that are missing.
        """
        if self.mask_token is None:
            ids, kept = visible_slots(missing, self.n_tokens)
            tokens = self(x, missing, ids, kept)
            places = ids[..., None].expand_as(tokens)
            tokens = torch.zeros_like(tokens).scatter(1, places, tokens)
        else:
            tokens = self(x, missing)
        return torch.where(missing[..., None], 0.0, tokens)

    def embed(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        """Return the mean of the tokens of each spectrum, nothing hidden.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels)
            Spectra.
        missing : bool Tensor of shape (batch, n_tokens), optional
            True for tokens that are not there: they are not counted.

        Returns
        -------
        Tensor of shape (batch, embed_dim)
            One embedding a spectrum.
        """
        if missing is None:
            return self(x).mean(dim=1)
        return self.present(x, missing).sum(dim=1) / (~missing).sum(dim=1)[:, None]

    def first_attention(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the first layer's attention compares, nothing hidden.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels)
            Spectra.

        Returns
        -------
        queries : Tensor of shape (batch, n_heads, n_tokens, head_dim)
            What each token asks for.
        keys : Tensor of shape (batch, n_heads, n_tokens, head_dim)
            What each token answers to.
        """
        tokens = self.project(patchify(x, self.patch_size)) + self.positions()
        return self.trunk.blocks[0].queries_and_keys(tokens)

    def check_attention(self, masking: str) -> None:
        """Refuse masks that need attention where there is none.

        Parameters
        ----------
        masking : str
            What the caller wants, for the message.

        Raises
        ------
        ValueError
            If the trunk is not a transformer.
        """
        if not isinstance(self.trunk, TransformerTrunk):
            raise ValueError(
                f"masking={masking!r} chooses by the attention of the first layer, "
                "which only encoder='transformer' has. Take that encoder, or "
                "masking='random' or 'block'."
            )
