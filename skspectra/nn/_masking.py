"""Which tokens are hidden. Masks are True where a token is hidden."""

import math
from typing import Any

import torch
from torch import Tensor

# In self-guided masking one query hides itself and this many tokens less one that it
# attends to, on average (Xie et al., 2024). There the share of hidden tokens is divided
# before it is rounded, which can make one query more or less.
_TOKENS_PER_QUERY = 3


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
            f"{n_tokens - 1} can be hidden. Take a mask_ratio below "
            f"{math.floor(1000 - 500 / n_tokens) / 1000}, or lower patch_size."
        )
    return n_hidden


class RowDraws:
    """Random numbers of some rows of a batch: those that they have in the whole batch.

    In place of torch where this module draws. Processes that share a batch, and parts
    that it is computed in, then draw the same masks as one process with all of it, and
    leave the generator in the same state.

    Parameters
    ----------
    n_rows : int
        Number of rows of the whole batch; numbers are drawn for all of them.
    rows : slice
        Which of them are wanted.
    """

    def __init__(self, n_rows: int, rows: slice) -> None:
        self.n_rows, self.rows = n_rows, rows

    def rand(self, size: tuple[int, ...], **options: Any) -> Tensor:
        """Draw numbers between 0 and 1.

        Parameters
        ----------
        size : tuple of int
            The first is the number of the rows that are wanted.
        **options
            As in `torch.rand`.

        Returns
        -------
        Tensor of shape `size`
            The numbers.
        """
        return torch.rand((self.n_rows, *size[1:]), **options)[self.rows]

    def randint(self, high: int, size: tuple[int, ...], **options: Any) -> Tensor:
        """Draw whole numbers from 0 to `high - 1`.

        Parameters
        ----------
        high : int
            One more than the highest.
        size : tuple of int
            The first is the number of the rows that are wanted.
        **options
            As in `torch.randint`.

        Returns
        -------
        int64 Tensor of shape `size`
            The numbers.
        """
        return torch.randint(high, (self.n_rows, *size[1:]), **options)[self.rows]


def random_mask(
    batch: int,
    n_tokens: int,
    n_hidden: int,
    device: torch.device | str = "cpu",
    *,
    draws: Any = torch,
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
    draws : module or RowDraws, default=torch
        What draws, by `rand` and `randint`.

    Returns
    -------
    mask : bool Tensor of shape (batch, n_tokens)
        True where a token is hidden.
    ids_keep : int64 Tensor of shape (batch, n_tokens - n_hidden)
        Indices of the visible tokens, ascending: attention does not mind the
        order, a recurrence does.
    """
    shuffled = draws.rand((batch, n_tokens), device=device).argsort(dim=1)
    return _hide_all_but(shuffled[:, n_hidden:].sort(dim=1).values, n_tokens)


def block_mask(
    batch: int,
    n_tokens: int,
    n_hidden: int,
    length: float,
    device: torch.device | str = "cpu",
    *,
    draws: Any = torch,
) -> tuple[Tensor, Tensor]:
    """Hide `n_hidden` tokens of each spectrum in contiguous blocks.

    The length of a block is uniform between half and one and a half of `length`,
    rounded, and at least one token; the last block is cut so that the number is
    exact. Blocks and visible tokens lie in random order, so blocks may touch, and on
    a ring, so that tokens at the ends are hidden as often as the others: a block may
    be cut in two by the ends. Blocks of one token are a random mask.

    Parameters
    ----------
    batch : int
        Number of spectra; each one gets its own choice.
    n_tokens : int
        Number of tokens of a spectrum.
    n_hidden : int
        Number of hidden tokens, the same in every row.
    length : float
        What the lengths are drawn around, in tokens.
    device : torch.device or str, default="cpu"
        Where the mask is drawn, with that device's generator.
    draws : module or RowDraws, default=torch
        What draws, by `rand` and `randint`.

    Returns
    -------
    mask : bool Tensor of shape (batch, n_tokens)
        True where a token is hidden.
    ids_keep : int64 Tensor of shape (batch, n_tokens - n_hidden)
        Indices of the visible tokens, ascending.
    """
    n_kept = n_tokens - n_hidden
    visible = torch.arange(n_tokens, device=device) < n_kept
    stretch = 0.5 + draws.rand((batch, n_hidden), device=device)
    lengths = (length * stretch).round().clamp(1, n_tokens).long()
    before = lengths.cumsum(dim=1) - lengths
    lengths = torch.minimum(lengths, (n_hidden - before).clamp(min=0))
    # Visible tokens and blocks, among them those of no length, in random order.
    lengths = torch.cat([lengths.new_ones(batch, n_kept), lengths], dim=1)
    order = draws.rand((batch, n_tokens), device=device).argsort(dim=1)
    ends = lengths.gather(1, order).cumsum(dim=1)
    start = draws.randint(n_tokens, (batch, 1), device=device)
    places = torch.where(visible[order], (start + ends) % n_tokens, n_tokens)
    return _hide_all_but(places.sort(dim=1).values[:, :n_kept], n_tokens)


def self_guided_mask(
    queries: Tensor,
    keys: Tensor,
    n_hidden: int,
    guided_share: float = 1.0,
    *,
    draws: Any = torch,
) -> tuple[Tensor, Tensor]:
    """Hide the tokens that a random few attend to most.

    A third of `n_hidden` tokens, drawn at random, vote with their row of the
    attention matrix of one head, drawn at random for each. The voters themselves
    are hidden, and then the tokens with most votes: bands that go together vanish
    together, whatever the data are. Nothing is differentiated through the choice.

    Parameters
    ----------
    queries : Tensor of shape (batch, n_heads, n_tokens, head_dim)
        Of the first layer, from all tokens.
    keys : Tensor of shape (batch, n_heads, n_tokens, head_dim)
        Likewise.
    n_hidden : int
        Number of hidden tokens, the same in every row.
    guided_share : float, default=1.0
        Part of the hidden tokens that is chosen so; the others are drawn from
        the rest at random.
    draws : module or RowDraws, default=torch
        What draws, by `rand` and `randint`.

    Returns
    -------
    mask : bool Tensor of shape (batch, n_tokens)
        True where a token is hidden.
    ids_keep : int64 Tensor of shape (batch, n_tokens - n_hidden)
        Indices of the visible tokens, ascending.

    References
    ----------
    .. [1] Xie et al., "Self-guided masked autoencoders for domain-agnostic
       self-supervised learning", ICLR 2024, arXiv:2402.14789.
    """
    with torch.no_grad():
        n_voters = max(1, round(n_hidden / _TOKENS_PER_QUERY))
        score = _votes(queries, keys, n_voters, draws)
        guided = score.topk(round(n_hidden * guided_share), dim=1).indices
        chance = draws.rand(score.shape, dtype=score.dtype, device=score.device)
        rank = chance.scatter(1, guided, 2.0)  # guided ones first
        ids_keep = rank.argsort(dim=1, descending=True)[:, n_hidden:]
        return _hide_all_but(ids_keep.sort(dim=1).values, score.shape[1])


def _votes(queries: Tensor, keys: Tensor, n_voters: int, draws: Any) -> Tensor:
    """Return the attention that each token gets from random voters, voters on top."""
    batch, n_heads, n_tokens, head_dim = queries.shape
    device = queries.device
    voters = draws.rand((batch, n_tokens), device=device).argsort(dim=1)[:, :n_voters]
    heads = draws.randint(n_heads, (batch, n_voters), device=device)
    # The queries of the voters, nothing but zeros in the heads that are not their own:
    # one product then gives the few rows of the attention matrix that are needed.
    rows = torch.arange(batch, device=device)[:, None]
    asked = queries.transpose(1, 2)[rows, voters]  # (batch, n_voters, n_heads, ...)
    own = (heads[..., None] == torch.arange(n_heads, device=device)).to(asked.dtype)
    asked = asked * (own / head_dim**0.5)[..., None]
    logits = asked.flatten(2) @ keys.transpose(1, 2).flatten(2).mT
    attention = logits.float().softmax(dim=-1)  # (batch, n_voters, n_tokens)
    # A little noise, for equal votes would be sorted by place.
    score = attention.sum(dim=1) + 1e-6 * draws.rand((batch, n_tokens), device=device)
    return score.scatter(1, voters, 1e4 + draws.rand(voters.shape, device=device))


def matched_spans(
    mask: Tensor, n_hidden: int, *, draws: Any = torch
) -> tuple[Tensor, Tensor]:
    """Lay the hidden and the visible runs of masks out anew, in random order.

    Each row gets the runs of the row before it (the first those of the last), laid on
    a ring from a random place on, so that nothing is left of what led to the mask
    but the lengths of its runs: the control that tells whether it matters which
    tokens are hidden, or only that they lie side by side. The row before is one of the
    same call: of a batch in parts other masks come out, no likelier or rarer ones.

    Parameters
    ----------
    mask : bool Tensor of shape (batch, n_tokens)
        True where a token is hidden.
    n_hidden : int
        Number of hidden tokens, the same in every row.
    draws : module or RowDraws, default=torch
        What draws, by `rand` and `randint`.

    Returns
    -------
    mask : bool Tensor of shape (batch, n_tokens)
        With runs of the same lengths, the last token being beside the first.
    ids_keep : int64 Tensor of shape (batch, n_kept)
        Indices of the visible tokens, ascending.
    """
    batch, n_tokens = mask.shape
    device = mask.device
    # From the beginning of a run on, whose kind is that of every second run.
    start = (mask != mask.roll(1, dims=1)).long().argmax(dim=1, keepdim=True)
    mask = _from(start, mask).roll(1, dims=0)
    # Run k of a row has index k, its length is counted; runs that do not exist have
    # length 0.
    run = (mask[:, 1:] != mask[:, :-1]).long().cumsum(dim=1)
    run = torch.cat([torch.zeros_like(run[:, :1]), run], dim=1)
    lengths = run.new_zeros(batch, n_tokens + n_tokens % 2)
    lengths.scatter_add_(1, run, torch.ones_like(run))
    turns = lengths.unflatten(1, (-1, 2))  # (batch, n_pairs, first or second)
    key = draws.rand(turns.shape, device=device) + (turns == 0)  # those go last
    ends = turns.gather(1, key.argsort(dim=1)).flatten(1).cumsum(dim=1)
    places = torch.arange(n_tokens, device=device).expand(batch, -1).contiguous()
    run = torch.searchsorted(ends, places, right=True)
    new = mask[:, :1] ^ (run % 2).bool()
    new = _from(draws.randint(n_tokens, (batch, 1), device=device), new)
    # Visible tokens first, in their order; to count them would wait for a GPU.
    return new, new.byte().argsort(dim=1, stable=True)[:, : n_tokens - n_hidden]


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


def visible_slots(hidden: Tensor, n_slots: int) -> tuple[Tensor, Tensor]:
    """Return the indices of the visible tokens of rows that hide unequal numbers.

    Parameters
    ----------
    hidden : bool Tensor of shape (batch, n_tokens)
        True where a token is hidden.
    n_slots : int
        At least the largest number of visible tokens.

    Returns
    -------
    ids_keep : int64 Tensor of shape (batch, n_slots)
        Indices of the visible tokens, ascending, and after them those of hidden ones.
    kept : bool Tensor of shape (batch, n_slots)
        True for the indices of visible tokens.
    """
    ids_keep = hidden.byte().argsort(dim=1, stable=True)[:, :n_slots]
    return ids_keep, ~hidden.gather(1, ids_keep)


def spare_one(mask: Tensor, missing: Tensor, *, draws: Any = torch) -> Tensor:
    """Unhide a token in each row whose mask hides all that is there.

    Parameters
    ----------
    mask : bool Tensor of shape (batch, n_tokens)
        True where a token is to be hidden.
    missing : bool Tensor of shape (batch, n_tokens)
        True where there is nothing to hide; not all of a row.
    draws : module or RowDraws, default=torch
        What draws, by `rand` and `randint`.

    Returns
    -------
    bool Tensor of shape (batch, n_tokens)
        The mask without missing tokens, and in such rows without one more, drawn at
        random.
    """
    lost = (mask | missing).all(dim=1, keepdim=True)
    drawn = draws.rand(mask.shape, device=mask.device).masked_fill(missing, -1.0)
    spared = torch.zeros_like(mask).scatter(1, drawn.argmax(dim=1, keepdim=True), lost)
    return mask & ~missing & ~spared


def _from(start: Tensor, rows: Tensor) -> Tensor:
    """Read each row as a ring, from its own place on."""
    n_tokens = rows.shape[1]
    places = torch.arange(n_tokens, device=rows.device)
    return rows.gather(1, (start + places) % n_tokens)


def _hide_all_but(ids_keep: Tensor, n_tokens: int) -> tuple[Tensor, Tensor]:
    """Return the mask that leaves these tokens visible, and their indices."""
    mask = ids_keep.new_ones(len(ids_keep), n_tokens, dtype=torch.bool)
    return mask.scatter_(1, ids_keep, False), ids_keep
