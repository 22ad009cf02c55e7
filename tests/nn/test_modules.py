"""Tokens, masks, encoder and autoencoder: shapes, counts, and no leak."""

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from skspectra import nn
from skspectra.nn._transformer import attend_plainly

N_CHANNELS, PATCH_SIZE = 22, 4  # the last patch holds 2 channels and 2 zeros
N_TOKENS = 6
ENCODERS = ["transformer", "state_space"]


def make_encoder(
    hidden_tokens="drop",
    positions="sine_cosine",
    n_channels=N_CHANNELS,
    encoder="transformer",
):
    torch.manual_seed(0)
    return nn.SpectralEncoder(
        n_channels,
        patch_size=PATCH_SIZE,
        embed_dim=8,
        depth=2,
        n_heads=2,
        positions=positions,
        hidden_tokens=hidden_tokens,
        encoder=encoder,
    )


def make_autoencoder(
    hidden_tokens="drop", positions="sine_cosine", encoder="transformer"
):
    return nn.MaskedAutoencoder(
        make_encoder(hidden_tokens, positions, encoder=encoder),
        decoder_dim=12,
        decoder_depth=1,
        decoder_n_heads=3,
        positions=positions,
    )


def spectra(n=5, dtype=torch.float32):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n, 22))).to(dtype)


@pytest.mark.parametrize("n_channels", [1, 4, 7, 22])
@pytest.mark.parametrize("patch_size", [1, 4, 5])
def test_unpatchify_undoes_patchify(n_channels, patch_size):
    x = torch.randn(3, n_channels)
    patches = nn.patchify(x, patch_size)
    assert patches.shape == (3, -(-n_channels // patch_size), patch_size)
    assert torch.equal(nn.unpatchify(patches, n_channels), x)


def test_sine_cosine_table_is_the_published_formula():
    table = nn.sine_cosine_table(5, 6)
    for i in range(5):
        for k in range(3):
            angle = i / 10000 ** (k / 3)
            assert table[i, k] == pytest.approx(np.sin(angle), abs=1e-6)
            assert table[i, 3 + k] == pytest.approx(np.cos(angle), abs=1e-6)


@pytest.mark.parametrize("hidden_tokens", ["drop", "replace"])
@pytest.mark.parametrize("positions", ["sine_cosine", "learned"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_parameter_gets_a_gradient(hidden_tokens, positions, encoder):
    objective = nn.ReconstructionObjective(
        make_autoencoder(hidden_tokens, positions, encoder), mask_ratio=0.5
    )
    objective(spectra()).backward()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("hidden_tokens", ["drop", "replace"])
def test_hidden_channels_do_not_influence_their_own_reconstruction(
    hidden_tokens, encoder
):
    autoencoder = make_autoencoder(hidden_tokens, encoder=encoder)
    x = spectra().requires_grad_()
    mask, ids_keep = nn.random_mask(len(x), N_TOKENS, 3)
    hidden = nn.hidden_channels(mask, autoencoder.encoder)
    rebuilt = autoencoder(x, mask, ids_keep)
    (gradient,) = torch.autograd.grad(rebuilt[hidden].square().sum(), x)
    assert (gradient[hidden] == 0).all()
    assert (gradient[~hidden] != 0).any()


def test_masking_the_loss_alone_would_leak():
    # The encoder sees everything, and only the loss looks at hidden channels: this
    # is what the test above must be able to catch.
    autoencoder = make_autoencoder("replace")
    x = spectra().requires_grad_()
    mask, _ = nn.random_mask(len(x), N_TOKENS, 3)
    hidden = nn.hidden_channels(mask, autoencoder.encoder)
    rebuilt = autoencoder(x, torch.zeros_like(mask))
    (gradient,) = torch.autograd.grad(rebuilt[hidden].square().sum(), x)
    assert (gradient[hidden] != 0).any()


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("hidden_tokens", ["drop", "replace"])
def test_hidden_tokens_know_where_they_are(hidden_tokens, encoder):
    autoencoder = make_autoencoder(hidden_tokens, encoder=encoder)
    mask = torch.tensor([[True, False, True, False, True, False]])
    rebuilt = autoencoder(spectra(1), mask)
    patches = nn.patchify(rebuilt, PATCH_SIZE)[0]
    assert not torch.allclose(patches[0], patches[2], atol=1e-4)
    assert not torch.allclose(patches[2], patches[4], atol=1e-4)


def test_filling_of_the_last_patch_enters_no_loss():
    target = spectra(2)
    rebuilt = target.clone()
    rebuilt[0, 20] += 3.0  # one channel of the last patch, which holds two
    mask = torch.zeros(2, N_TOKENS, dtype=torch.bool)
    mask[:, 5] = True
    hidden = nn.hidden_channels(mask, make_encoder())
    assert hidden.sum() == 4
    assert nn.masked_mse(rebuilt, target, hidden) == pytest.approx(9.0 / 4)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("hidden_tokens", ["drop", "replace"])
def test_rows_are_independent(hidden_tokens, encoder):
    autoencoder = make_autoencoder(hidden_tokens, encoder=encoder).double()
    x = spectra(5, torch.float64)
    mask, _ = nn.random_mask(5, N_TOKENS, 2)
    together = autoencoder(x, mask)
    alone = torch.cat([autoencoder(x[i : i + 1], mask[i : i + 1]) for i in range(5)])
    assert torch.allclose(together, alone, atol=1e-12)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("hidden_tokens", ["drop", "replace"])
def test_float32_agrees_with_float64(hidden_tokens, encoder):
    autoencoder = make_autoencoder(hidden_tokens, encoder=encoder)
    mask, _ = nn.random_mask(5, N_TOKENS, 2)
    single = autoencoder(spectra(), mask)
    double = autoencoder.double()(spectra(dtype=torch.float64), mask)
    assert torch.allclose(single.double(), double, atol=1e-4)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoder_works_with_one_visible_token(encoder):
    encoder = make_encoder("drop", encoder=encoder)
    mask = torch.ones(2, N_TOKENS, dtype=torch.bool)
    mask[:, 3] = False
    assert encoder(spectra(2), mask, nn.visible_ids(mask)).shape == (2, 1, 8)


def test_dropped_tokens_leave_the_encoder_as_if_they_were_not_there():
    encoder = make_encoder("drop").double()
    x = spectra(2, torch.float64)
    mask, ids_keep = nn.random_mask(2, N_TOKENS, 3)
    disturbed = torch.where(nn.hidden_channels(mask, encoder), 1e3, x)
    assert torch.equal(encoder(x, mask, ids_keep), encoder(disturbed, mask, ids_keep))


def test_masked_mse_counts_only_what_is_known():
    prediction = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    target = torch.tensor([[0.0, torch.nan], [torch.nan, 6.0]])
    loss = nn.masked_mse(prediction, target, ~target.isnan())
    loss.backward()
    assert loss.item() == pytest.approx((1 + 4) / 2)
    assert torch.equal(prediction.grad, torch.tensor([[1.0, 0.0], [0.0, -2.0]]))


def test_masked_mse_of_nothing_is_zero():
    nothing = torch.zeros(2, 2, dtype=torch.bool)
    assert nn.masked_mse(torch.ones(2, 2), torch.zeros(2, 2), nothing) == 0


def test_augmentation_of_strength_zero_changes_nothing():
    assert torch.equal(nn.augment(spectra(), 0.0), spectra())


def test_augmentation_disturbs_by_its_documented_spread():
    torch.manual_seed(0)
    flat = torch.zeros(20000, 21)  # no signal: gain and shift have nothing to act on
    disturbed = nn.augment(flat, 1.0)
    middle, end = disturbed[:, 10], disturbed[:, 20]
    assert middle.std() == pytest.approx(0.1, rel=0.05)  # offset, and a little noise
    assert end.std() == pytest.approx(np.hypot(0.1, 0.1), rel=0.05)  # and slope
    assert nn.augment(flat, 2.0)[:, 10].std() == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("pooling, n_read", [("mean", 8), ("concatenate", 48)])
def test_predictor_is_a_linear_map_of_its_tokens(pooling, n_read):
    predictor = nn.SpectralPredictor(make_encoder(), 2, pooling)
    assert torch.equal(predictor(spectra()), torch.zeros(5, 2))  # starts from the mean
    coef, intercept = np.random.default_rng(0).normal(size=(2, n_read)), [0.1, 0.2]
    predictor.set_head(coef, intercept)
    tokens = predictor.encoder(spectra())
    read = tokens.mean(1) if pooling == "mean" else tokens.reshape(5, n_read)
    expected = read @ torch.tensor(coef, dtype=torch.float32).T
    expected += torch.tensor(intercept)
    assert torch.allclose(predictor(spectra()), expected, atol=1e-5)


def block_by_hand(block, tokens):
    """A transformer block head by head, as the textbook has it."""

    def norm(x, layer):
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0) + 1e-6).sqrt()[
            ..., None
        ]
        return x * layer.weight + layer.bias

    q, k, v = (
        norm(tokens, block.attention_norm) @ block.qkv.weight.T + block.qkv.bias
    ).chunk(3, dim=-1)
    width = tokens.shape[-1] // block.n_heads
    heads = []
    for h in range(block.n_heads):
        part = slice(h * width, (h + 1) * width)
        logits = q[..., part] @ k[..., part].mT / width**0.5
        weights = logits.exp() / logits.exp().sum(-1, keepdim=True)
        heads.append(weights @ v[..., part])
    mixed = torch.cat(heads, dim=-1) @ block.attention_out.weight.T
    tokens = tokens + mixed + block.attention_out.bias
    inner = norm(tokens, block.mlp_norm) @ block.mlp_in.weight.T + block.mlp_in.bias
    inner = 0.5 * inner * (1 + torch.erf(inner / 2**0.5))
    return tokens + inner @ block.mlp_out.weight.T + block.mlp_out.bias


@pytest.mark.parametrize("n_tokens", [1, 7, 64])
@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-5), ("bf16", 2e-2)]
)
def test_a_block_is_that_of_the_textbook(n_tokens, dtype, tolerance):
    torch.manual_seed(0)
    block = nn.TransformerBlock(24, 3).double()
    tokens = torch.randn(2, n_tokens, 24, dtype=torch.float64, requires_grad=True)
    grad = torch.randn_like(tokens)
    expected = block_by_hand(block, tokens)
    inputs = [tokens, *block.parameters()]
    expected = [expected, *torch.autograd.grad(expected, inputs, grad)]

    low = dtype == "bf16"
    block.to(torch.float32 if low else dtype)
    rough = tokens.detach().to(torch.float32 if low else dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        got = block(rough)
    inputs = [rough, *block.parameters()]
    got = [got, *torch.autograd.grad(got, inputs, grad.to(got.dtype))]
    for one, other in zip(got, expected, strict=True):
        assert (one - other).norm() <= tolerance * (1e-3 + other.norm())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_plain_attention_is_that_of_torch(dtype):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 9, 8, dtype=dtype).unbind()
    expected = scaled_dot_product_attention(q.double(), k.double(), v.double())
    error = attend_plainly(q, k, v) - expected
    assert error.norm() <= {8: 1e-14, 2: 2e-2}[dtype.itemsize] * expected.norm()


def test_an_encoder_keeps_its_promise_for_any_number_of_tokens():
    for encoder in ENCODERS:
        for n_channels in (5, 22, 131):
            made = make_encoder("replace", n_channels=n_channels, encoder=encoder)
            x = torch.randn(3, n_channels)
            assert made(x).shape == (3, -(-n_channels // PATCH_SIZE), 8)
            torch.testing.assert_close(made.embed(x), made(x).mean(dim=1))


def test_vit_base_is_one_setting():
    # 110,692,368 trainable parameters are published for MAX. Theirs has a class
    # token of width 768; there is none here.
    with torch.device("meta"):
        encoder = nn.SpectralEncoder(
            2048,
            patch_size=16,
            embed_dim=768,
            depth=12,
            n_heads=12,
            positions="sine_cosine",
            hidden_tokens="drop",
        )
        autoencoder = nn.MaskedAutoencoder(
            encoder,
            decoder_dim=512,
            decoder_depth=8,
            decoder_n_heads=16,
            positions="sine_cosine",
        )
    n_parameters = sum(parameter.numel() for parameter in autoencoder.parameters())
    assert n_parameters == 110_692_368 - 768
