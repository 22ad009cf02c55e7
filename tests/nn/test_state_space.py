"""Damped oscillators: what they compute, in every form, and that they never grow."""

import copy
import math
from unittest.mock import patch

import pytest
import torch
from scipy.signal import lfilter

from skspectra import nn
from skspectra.nn import _resonance
from skspectra.nn._state_space import LEAST_ANGLE, LEAST_DAMPING

FORMS = {
    "matrix": _resonance.by_matrix,
    "fft": _resonance.by_fft,
    "recurrence": _resonance.by_recurrence,
}

# Of a million channels, of a short memory, beside the limits and beyond float32.
EXTREMES = [-1e4, -50.0, -14.0, -3.0, 0.0, 2.0, 6.0, 50.0, 1e4]


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def oscillators(n=6, dtype=torch.float64):
    """Dampings and angles of n oscillators each way, as at the start of a training."""
    layer = nn.DampedOscillators(2 * n, n)
    return layer.dampings.to(dtype), 2 * math.pi * layer.frequencies.to(dtype)


def single_steps(drive, damping, angle):
    """The recurrence as it is written down, left to autograd."""
    tau, delta = 2 * torch.exp(-damping) * torch.cos(angle), torch.exp(-2 * damping)
    v = drive.unflatten(2, (-1, angle.shape[1]))
    answer = []
    for k in range(2):
        before = last = torch.zeros_like(v[0])
        states = []
        for v_n in v.flip(0) if k else v:
            before, last = last, v_n + tau[k] * last - delta[k] * before
            states.append(_resonance.gains(damping, angle)[k] * last)
        answer.append(torch.stack(states[::-1] if k else states))
    return sum(answer).flatten(2)


def implicit_explicit_steps(drive, damping, angle, dt):
    """The published scheme (IMEX1 of D-LinOSS) in stiffness A, friction G and dt.

    z[n] = (z[n-1] + dt (v[n] - A x[n-1])) / (1 + dt G), x[n] = x[n-1] + dt z[n],
    of one direction, for drive of shape (n_tokens, n_oscillators).
    """
    S = torch.exp(2 * damping)
    A = (1 + S - 2 * S.sqrt() * torch.cos(angle)) / dt**2
    G = (S - 1) / dt
    x, z = torch.zeros_like(damping), torch.zeros_like(damping)
    states = []
    for v in drive:
        z = (z + dt * (v - A * x)) / (1 + dt * G)
        x = x + dt * z
        states.append(x)
    # Its gain at lag 0 is dt^2 / S, ours makes the energy 1.
    return torch.stack(states) * S / dt**2


def set_oscillators(layer, log_damping, angle_logit):
    with torch.no_grad():
        layer.log_damping.copy_(log_damping)
        layer.angle_logit.copy_(angle_logit)


def test_every_form_agrees_with_the_published_steps(form):
    damping, angle = oscillators()
    forward = torch.randn(200, 6, dtype=torch.float64)
    gain = _resonance.gains(damping, angle)
    dt = torch.rand(6, dtype=torch.float64) + 0.1
    ahead = implicit_explicit_steps(forward, damping[0], angle[0], dt) * gain[0]
    back = implicit_explicit_steps(forward.flip(0), damping[1], angle[1], dt) * gain[1]
    found = form(forward[:, None], damping, angle)[:, 0]
    torch.testing.assert_close(found, ahead + back.flip(0), atol=1e-9, rtol=0)


def test_every_form_agrees_with_a_filter_of_scipy(form):
    damping, angle = oscillators(1)
    drive = torch.randn(100, dtype=torch.float64)
    found = form(drive[:, None, None], damping, angle).flatten()
    tau, delta = 2 * torch.exp(-damping) * angle.cos(), torch.exp(-2 * damping)
    gain = _resonance.gains(damping, angle)
    ahead, back = (
        lfilter([gain[k, 0]], [1, -tau[k, 0], delta[k, 0]], v.numpy())
        for k, v in enumerate((drive, drive.flip(0)))
    )
    assert found.numpy() == pytest.approx(ahead + back[::-1], abs=1e-12)


@pytest.mark.parametrize("n_tokens", [1, 2, 3, 38])
def test_every_form_has_the_values_and_gradients_of_single_steps(form, n_tokens):
    inputs = (torch.randn(n_tokens, 3, 12, dtype=torch.float64), *oscillators())
    inputs = [each.requires_grad_() for each in inputs]
    weights = torch.randn(n_tokens, 3, 12, dtype=torch.float64)
    found, expected = form(*inputs), single_steps(*inputs)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    for of_found, of_expected in zip(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(of_found, of_expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("n_tokens", [128, 512, 2048])
def test_every_form_agrees_in_float32(form, n_tokens):
    damping, angle = oscillators(64, torch.float32)
    drive = torch.randn(n_tokens, 2, 128)
    exact = single_steps(*(each.double() for each in (drive, damping, angle)))
    # Of the most: float32 has seven digits. In the recurrence slow turns lose two of
    # them over a hundred tokens, and three over thousands.
    stepwise = form is _resonance.by_recurrence and n_tokens > 128
    error = (form(drive, damping, angle) - exact).abs().max() / exact.abs().max()
    assert error < (3e-4 if stepwise else 1e-5)


def test_gradients_of_the_recurrence_are_those_of_differences():
    inputs = (torch.randn(5, 2, 4, dtype=torch.float64), *oscillators(2))
    inputs = [each.requires_grad_() for each in inputs]
    assert torch.autograd.gradcheck(_resonance.by_recurrence, inputs)


def test_gradients_of_the_recurrence_can_be_asked_for_twice_and_for_the_input_alone():
    drive = torch.randn(9, 2, 12, dtype=torch.float64, requires_grad=True)
    damping, angle = oscillators()
    answer = _resonance.by_recurrence(drive, damping, angle).square().sum()
    found = torch.autograd.grad(answer, drive, retain_graph=True)[0]
    again = torch.autograd.grad(answer, drive)[0]
    expected = single_steps(drive, damping, angle).square().sum()
    expected = torch.autograd.grad(expected, drive)[0]
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
    assert torch.equal(found, again)


def test_on_a_cpu_large_steps_are_left_to_the_recurrence():
    assert _resonance.fastest_form(512, 1, 64, "cpu") == "fft"
    assert _resonance.fastest_form(38, 64, 16, "cpu") == "matrix"
    assert _resonance.fastest_form(38, 64, 256, "cpu") == "recurrence"
    assert _resonance.fastest_form(512, 64, 256, "cpu") == "recurrence"


def test_elsewhere_no_form_takes_a_launch_for_each_token():
    forms = {_resonance.fastest_form(n, 64, 64, "cuda") for n in (1, 64, 65, 4096)}
    assert forms == {"matrix", "fft"}


def test_impulse_responses_have_unit_energy_at_the_start():
    damping, angle = oscillators(100)
    response = _resonance.impulse_responses(damping, angle, 20_000)
    norms = torch.linalg.vector_norm(response, dim=0)
    torch.testing.assert_close(norms, torch.ones_like(norms), atol=1e-3, rtol=0)


def test_the_start_covers_the_band_and_a_range_of_memories():
    layer = nn.DampedOscillators(1000)
    counts = torch.histc(layer.frequencies, 10, min=0, max=0.5)
    assert counts.min() > 60 and counts.max() < 140  # 100 are expected, sd 9
    squared_radius = torch.exp(-2 * layer.dampings)
    assert squared_radius.min() > 0.81 and squared_radius.max() < 0.998
    assert squared_radius.mean() == pytest.approx((0.81 + 0.998) / 2, abs=0.01)


@pytest.mark.parametrize("angle", [0.02, 0.7, 1.3, math.pi / 2, 2.0, 2.5, 3.0, 3.12])
def test_every_angle_can_be_reached(angle):
    layer = nn.DampedOscillators(2).double()
    share = (angle - LEAST_ANGLE) / (math.pi - 2 * LEAST_ANGLE)
    logit = torch.tensor(share, dtype=torch.float64).logit()
    set_oscillators(layer, torch.tensor(-7.0), logit)
    assert 2 * math.pi * layer.frequencies[0, 0] == pytest.approx(angle, rel=1e-9)
    # ... and is what the filter rings at: the spectrum of its answer peaks there.
    drive = torch.zeros(8192, 1, 2, dtype=torch.float64)
    drive[0] = 1
    answer = _resonance.by_recurrence(drive, layer.dampings, torch.full((2, 1), angle))
    peak = torch.fft.rfft(answer[:, 0, 0]).abs().argmax()
    assert 2 * math.pi * peak / 8192 == pytest.approx(angle, abs=2e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_value_of_the_parameters_makes_an_answer_grow(form, dtype):
    random = 20 * torch.randn(200, 2)
    corners = torch.cartesian_prod(torch.tensor(EXTREMES), torch.tensor(EXTREMES))
    values = torch.cat((corners, random))
    values = torch.cat((values, values[-1:]))  # as many for each direction
    layer = nn.DampedOscillators(4, len(values) // 2).to(dtype)
    set_oscillators(layer, *values.to(dtype).T)
    damping, angle = layer.dampings, 2 * math.pi * layer.frequencies
    assert (damping >= LEAST_DAMPING).all() and damping.isfinite().all()
    impulse = torch.zeros(400, 1, 2 * layer.n_oscillators, dtype=dtype)
    impulse[200] = 1
    answer = form(impulse, damping, angle)[:, 0]
    ahead = torch.linalg.vector_norm(answer[201:], dim=0)
    back = torch.linalg.vector_norm(answer[:200], dim=0)
    # Unit energy over infinite time; the rest is what float32 loses at angles of .01.
    assert max(ahead.max(), back.max()) < 1.01
    assert answer.abs().max() < 2.01  # both directions meet at the impulse


def test_outputs_and_gradients_are_finite_at_extremes(form):
    corners = torch.cartesian_prod(torch.tensor(EXTREMES), torch.tensor(EXTREMES))
    layer = nn.DampedOscillators(4, len(corners))
    set_oscillators(layer, *corners.repeat(2, 1).T)
    tokens = torch.randn(2, 60, 4, requires_grad=True)
    with patch("skspectra.nn._state_space.resonate", form):
        output = layer(tokens)
    output.square().sum().backward()
    assert output.isfinite().all() and output.abs().max() < 100
    for each in (tokens, *layer.parameters()):
        assert each.grad.isfinite().all()


def test_an_impulse_has_been_forgotten_after_many_decay_lengths():
    damping, angle = oscillators(50)
    impulse = torch.zeros(3000, 1, 50, dtype=torch.float64)
    impulse[0] = 1
    answer = _resonance.by_recurrence(impulse, damping, angle)
    assert answer[-1].abs().max() < 0.06 * answer.abs().max()  # .998^1500 is .05


def test_a_reversed_sequence_with_swapped_directions_gives_the_reversed_answer():
    layer = nn.DampedOscillators(8).double()
    swapped = copy.deepcopy(layer)
    set_oscillators(swapped, layer.log_damping.roll(4), layer.angle_logit.roll(4))
    tokens = torch.randn(3, 20, 8, dtype=torch.float64)
    reversed_answer = swapped(tokens.flip(1)).flip(1)
    torch.testing.assert_close(layer(tokens), reversed_answer, atol=1e-12, rtol=0)
    assert not torch.allclose(layer(tokens), swapped(tokens))


def test_weight_decay_of_matrices_leaves_oscillators_alone():
    layer = nn.DampedOscillators(8)
    decayed = {name for name, each in layer.named_parameters() if each.ndim > 1}
    assert decayed == {"in_weight", "out_weight"}


def test_half_of_the_width_oscillates_each_way_unless_told():
    assert nn.DampedOscillators(9).frequencies.shape == (2, 4)
    assert nn.DampedOscillators(1).dampings.shape == (2, 1)
    trunk = nn.StateSpaceTrunk(6, depth=2, n_oscillators=5)
    assert [block.oscillators.n_oscillators for block in trunk.blocks] == [5, 5]


def test_what_is_learnt_can_be_read_and_carries_no_gradient():
    layer = nn.DampedOscillators(8)
    before = layer.frequencies
    assert not layer.frequencies.requires_grad and not layer.dampings.requires_grad
    with torch.no_grad():
        layer.angle_logit += 1
        layer.log_damping += math.log(2)
    assert (layer.frequencies > before).all()
    assert layer.dampings[0, 0] > 0


def test_training_finds_the_frequency_and_the_damping_of_a_filter():
    source = nn.DampedOscillators(2, 1)
    set_oscillators(source, torch.tensor(-2.0), torch.tensor(-0.5))
    tokens = torch.randn(64, 40, 2)
    target = source(tokens).detach()
    layer = copy.deepcopy(source)
    set_oscillators(layer, torch.tensor(-1.0), torch.tensor(0.2))
    optimizer = torch.optim.Adam([layer.log_damping, layer.angle_logit], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        (layer(tokens) - target).square().mean().backward()
        optimizer.step()
    for name in ("frequencies", "dampings"):
        found, expected = getattr(layer, name), getattr(source, name)
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


# The contract of a trunk


@pytest.mark.parametrize("n_tokens", [1, 2, 17])
def test_a_trunk_keeps_the_shape_for_any_number_of_tokens(n_tokens):
    tokens = torch.randn(3, n_tokens, 10)
    assert nn.StateSpaceTrunk(10, depth=2)(tokens).shape == tokens.shape
    assert nn.StateSpaceBlock(10)(tokens).shape == tokens.shape


def test_outputs_of_blocks_are_small_at_the_start():
    tokens = torch.randn(4, 300, 32)
    layer = nn.DampedOscillators(32)
    assert 0.1 < layer(tokens).std() < 2
    for block in nn.StateSpaceTrunk(32, depth=6).blocks:
        tokens = block(tokens)
        assert tokens.abs().max() < 100


# Computed in one form, in another, and in the third.
@pytest.mark.parametrize("batch", [3, 20, 300])
def test_every_parameter_gets_a_gradient(batch):
    trunk = nn.StateSpaceTrunk(8, depth=2)
    trunk(torch.randn(batch, 9, 8)).pow(3).sum().backward()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_every_token_sees_every_other():
    trunk = nn.StateSpaceTrunk(8, depth=1).double()
    tokens = torch.randn(1, 12, 8, dtype=torch.float64, requires_grad=True)
    for n in range(12):
        grad = torch.autograd.grad(trunk(tokens)[0, n, 0], tokens)[0]
        assert (grad[0].abs().amax(dim=1) > 0).all()


def test_rows_do_not_depend_on_each_other():
    trunk = nn.StateSpaceTrunk(8, depth=2).double()
    tokens = torch.randn(400, 9, 8, dtype=torch.float64)
    with torch.inference_mode():
        together = trunk(tokens)
        alone = torch.cat([trunk(row[None]) for row in tokens[:20]])
    torch.testing.assert_close(together[:20], alone, atol=1e-12, rtol=0)


@pytest.mark.parametrize("batch", [3, 20, 300])
def test_float64_agrees_with_float32(batch):
    trunk = nn.StateSpaceTrunk(8, depth=2)
    tokens = torch.randn(batch, 60, 8)
    with torch.inference_mode():
        exact = copy.deepcopy(trunk).double()(tokens.double())
        # Two blocks of float32 on numbers near 1.
        torch.testing.assert_close(trunk(tokens).double(), exact, atol=1e-4, rtol=0)


def test_memory_order_of_the_input_does_not_matter():
    trunk = nn.StateSpaceTrunk(8, depth=2).double()
    tokens = torch.randn(9, 5, 8, dtype=torch.float64).transpose(0, 1)
    expected = trunk(tokens.contiguous())
    torch.testing.assert_close(trunk(tokens), expected, atol=1e-13, rtol=0)
    assert trunk(tokens).is_contiguous()


@pytest.mark.parametrize("batch", [3, 20, 300])
def test_oscillators_compute_in_float32_under_autocast(batch):
    layer = nn.DampedOscillators(8)
    seen = []

    def watched(*inputs):
        seen.extend(each.dtype for each in inputs)
        answer = _resonance.resonate(*inputs)
        seen.append(answer.dtype)
        return answer

    tokens = torch.randn(batch, 20, 8)
    with (
        patch("skspectra.nn._state_space.resonate", watched),
        torch.autocast("cpu", torch.bfloat16),
    ):
        output = layer(tokens)
    assert set(seen) == {torch.float32}
    output.float().square().sum().backward()
    # bfloat16 has two to three digits.
    torch.testing.assert_close(output.float(), layer(tokens), atol=0.1, rtol=0.05)


def test_a_module_of_half_precision_still_oscillates_in_float32():
    layer = nn.DampedOscillators(8).bfloat16()
    output = layer(torch.randn(2, 5, 8, dtype=torch.bfloat16))
    assert output.dtype == torch.bfloat16 and output.isfinite().all()
    assert layer.frequencies.dtype == torch.float32


def test_a_general_initialisation_of_linear_maps_leaves_the_layer_alone():
    trunk = nn.StateSpaceTrunk(8, depth=1)
    before = copy.deepcopy(trunk.blocks[0].oscillators.state_dict())
    nn._transformer.initialise_linear(trunk)
    for name, value in trunk.blocks[0].oscillators.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not trunk.blocks[0].gate.bias.any()
