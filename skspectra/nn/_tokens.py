"""A spectrum as a row of tokens: cut into patches, and told where each lies."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def count_tokens(n_channels: int, patch_size: int) -> int:
    """Return how many patches cover a spectrum.

    Parameters
    ----------
    n_channels : int
        Length of the spectrum.
    patch_size : int
        Width of a patch, in channels.

    Returns
    -------
    int
        The last patch may be filled up.
    """
    return -(-n_channels // patch_size)


def patchify(x: Tensor, patch_size: int) -> Tensor:
    """Cut spectra into patches; zeros fill up the last one.

    Parameters
    ----------
    x : Tensor of shape (..., n_channels)
        Spectra.
    patch_size : int
        Width of a patch, in channels.

    Returns
    -------
    Tensor of shape (..., n_tokens, patch_size)
        The patches, in the order of the channels.
    """
    n_channels = x.shape[-1]
    n_tokens = count_tokens(n_channels, patch_size)
    padded = F.pad(x, (0, n_tokens * patch_size - n_channels))
    return padded.unflatten(-1, (n_tokens, patch_size))


def unpatchify(patches: Tensor, n_channels: int) -> Tensor:
    """Lay patches side by side again and drop the filling of the last one.

    Parameters
    ----------
    patches : Tensor of shape (..., n_tokens, patch_size)
        The patches, in the order of the channels.
    n_channels : int
        Length of the spectra.

    Returns
    -------
    Tensor of shape (..., n_channels)
        Spectra.
    """
    return patches.flatten(-2)[..., :n_channels]


def sine_cosine_table(n_tokens: int, dim: int) -> Tensor:
    """Return the sines and cosines of each token's index.

    Row i is [sin(i w), cos(i w)] with the frequencies w falling geometrically
    from 1 towards 1/10000 (Vaswani et al., 2017, section 3.5).

    Parameters
    ----------
    n_tokens : int
        Number of rows.
    dim : int
        Number of columns; the last cosine is left out when it is odd.

    Returns
    -------
    Tensor of shape (n_tokens, dim)
        The table, float32.
    """
    half = (dim + 1) // 2
    exponent = torch.arange(half, dtype=torch.float64) / half
    angle = torch.arange(n_tokens, dtype=torch.float64)[:, None] * 10000.0**-exponent
    return torch.cat([angle.sin(), angle.cos()], dim=1)[:, :dim].float()


class Positions(nn.Module):
    """What is added to each token so that it knows its place.

    Parameters
    ----------
    n_tokens : int
        Number of tokens of a spectrum.
    dim : int
        Width of a token.
    kind : {"sine_cosine", "learned"}
        A fixed table, or one trained vector a token.
    """

    def __init__(self, n_tokens: int, dim: int, kind: str) -> None:
        super().__init__()
        if kind == "learned":
            self.table = nn.Parameter(torch.empty(n_tokens, dim))
            nn.init.normal_(self.table, std=0.02)
        else:
            self.register_buffer("table", sine_cosine_table(n_tokens, dim))

    def forward(self, ids: Tensor | None = None) -> Tensor:
        """Return the rows of the tokens `ids` (all of them when None).

        Parameters
        ----------
        ids : int64 Tensor of shape (batch, n_kept), optional
            Indices of tokens.

        Returns
        -------
        Tensor of shape (batch, n_kept, dim) or (n_tokens, dim)
            To be added to tokens.
        """
        return self.table if ids is None else self.table[ids]
