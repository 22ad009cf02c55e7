import subprocess
import sys

import numpy as np
import ot
import pytest
import torch

from skspectra._scaling import MeanAndSpread
from skspectra._sinkhorn import SinkhornTransport, check_non_negative

N_CHANNELS = 40
AXIS = np.linspace(0, 1, N_CHANNELS)
DISTANCES = (AXIS[:, None] - AXIS) ** 2


def make_spectra(n_samples=5, seed=0, n_channels=N_CHANNELS):
    """Non-negative mixtures of bands."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(0, 1, n_channels)
    centres = rng.uniform(0.1, 0.9, size=(6, 1))
    bands = np.exp(-(((axis - centres) / 0.08) ** 2))
    return rng.gamma(1.0, size=(n_samples, 6)) @ bands + 0.05


def make_transport(X, **kwargs):
    moments = MeanAndSpread(X.shape[1])
    moments.add(X)
    mean, scale = moments.result()
    transport = SinkhornTransport(mean, scale, X, **kwargs)

    def scaled(spectra):
        return torch.from_numpy((spectra - mean) / scale)

    return transport, scaled


def every(x):
    return torch.ones_like(x, dtype=torch.bool)


def divergence(a, b, reg):
    """Sinkhorn divergence of two histograms, by POT's solver for one problem."""

    def regularised(p, q):
        solved = ot.solve(DISTANCES, p, q, reg, reg_type="KL", tol=1e-9, max_iter=9999)
        return solved.value

    return regularised(a, b) - (regularised(a, a) + regularised(b, b)) / 2


@pytest.mark.parametrize("reg", [0.1, 0.01])
def test_the_cost_is_the_sinkhorn_divergence(reg):
    X, P = make_spectra(2, seed=0), make_spectra(2, seed=1)
    transport, scaled = make_transport(X, reg=reg, max_iter=1000)
    cost = transport(scaled(P), scaled(X), every(scaled(X))) * transport.unit
    expected = [
        divergence(p / p.sum(), x / x.sum(), reg) for p, x in zip(P, X, strict=True)
    ]
    # `mean` is kept in float32 and every bin has a millionth of the mean added.
    assert cost.item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_the_cost_comes_near_exact_transport_as_entropy_vanishes():
    X, P = make_spectra(seed=0), make_spectra(seed=1)
    exact = np.mean(
        [
            ot.emd2(p / p.sum(), x / x.sum(), DISTANCES)
            for p, x in zip(P, X, strict=True)
        ]
    )
    errors = []
    for reg in (0.1, 0.01):
        transport, scaled = make_transport(X, reg=reg, max_iter=2000)
        cost = transport(scaled(P), scaled(X), every(scaled(X))) * transport.unit
        errors.append(abs(cost.item() / exact - 1))
    # The relative errors measured for other signals were 0.17 and 0.023.
    assert errors[0] > 5 * errors[1]
    assert errors[1] < 0.03


def test_gradient_equals_finite_differences():
    X, P = make_spectra(2, seed=0), make_spectra(2, seed=1)
    transport, scaled = make_transport(X, max_iter=600)
    target = scaled(X)
    counted = torch.arange(N_CHANNELS).expand_as(target) % 8 < 4
    assert torch.autograd.gradcheck(
        lambda x: transport(x, target, counted),
        scaled(P).requires_grad_(),
        # Potentials are converged to 1e-9, and `mean` is float32.
        atol=1e-6,
        rtol=1e-4,
        fast_mode=True,
    )


def test_following_the_gradient_moves_a_band_home():
    bands = np.exp(-(((AXIS - np.array([[0.4], [0.6]])) / 0.05) ** 2)) + 0.01
    transport, scaled = make_transport(bands, max_iter=40)
    target, moving = scaled(bands[:1]), scaled(bands[1:]).requires_grad_()
    descent = torch.optim.Adam([moving], lr=0.05)
    costs = []
    for _ in range(200):
        descent.zero_grad()
        loss = transport(moving, target, every(target))
        loss.backward()
        descent.step()
        costs.append(loss.item())
    assert costs[-1] < 0.05 * costs[0]


@pytest.mark.parametrize("max_iter", [1, 100])
def test_equal_spectra_cost_nothing(max_iter):
    X = make_spectra()
    transport, scaled = make_transport(X, max_iter=max_iter)
    same = scaled(X).requires_grad_()
    loss = transport(same, scaled(X), every(same))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-9)
    assert same.grad.abs().max() < 1e-9


@pytest.mark.parametrize("n_channels", [40, 130, 700])
@pytest.mark.parametrize("part", [0.2, 0.5, 1.0])
def test_the_mean_spectrum_costs_about_one(n_channels, part):
    X = make_spectra(40, n_channels=n_channels)
    transport, scaled = make_transport(X)
    target = scaled(X).float()
    drawn = torch.Generator().manual_seed(0)
    patches = torch.rand(40, n_channels // 10, generator=drawn) < part
    counted = patches.repeat_interleave(10, 1)
    loss = transport(torch.zeros_like(target), target, counted)
    assert loss.dtype == torch.float32
    if part == 1.0:
        assert loss.item() == pytest.approx(1, rel=1e-3)
    # How much neighbouring errors have in common decides what hiding some is worth.
    assert 0.3 < loss.item() < 3


def test_an_error_in_the_gain_costs_nothing_and_a_shift_does():
    X = make_spectra()
    transport, scaled = make_transport(X)
    target = scaled(X)
    by_gain = transport(scaled(1.1 * X), target, every(target)).item()
    by_shift = transport(scaled(np.roll(X, 1, axis=1)), target, every(target)).item()
    assert abs(by_gain) < 1e-6
    assert by_shift > 0.01


def test_what_does_not_count_changes_nothing():
    X, P = make_spectra(seed=0), make_spectra(seed=1)
    transport, scaled = make_transport(X)
    target, prediction = scaled(X), scaled(P)
    counted = torch.arange(N_CHANNELS).expand_as(target) >= 12
    elsewhere = torch.where(counted, prediction, 100.0).requires_grad_()
    loss = transport(elsewhere, target, counted)
    loss.backward()
    assert loss.item() == transport(prediction, target, counted).item()
    assert (elsewhere.grad[~counted] == 0).all()
    assert (elsewhere.grad[counted] != 0).any()


def test_empty_and_constant_and_negative_rows_give_no_nan():
    X = make_spectra()
    X[1], X[2] = 0.0, 3.0
    transport, scaled = make_transport(X)
    below = scaled(X - 2 * X.max()).requires_grad_()
    for prediction in (below, scaled(X).requires_grad_()):
        loss = transport(prediction, scaled(X), every(prediction))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(prediction.grad).all()
    nothing = torch.zeros_like(below, dtype=torch.bool)
    assert transport(below, scaled(X), nothing) == 0


@pytest.mark.parametrize("X", [np.zeros((3, 5)), np.ones((3, 5)), np.ones((2, 1))])
def test_spectra_without_a_shape_give_no_nan(X):
    transport, scaled = make_transport(X)
    prediction = (scaled(X) + 0.1).requires_grad_()
    loss = transport(prediction, scaled(X), every(prediction))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(prediction.grad).all()


def test_whatever_is_predicted_of_spectra_of_zeros_there_is_no_nan():
    X = np.zeros((5, 20))
    transport, scaled = make_transport(X)
    noise = torch.randn(5, 20, generator=torch.Generator().manual_seed(0))
    spike = torch.zeros(5, 20).index_fill(1, torch.tensor([3]), 1.0)
    for prediction in (noise.requires_grad_(), spike.requires_grad_()):
        loss = transport(prediction, scaled(X), every(prediction))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(prediction.grad).all()


def test_low_precision_of_the_prediction_is_all_that_is_lost():
    X, P = make_spectra(seed=0), make_spectra(seed=1)
    transport, scaled = make_transport(X)
    target = scaled(X).float()
    high = transport(scaled(P).float(), target, every(target))
    with torch.autocast("cpu", torch.bfloat16):
        inside = transport(scaled(P).float(), target, every(target))
    assert inside == high
    low = transport(scaled(P).bfloat16(), target, every(target))
    assert low.item() == pytest.approx(high.item(), rel=0.02)


def test_signed_spectra_are_refused_with_the_place_and_the_remedy():
    X = make_spectra()
    check_non_negative(X)
    X[3, 17] = -0.31
    with pytest.raises(ValueError, match=r"Got -0.31 in row 3, channel 17\. Use loss="):
        check_non_negative(X)


def test_pot_is_imported_when_it_is_asked_for():
    ask = "import sys, skspectra, skspectra._sinkhorn; print('ot' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", ask], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
