"""The masked autoencoder: hide tokens, encode the rest, rebuild what was hidden."""

import torch
from torch import Tensor, nn

from skspectra.nn._encoder import SpectralEncoder
from skspectra.nn._masking import visible_ids
from skspectra.nn._tokens import Positions, unpatchify
from skspectra.nn._transformer import TransformerTrunk, check_heads, initialise_linear


class MaskedAutoencoder(nn.Module):
    """An encoder that sees some of the tokens, and a decoder that rebuilds the rest.

    Parameters
    ----------
    encoder : SpectralEncoder
        It decides what becomes of hidden tokens: dropped or replaced.
    decoder_dim : int
        Width of the decoder's tokens.
    decoder_depth : int
        Number of the decoder's transformer blocks; 0 leaves a linear map, which
        needs an encoder that replaces hidden tokens.
    decoder_n_heads : int
        Number of the decoder's attention heads; divides `decoder_dim`.
    positions : {"sine_cosine", "learned"}
        How the decoder's tokens know their place.

    Attributes
    ----------
    architecture : dict
        The arguments that build another one like it; `encoder` is that of the encoder.

    Raises
    ------
    ValueError
        If `decoder_n_heads` does not divide `decoder_dim`, or a linear decoder is
        given to an encoder that drops hidden tokens.
    """

    def __init__(
        self,
        encoder: SpectralEncoder,
        *,
        decoder_dim: int,
        decoder_depth: int,
        decoder_n_heads: int,
        positions: str,
    ) -> None:
        super().__init__()
        check_heads(decoder_dim, decoder_n_heads, ("decoder_dim", "decoder_n_heads"))
        if decoder_depth == 0 and encoder.mask_token is None:
            raise ValueError(
                "decoder_depth must be at least 1 with hidden_tokens='drop': only the "
                "decoder's attention lets a hidden patch see the others. Got 0 instead."
            )
        self.architecture = {
            "encoder": encoder.architecture,
            "decoder_dim": decoder_dim,
            "decoder_depth": decoder_depth,
            "decoder_n_heads": decoder_n_heads,
            "positions": positions,
        }
        self.to_decoder = nn.Linear(encoder.embed_dim, decoder_dim)
        self.positions = Positions(encoder.n_tokens, decoder_dim, positions)
        self.decoder = TransformerTrunk(decoder_dim, decoder_depth, decoder_n_heads)
        self.to_patch = nn.Linear(decoder_dim, encoder.patch_size)
        initialise_linear(self)
        self.encoder = encoder
        if encoder.mask_token is None:
            self.mask_token = nn.Parameter(torch.empty(decoder_dim))
            nn.init.normal_(self.mask_token, std=0.02)

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        ids_keep: Tensor | None = None,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Rebuild the hidden channels of spectra from the visible ones.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels)
            Spectra; their hidden channels do not influence the result.
        mask : bool Tensor of shape (batch, n_tokens)
            True where a token is hidden; without `kept` every row hides the same
            number.
        ids_keep : int64 Tensor of shape (batch, n_kept), optional
            Indices of the visible tokens, ascending, where the caller has them.
        kept : bool Tensor of shape (batch, n_kept), optional
            As in :meth:`SpectralEncoder.forward`; goes with `ids_keep`.

        Returns
        -------
        Tensor of shape (batch, n_channels)
            The rebuilt spectra. Only the hidden channels are ever trained.
        """
        if ids_keep is None:
            ids_keep = visible_ids(mask)
        tokens = self.to_decoder(self.encoder(x, mask, ids_keep, kept))
        if self.encoder.mask_token is None:
            tokens = self._insert_hidden(tokens, mask, ids_keep, kept)
        tokens = self.decoder(tokens + self.positions())
        return unpatchify(self.to_patch(tokens), self.encoder.n_channels)

    def _insert_hidden(
        self, visible: Tensor, mask: Tensor, ids_keep: Tensor, kept: Tensor | None
    ) -> Tensor:
        """Put the visible tokens in their places and mask tokens in the others."""
        dim = visible.shape[-1]
        if kept is not None:
            stand_in = self.mask_token.to(visible.dtype)
            visible = torch.where(kept[..., None], visible, stand_in)
        tokens = self.mask_token.to(visible.dtype).expand(*mask.shape, dim)
        return tokens.scatter(1, ids_keep[..., None].expand(-1, -1, dim), visible)


def hidden_channels(mask: Tensor, encoder: SpectralEncoder) -> Tensor:
    """Say which channels lie under hidden tokens.

    Parameters
    ----------
    mask : bool Tensor of shape (batch, n_tokens)
        True where a token is hidden.
    encoder : SpectralEncoder
        It knows the patches.

    Returns
    -------
    bool Tensor of shape (batch, n_channels)
        True where a channel is hidden.
    """
    wide = mask[..., None].expand(-1, -1, encoder.patch_size)
    return unpatchify(wide, encoder.n_channels)
