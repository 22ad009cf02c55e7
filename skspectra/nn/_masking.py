"""Which tokens are hidden. Masks are True where a token is hidden."""

import torch
from torch import Tensor


def count_hidden(n_tokens: int, mask_ratio: float) -> int:
    """Return how many tokens of a spectrum are hidden: the rounded number, at least 1.

    Parameters
    ----------
    n_tokens : int
        Number of tokens of a spectrum.
    mask_ratio : float
        Part of them to hide, in (0, 1).

    Returns
    -------
    int
        From 1 to `n_tokens - 1`.

    Raises
    ------
    ValueError
        If no token would be left to see.
    """
    n_hidden = max(1, round(mask_ratio * n_tokens))
    if n_hidden >= n_tokens:
        raise ValueError(
            f"mask_ratio={mask_ratio} hides all of the {n_tokens} patches; at most "
            f"{n_tokens - 1} can be hidden. Lower mask_ratio or patch_size."
        )
    return n_hidden


def random_mask(
    batch: int, n_tokens: int, n_hidden: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Hide `n_hidden` tokens of each spectrum, every choice equally likely.

    Parameters
    ----------
    batch : int
        Number of spectra; each one gets its own choice.
    n_tokens : int
        Number of tokens of a spectrum.
    n_hidden : int
        Number of hidden tokens, the same in every row.
    device : torch.device or str, default="cpu"
        Where the mask is drawn, with that device's generator.

    Returns
    -------
    mask : bool Tensor of shape (batch, n_tokens)
        True where a token is hidden.
    ids_keep : int64 Tensor of shape (batch, n_tokens - n_hidden)
        Indices of the visible tokens, ascending: attention does not mind the
        order, a recurrence does.
    """
    shuffled = torch.rand(batch, n_tokens, device=device).argsort(dim=1)
    ids_keep = shuffled[:, n_hidden:].sort(dim=1).values
    mask = torch.ones(batch, n_tokens, dtype=torch.bool, device=device)
    return mask.scatter_(1, ids_keep, False), ids_keep


def visible_ids(mask: Tensor) -> Tensor:
    """Return the indices of the visible tokens, ascending.

    Parameters
    ----------
    mask : bool Tensor of shape (batch, n_tokens)
        True where a token is hidden; every row hides the same number.

    Returns
    -------
    int64 Tensor of shape (batch, n_kept)
        Indices of the visible tokens.
    """
    return (~mask).nonzero()[:, 1].view(mask.shape[0], -1)
