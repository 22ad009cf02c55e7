"""Masks: exact counts, the promised distribution, and SMA as it is written down."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from skspectra import nn


def runs(mask):
    """Return the lengths of the hidden and of the visible runs of one row, sorted."""
    mask = np.asarray(mask)
    edges = np.flatnonzero(np.diff(mask)) + 1
    parts = np.split(mask, edges)
    lengths = {True: [], False: []}
    for part in parts:
        lengths[bool(part[0])].append(len(part))
    return sorted(lengths[True]), sorted(lengths[False])


def attention(batch, n_tokens, n_heads=3, head_dim=5):
    return torch.randn(2, batch, n_heads, n_tokens, head_dim).unbind()


def draw(masking, batch, n_tokens, n_hidden):
    if masking == "random":
        return nn.random_mask(batch, n_tokens, n_hidden)
    if masking == "block":
        return nn.block_mask(batch, n_tokens, n_hidden, 3.0)
    guided = nn.self_guided_mask(*attention(batch, n_tokens), n_hidden)
    if masking == "matched_spans":
        return nn.matched_spans(guided[0], n_hidden)
    return guided


MASKINGS = ["random", "block", "self_guided", "matched_spans"]


@pytest.mark.parametrize("masking", MASKINGS)
@pytest.mark.parametrize("n_tokens", [2, 7, 20, 44])
def test_masks_hide_the_exact_number_in_every_row(masking, n_tokens):
    torch.manual_seed(0)
    for n_hidden in range(1, n_tokens):
        mask, ids_keep = draw(masking, 30, n_tokens, n_hidden)
        assert mask.shape == (30, n_tokens)
        assert (mask.sum(dim=1) == n_hidden).all()
        assert (ids_keep.diff(dim=1) > 0).all()
        assert torch.equal(nn.visible_ids(mask), ids_keep)


@pytest.mark.parametrize("masking", ["random", "block"])
def test_masks_that_see_no_data_hide_every_token_equally_often(masking):
    torch.manual_seed(0)
    mask, _ = draw(masking, 20000, 16, 6)
    assert chisquare(mask.sum(dim=0).numpy()).pvalue > 1e-3


def test_random_masks_hide_every_subset_equally_often():
    torch.manual_seed(0)
    mask, _ = nn.random_mask(6000, 8, 3)
    kinds, counts = torch.unique(mask, dim=0, return_counts=True)
    assert len(kinds) == 56  # all the ways to choose 3 of 8
    assert chisquare(counts.numpy()).pvalue > 1e-3


def test_two_draws_of_one_guided_spectrum_differ():
    torch.manual_seed(0)
    queries, keys = attention(1, 20)
    draws = [nn.self_guided_mask(queries, keys, 10)[0] for _ in range(5)]
    assert len(torch.unique(torch.cat(draws), dim=0)) > 1


# --- blocks --------------------------------------------------------------------


def test_lengths_of_blocks_lie_around_the_given_width():
    torch.manual_seed(0)
    mask, _ = nn.block_mask(500, 400, 60, 6.0)
    lengths = []
    for row in mask.numpy():
        start = np.flatnonzero(~row)[0]  # read the ring from a visible token on
        lengths += runs(np.roll(row, -start))[0]
    lengths = np.array(lengths)
    # The last block of a row is cut, and few of ten among 340 tokens touch.
    assert np.mean(lengths < 3) < 0.15
    assert np.mean(lengths > 9) < 0.06
    assert np.median(lengths) == 6
    counts = np.bincount(lengths)[4:9]  # 3 and 9 are rounded to from one side only
    assert np.ptp(counts) < 0.25 * counts.mean()


@pytest.mark.parametrize("length", [1e-9, 0.5, 1.0])
def test_blocks_of_one_token_are_random_masks(length):
    torch.manual_seed(0)
    mask, _ = nn.block_mask(6000, 8, 3, length)
    kinds, counts = torch.unique(mask, dim=0, return_counts=True)
    assert len(kinds) == 56  # all the ways to choose 3 of 8
    if length < 1:  # a length of 1 makes some blocks of two
        assert chisquare(counts.numpy()).pvalue > 1e-3


def test_a_block_may_be_all_that_is_hidden():
    torch.manual_seed(0)
    mask, _ = nn.block_mask(3000, 10, 4, 100.0)
    kinds, counts = torch.unique(mask, dim=0, return_counts=True)
    assert len(kinds) == 10  # one place for each token that it may begin with
    assert chisquare(counts.numpy()).pvalue > 1e-3


# --- self-guided ---------------------------------------------------------------


def written_out(queries, keys, n_hidden, guided_share):
    """Self-guided masking token by token, from the description of the method.

    The random numbers are drawn as the batched version draws them.
    """
    batch, n_heads, n_tokens, head_dim = queries.shape
    n_voters = max(1, round(n_hidden / 3))
    order = torch.rand(batch, n_tokens).argsort(dim=1)
    heads = torch.randint(n_heads, (batch, n_voters))
    noise = torch.rand(batch, n_tokens)
    on_top = torch.rand(batch, n_voters)
    chance = torch.rand(batch, n_tokens)
    mask = torch.zeros(batch, n_tokens, dtype=torch.bool)
    for b in range(batch):
        score = [0.0] * n_tokens
        for v in range(n_voters):
            head = heads[b, v]
            query = queries[b, head, order[b, v]]
            logits = [float(query @ key) / head_dim**0.5 for key in keys[b, head]]
            weights = np.exp(np.array(logits) - max(logits))
            for j in range(n_tokens):
                score[j] += weights[j] / weights.sum()
        score = [s + 1e-6 * float(e) for s, e in zip(score, noise[b], strict=True)]
        for v in range(n_voters):
            score[order[b, v]] = 1e4 + float(on_top[b, v])
        best = sorted(range(n_tokens), key=lambda j: -score[j])
        guided = best[: round(n_hidden * guided_share)]
        rest = [j for j in range(n_tokens) if j not in guided]
        rest.sort(key=lambda j: -float(chance[b, j]))
        for j in [*guided, *rest][:n_hidden]:
            mask[b, j] = True
    return mask


@pytest.mark.parametrize("n_tokens, n_hidden", [(2, 1), (9, 4), (16, 12), (28, 6)])
@pytest.mark.parametrize("guided_share", [0.0, 0.4, 1.0])
def test_self_guided_masks_are_those_of_the_description(
    n_tokens, n_hidden, guided_share
):
    torch.manual_seed(1)
    queries, keys = attention(6, n_tokens)
    torch.manual_seed(2)
    mask, _ = nn.self_guided_mask(queries, keys, n_hidden, guided_share)
    torch.manual_seed(2)
    assert torch.equal(mask, written_out(queries, keys, n_hidden, guided_share))


def test_what_is_attended_to_is_hidden_with_the_voter():
    # Tokens attend to the others of their half, and to nothing else.
    torch.manual_seed(0)
    half = (torch.arange(12) >= 6).float()
    feature = 30 * torch.stack([half, 1 - half], dim=-1).expand(200, 2, 12, 2)
    mask, _ = nn.self_guided_mask(feature, feature, 3)  # one voter
    n_left = mask[:, :6].sum(dim=1)
    assert set(n_left.tolist()) == {0, 3}


def test_equal_attention_hides_every_token_equally_often():
    torch.manual_seed(0)
    nothing = torch.zeros(6000, 2, 10, 4)
    mask, _ = nn.self_guided_mask(nothing, nothing, 4)
    assert chisquare(mask.sum(dim=0).numpy()).pvalue > 1e-3


def test_unguided_masks_do_not_depend_on_the_attention():
    masks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        queries, keys = attention(8, 20)
        torch.manual_seed(3)
        masks.append(
            [nn.self_guided_mask(queries, keys, 8, share)[0] for share in (0.0, 1.0)]
        )
    assert torch.equal(masks[0][0], masks[1][0])
    assert not torch.equal(masks[0][1], masks[1][1])


def objective(
    masking="self_guided", n_annealing_steps=0, encoder="transformer", **parameters
):
    torch.manual_seed(0)
    encoder = nn.SpectralEncoder(
        22,
        patch_size=2,
        embed_dim=8,
        depth=2,
        n_heads=2,
        positions="sine_cosine",
        hidden_tokens="drop",
        encoder=encoder,
    )
    autoencoder = nn.MaskedAutoencoder(
        encoder,
        decoder_dim=8,
        decoder_depth=1,
        decoder_n_heads=2,
        positions="sine_cosine",
    )
    parameters = {"mask_ratio": 0.5, **parameters}
    return nn.ReconstructionObjective(
        autoencoder,
        masking=masking,
        n_annealing_steps=n_annealing_steps,
        **parameters,
    )


def test_no_gradient_flows_through_the_choice():
    guided, fixed = objective(), objective()
    x = torch.randn(6, 22)
    before = x.clone()
    torch.manual_seed(1)
    chosen = guided.draw_mask(x)
    assert not any(tensor.requires_grad for tensor in chosen)
    torch.manual_seed(1)
    guided(x).backward()
    fixed.draw_mask = lambda x, draws: chosen
    fixed(x).backward()
    assert torch.equal(x, before)
    for one, other in zip(guided.parameters(), fixed.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_guiding_looks_at_the_first_layer_as_it_attends():
    encoder = objective().autoencoder.encoder
    x = torch.randn(3, 22)
    queries, keys = encoder.first_attention(x)
    block = encoder.trunk.blocks[0]
    tokens = encoder.project(nn.patchify(x, 2)) + encoder.positions()
    qkv = block.qkv(block.attention_norm(tokens)).reshape(3, 11, 3, 2, 4)
    torch.testing.assert_close(queries, qkv[:, :, 0].transpose(1, 2))
    torch.testing.assert_close(keys, qkv[:, :, 1].transpose(1, 2))


def test_masks_go_from_random_to_guided():
    guided = objective(n_annealing_steps=4)
    shares = []
    for _ in range(6):
        shares.append(guided._guided_share())
        guided(torch.randn(4, 22))
    np.testing.assert_allclose(shares, [0, 0.1464466, 0.5, 0.8535534, 1, 1], atol=1e-6)
    guided.eval()(torch.randn(4, 22))
    assert guided.n_steps == 6  # only training steps count


def ring_runs(row):
    """Like `runs`, with the last token beside the first."""
    row = np.asarray(row)
    return runs(np.roll(row, -np.flatnonzero(row != np.roll(row, 1))[0]))


def test_matched_spans_have_the_runs_of_another_row():
    torch.manual_seed(0)
    for n_tokens, n_hidden in [(31, 11), (16, 9), (5, 2), (2, 1), (9, 8)]:
        mask, _ = nn.self_guided_mask(*attention(40, n_tokens), n_hidden)
        moved, _ = nn.matched_spans(mask, n_hidden)
        for i in range(40):
            assert ring_runs(moved[i]) == ring_runs(mask[i - 1])
        assert not torch.equal(moved, mask.roll(1, dims=0))


def test_matched_spans_forget_where_the_runs_were():
    torch.manual_seed(0)
    mask = torch.zeros(6000, 12, dtype=torch.bool)
    mask[:, :2] = mask[:, 5] = True  # one mask; runs 2 and 1, gaps 3 and 6
    moved, _ = nn.matched_spans(mask, 3)
    kinds, counts = torch.unique(moved, dim=0, return_counts=True)
    # Two orders on a ring, each from any of twelve tokens on.
    assert len(kinds) == 24
    assert chisquare(counts.numpy()).pvalue > 1e-3


# --- ratios --------------------------------------------------------------------


def test_a_pair_of_ratios_draws_one_for_each_batch():
    torch.manual_seed(0)
    mixed = objective("random", mask_ratio=(0.2, 0.6))
    counts = {int(mixed.draw_mask(torch.zeros(3, 22))[0][0].sum()) for _ in range(200)}
    assert counts == {2, 3, 4, 5, 6, 7}


@pytest.mark.parametrize("masking", ["self_guided", "matched_spans"])
def test_masks_by_attention_need_an_encoder_that_attends(masking):
    with pytest.raises(ValueError, match="which only encoder='transformer' has"):
        objective(masking, encoder="state_space")


# --- parts of a batch ------------------------------------------------------------


def rows_of(count, n_rows, n_parts=1):
    """Yield the rows of each process, in parts, as slices of the batch."""
    for rank in range(count):
        own = range(rank, n_rows, count)
        size = -(-len(own) // n_parts)
        for first in range(0, len(own), size):
            part = own[first : first + size]
            yield slice(part.start, part.stop, part.step)


def masks_in_parts(draw, n_rows, count, n_parts):
    """Draw the masks of a batch part by part, each from one state of the generator."""
    masks, states = {}, []
    for rows in rows_of(count, n_rows, n_parts):
        torch.manual_seed(3)
        mask, ids_keep = draw(rows, nn.RowDraws(n_rows, rows))
        assert torch.equal(nn.visible_ids(mask), ids_keep)
        masks |= zip(range(n_rows)[rows], mask, strict=True)
        states.append(torch.get_rng_state())
    assert all(torch.equal(state, states[0]) for state in states)
    return torch.stack([masks[row] for row in range(n_rows)]), states[0]


@pytest.mark.parametrize("masking", ["random", "block", "self_guided"])
@pytest.mark.parametrize("count, n_parts", [(2, 1), (3, 2), (1, 4)])
def test_a_batch_in_parts_has_the_masks_of_the_whole(masking, count, n_parts):
    queries, keys = attention(11, 20)

    def draw(rows, draws=torch):
        if masking == "self_guided":
            return nn.self_guided_mask(queries[rows], keys[rows], 8, 0.6, draws=draws)
        shape = len(range(11)[rows]), 20, 8
        if masking == "random":
            return nn.random_mask(*shape, draws=draws)
        return nn.block_mask(*shape, 3.0, draws=draws)

    masks, state = masks_in_parts(draw, 11, count, n_parts)
    torch.manual_seed(3)
    whole, _ = draw(slice(None))
    assert torch.equal(masks, whole)
    assert torch.equal(torch.get_rng_state(), state)


def test_spans_of_a_part_are_those_of_its_own_rows():
    torch.manual_seed(0)
    mask, _ = nn.self_guided_mask(*attention(12, 31), 11)
    moved, _ = masks_in_parts(
        lambda rows, draws: nn.matched_spans(mask[rows], 11, draws=draws), 12, 2, 1
    )
    for i in range(12):
        assert ring_runs(moved[i]) == ring_runs(mask[(i - 2) % 12])


def test_a_token_is_spared_in_a_part_as_in_the_whole():
    torch.manual_seed(0)
    missing = torch.rand(40, 8) < 0.6
    missing[:, 2] = False
    mask, n_rows = torch.ones(40, 8, dtype=torch.bool), 40
    torch.manual_seed(3)
    whole = nn.spare_one(mask, missing)
    assert (whole | missing).sum() == 40 * 7  # one of each row
    for rows in rows_of(3, n_rows):
        torch.manual_seed(3)
        draws = nn.RowDraws(n_rows, rows)
        assert torch.equal(
            nn.spare_one(mask[rows], missing[rows], draws=draws), whole[rows]
        )


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"masking": "random", "mask_ratio": (0.2, 0.7)},
        {"masking": "block", "block_width": 6},
        {"masking": "self_guided", "n_annealing_steps": 2},
    ],
    ids=str,
)
def test_losses_of_parts_weighted_by_what_they_count_are_that_of_the_whole(
    options, gaps
):
    small = objective(**options).double()
    x = torch.randn(13, 22, dtype=torch.float64)
    missing = torch.rand(13, 11) < 0.3 if gaps else None

    def run(rows=slice(None), **draws):
        torch.manual_seed(3)
        small.n_steps = 1
        loss = small(x[rows], *([missing[rows]] if gaps else []), **draws)
        return loss, small.n_counted, torch.get_rng_state()

    whole, n_all, state = run()
    expected = torch.autograd.grad(whole, list(small.parameters()))
    total, gradient, n_counted = 0.0, [0.0] * len(expected), []
    for rows in rows_of(2, 13, n_parts=2):
        loss, n, after = run(rows, draws=nn.RowDraws(13, rows))
        n_counted.append(int(n))
        total = total + n * loss.detach() / n_all
        parts = torch.autograd.grad(loss * n / n_all, list(small.parameters()))
        gradient = [a + b for a, b in zip(gradient, parts, strict=True)]
        assert torch.equal(state, after)
    assert sum(n_counted) == n_all
    assert len({*n_counted}) > 1  # the parts do not weigh alike
    torch.testing.assert_close(total, whole.detach())
    for one, other in zip(gradient, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_an_objective_tells_how_many_channels_its_loss_is_the_mean_of():
    small = objective("random", mask_ratio=0.5)
    assert small.n_counted is None
    errors = []
    small.transport = lambda rebuilt, x, counts: errors.append(counts) or rebuilt.sum()
    small(torch.randn(7, 22))
    assert small.n_counted == errors[0].sum() > 0
