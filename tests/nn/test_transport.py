import numpy as np
import ot
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch.nn.functional import pad

from skspectra import nn

CHANNELS = np.arange(37.0)


def histograms(n_rows=6, seed=0):
    """Non-negative rows that sum to one."""
    weights = np.random.default_rng(seed).gamma(0.5, size=(n_rows, len(CHANNELS)))
    return torch.from_numpy(weights / weights.sum(1, keepdims=True))


def signed(n_rows=6, seed=0):
    """Rows of both signs that sum to zero."""
    x = np.random.default_rng(seed).normal(size=(n_rows, len(CHANNELS)))
    return torch.from_numpy(x - x.mean(1, keepdims=True))


def every(x):
    return torch.ones_like(x, dtype=torch.bool)


def by_definition(error, counted, window):
    """The formula of the docstring, one window after the other."""
    n_channels = error.shape[1]
    hop = window // 2
    cost, divisor = 0.0, 0.0
    for row, which in zip(error.numpy(), counted.numpy(), strict=True):
        for start in range(-hop, n_channels, hop):
            inside = np.zeros(window)
            m = 0
            for at in range(max(start, 0), min(start + window, n_channels)):
                if which[at]:
                    inside[at - start] = row[at]
                    m += 1
            cost += np.abs(np.cumsum(inside - inside.mean())).mean()
            divisor += np.sqrt(m)
    return cost / divisor


def test_transport_of_histograms_equals_scipy_and_pot():
    p, t = histograms(seed=0), histograms(seed=1)
    ours = nn.wasserstein_1d(p, t).numpy()
    x = torch.arange(p.shape[1], dtype=p.dtype)[:, None].expand(-1, len(p))
    sorting = ot.wasserstein_1d(x, x, p.T.contiguous(), t.T.contiguous()).numpy()
    distances = np.abs(CHANNELS[:, None] - CHANNELS)
    for row in range(len(p)):
        a, b = p[row].numpy(), t[row].numpy()
        # All are float64; 1e-10 is far above rounding and far below any cost here.
        expected = wasserstein_distance(CHANNELS, CHANNELS, a, b)
        assert ours[row] == pytest.approx(expected, rel=1e-10)
        assert ours[row] == pytest.approx(sorting[row], rel=1e-10)
        assert ours[row] == pytest.approx(ot.emd2(a, b, distances), rel=1e-10)
        line = ot.emd2_1d(CHANNELS, CHANNELS, a, b, metric="euclidean")
        assert ours[row] == pytest.approx(line, rel=1e-10)


def test_gradient_of_transport_equals_that_of_the_exact_solver():
    p, t = histograms(seed=0).requires_grad_(), histograms(seed=1)
    (ours,) = torch.autograd.grad(nn.wasserstein_1d(p, t).sum(), p)
    distances = torch.from_numpy(np.abs(CHANNELS[:, None] - CHANNELS))
    exact = sum(ot.emd2(a, b, distances) for a, b in zip(p, t, strict=True))
    (theirs,) = torch.autograd.grad(exact, p)
    # The sum of a histogram is fixed, so gradients are known up to a constant.
    centred = [g - g.mean(1, keepdim=True) for g in (ours, theirs)]
    assert torch.allclose(*centred, atol=1e-10)


def test_transport_of_signed_signals_equals_that_of_their_positive_parts():
    f, g = signed(seed=0), signed(seed=1)
    ours = nn.wasserstein_1d(f, g).numpy()
    sources = (f.clamp(min=0) - g.clamp(max=0)).numpy()
    sinks = (g.clamp(min=0) - f.clamp(max=0)).numpy()
    for row, (a, b) in enumerate(zip(sources, sinks, strict=True)):
        per_unit = wasserstein_distance(CHANNELS, CHANNELS, a, b)
        assert ours[row] == pytest.approx(per_unit * a.sum(), rel=1e-10)


@pytest.mark.parametrize("shift", [0, 1, 7, 20])
def test_a_shift_costs_its_number_of_channels(shift):
    band = torch.zeros(1, 60)
    band[0, 10:20] = torch.hann_window(10, periodic=False)
    band /= band.sum()
    cost = nn.wasserstein_1d(band, band.roll(shift, 1))
    assert cost.item() == pytest.approx(shift, abs=1e-4)  # float32 sums


@pytest.mark.parametrize("window", [2, 8, 37, 64])
@pytest.mark.parametrize("ratio", [0.3, 1.0])
def test_windowed_transport_equals_its_definition(window, ratio):
    p, t = signed(seed=0), signed(seed=1)
    counted = torch.rand(p.shape, generator=torch.Generator().manual_seed(0)) < ratio
    ours = nn.windowed_wasserstein(p, t, counted, window)
    width = min(window, p.shape[1]) // 2 * 2
    expected = by_definition(p - t, counted, width)
    assert ours.item() == pytest.approx(expected, rel=1e-10)


def plainly(prediction, target, counted, half):
    """The formula of the docstring in operations that torch differentiates."""
    error = torch.where(counted, prediction - target, 0.0)
    ends = (half, half + -error.shape[1] % half)
    windows = pad(error, ends).unfold(1, 2 * half, half)
    surplus = (windows - windows.mean(2, keepdim=True)).cumsum(2)
    # The last is 0 but for rounding, whose sign means nothing.
    cost = surplus[..., :-1].abs().sum() / (2 * half)
    n_in_window = pad(counted, ends).unfold(1, 2 * half, half).sum(2)
    return cost / n_in_window.double().sqrt().sum().clamp(min=1)


@pytest.mark.parametrize("ratio", [0.5, 1.0])
@pytest.mark.parametrize(
    "shape, window",
    [((3, 256), 64), ((2, 37), 8), ((4, 100), 7), ((1, 5), 64), ((2, 2), 2)],
)
def test_windowed_transport_and_its_gradients_equal_plain_ones(shape, window, ratio):
    drawn = torch.Generator().manual_seed(0)
    p, t = torch.randn(2, *shape, dtype=torch.float64, generator=drawn)
    counted = torch.rand(shape, generator=drawn) < ratio
    half = min(window, shape[1]) // 2
    p.requires_grad_()
    t.requires_grad_()
    plain = plainly(p, t, counted, half)
    ours = nn.windowed_wasserstein(p, t, counted, window)
    assert ours.item() == pytest.approx(plain.item(), rel=1e-10)
    expected = torch.autograd.grad(plain, (p, t))
    for is_, should in zip(torch.autograd.grad(ours, (p, t)), expected, strict=True):
        assert torch.allclose(is_, should, rtol=1e-10, atol=1e-13)
    single = p.detach().float().requires_grad_()
    loss = nn.windowed_wasserstein(single, t.detach(), counted, window)
    (gradient,) = torch.autograd.grad(loss, single)
    assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
    assert torch.allclose(gradient.double(), expected[0], rtol=1e-4, atol=1e-6)


def test_gradient_of_windowed_transport_equals_finite_differences():
    # Errors of random numbers lie off the kinks of the absolute value.
    p, t = signed(2, seed=0).requires_grad_(), signed(2, seed=1)
    counted = torch.arange(p.shape[1]).expand_as(p) % 3 > 0
    assert torch.autograd.gradcheck(
        lambda x: nn.windowed_wasserstein(x, t, counted, 8), p
    )
    assert torch.autograd.gradcheck(lambda x: nn.wasserstein_1d(x, t), p)


def test_the_gradient_scales_with_what_comes_after():
    p, t = signed(2, seed=0).requires_grad_(), signed(2, seed=1)
    (once,) = torch.autograd.grad(nn.windowed_wasserstein(p, t, every(p), 8), p)
    thrice = 3 * nn.windowed_wasserstein(p, t, every(p), 8)
    assert torch.allclose(torch.autograd.grad(thrice, p)[0], 3 * once)


def test_what_does_not_count_changes_nothing():
    p, t = signed(seed=0).requires_grad_(), signed(seed=1)
    counted = torch.arange(p.shape[1]).expand_as(p) >= 12
    loss = nn.windowed_wasserstein(p, t.where(counted, torch.nan), counted, 8)
    (gradient,) = torch.autograd.grad(loss, p)
    assert loss.item() == nn.windowed_wasserstein(p, t, counted, 8).item()
    assert (gradient[~counted] == 0).all()
    assert (gradient[counted] != 0).any()


def test_every_counted_channel_is_seen_at_the_ragged_end_too():
    for n_channels in range(2, 40):
        at_zero = torch.zeros(n_channels, n_channels)
        loss = [
            nn.windowed_wasserstein(row[None], at_zero[:1], every(row)[None], 8).item()
            for row in torch.eye(n_channels)
        ]
        assert min(loss) > 0, n_channels


@pytest.mark.parametrize("window", [32, 128])
@pytest.mark.parametrize("ratio", [0.15, 0.5, 1.0])
def test_independent_errors_cost_the_same_whatever_is_hidden(window, ratio):
    drawn = torch.Generator().manual_seed(0)
    error = torch.randn(64, 2048, generator=drawn)
    hidden = torch.rand(64, 2048 // 16, generator=drawn) < ratio
    counted = hidden.repeat_interleave(16, 1)
    loss = nn.windowed_wasserstein(error, torch.zeros_like(error), counted, window)
    # Hiding whole patches makes the sums of short windows uneven, at most by a fifth.
    assert loss.item() == pytest.approx(np.sqrt(np.pi / 32), rel=0.2)


def test_windows_look_past_a_slope_at_shifts():
    x = torch.arange(512.0)[None]
    target = sum(torch.exp(-(((x - at) / 6) ** 2)) for at in range(40, 500, 40))
    shifted = target.roll(4, 1)
    sloped = target + 0.1 * (x - x.mean()) / x.std()

    def windowed(prediction):
        return nn.windowed_wasserstein(prediction, target, every(x))

    at_once = nn.wasserstein_1d(sloped, target) / nn.wasserstein_1d(shifted, target)
    # Windows are an eighth of the axis, and a slope costs the square of the width.
    assert windowed(sloped) / windowed(shifted) < 0.1 * at_once
    # An offset costs nothing but where a window hangs over the end.
    assert windowed(target + 0.1) < 0.1 * windowed(shifted)


def test_windowed_transport_tells_how_far_a_band_is_off():
    x = torch.arange(512.0)[None]
    bands = [torch.exp(-(((x - 200 - shift) / 3) ** 2)) for shift in (0, 2, 8, 16, 24)]
    cost = [nn.windowed_wasserstein(b, bands[0], every(x)).item() for b in bands]
    error = [(b - bands[0]).square().mean().item() for b in bands]
    # Bands that no longer overlap have one squared error, but not one distance.
    assert error[3] == pytest.approx(error[4], rel=1e-3)
    assert cost[0] == 0
    assert cost[2] == pytest.approx(4 * cost[1], rel=0.1)
    assert cost[4] > 1.3 * cost[3]


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_windows_give_no_nan(value):
    p = torch.full((2, 128), value, requires_grad=True)
    counted = every(p)
    loss = nn.windowed_wasserstein(p, torch.zeros(2, 128), counted)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(p.grad).all()


def test_transport_of_nothing_is_zero():
    p = torch.ones(2, 40, requires_grad=True)
    loss = nn.windowed_wasserstein(p, torch.zeros(2, 40), torch.zeros(2, 40) > 0)
    loss.backward()
    assert loss == 0
    assert (p.grad == 0).all()


def test_half_precision_is_summed_in_single():
    p, t = signed(seed=0).float(), signed(seed=1).float()
    low = nn.windowed_wasserstein(p.bfloat16(), t, every(p), 16)
    assert low.dtype == nn.wasserstein_1d(p.bfloat16(), t).dtype == torch.float32
    # What remains is the rounding of the prediction to 8 bits.
    high = nn.windowed_wasserstein(p, t, every(p), 16)
    assert low.item() == pytest.approx(high.item(), rel=0.01)
    with torch.autocast("cpu", torch.bfloat16):
        inside = nn.windowed_wasserstein(p, t, every(p), 16)
    assert inside == high
