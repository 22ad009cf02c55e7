"""OscillatorDisplay: what is drawn is what the encoder has learnt."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer, SpectralRegressor
from skspectra.datasets import make_nir_mixtures
from skspectra.inspection import OscillatorDisplay

NIR = make_nir_mixtures(n_samples=40, n_channels=50, random_state=0)
X, Y = NIR.data, NIR.target


def pretrainer(**parameters):
    settings = {"patch_size": 5, "embed_dim": 8, "depth": 2, "max_epochs": 2}
    settings |= {"hidden_tokens": "replace", "random_state": 0}
    return MaskedSpectralPretrainer("state_space", **(settings | parameters))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fitted():
    return pretrainer().fit(X)


def drawn(display):
    """Return all points of the drawing, the key's left out."""
    offsets = [each.get_offsets() for each in display.ax_.collections]
    return np.ma.getdata(np.ma.concatenate(offsets))


def test_every_oscillator_is_a_point_at_its_frequency_and_decay_length(fitted):
    display = OscillatorDisplay.from_estimator(fitted)
    banks = [block.oscillators for block in fitted.module_.encoder.trunk.blocks]
    # (layer, direction, oscillator), 5 channels a token
    frequencies = np.array([bank.frequencies.numpy() for bank in banks])
    lengths = 5 / np.array([bank.dampings.numpy() for bank in banks])
    expected = np.column_stack([frequencies.ravel(), lengths.ravel()])
    assert drawn(display) == pytest.approx(expected, rel=1e-5)
    assert display.layers.tolist() == [0] * 8 + [1] * 8
    assert display.directions.tolist() == 2 * (["forward"] * 4 + ["backward"] * 4)
    assert display.figure_ is display.ax_.figure


def test_a_known_oscillator_is_drawn_where_it_belongs(fitted):
    frozen = FrozenEstimator(fitted)
    bank = fitted.module_.encoder.trunk.blocks[1].oscillators
    before = {name: each.clone() for name, each in bank.state_dict().items()}
    with torch.no_grad():
        bank.angle_logit[5] = 0.0  # half of pi in a step: four tokens a cycle
        bank.log_damping[5] = math.log(0.1)  # ten tokens
    display = OscillatorDisplay.from_estimator(frozen)
    bank.load_state_dict(before)
    # The second of those of layer 2 that read backward.
    assert drawn(display)[13] == pytest.approx([0.25, 50.0], rel=1e-4)


def test_decay_lengths_are_in_channels_or_on_the_axis(fitted):
    in_channels = OscillatorDisplay.from_estimator(fitted)
    assert in_channels.ax_.get_ylabel() == "Decay length (channels)"
    assert in_channels.spectrum_width == 50
    axis = NIR.x_axis[::-1]  # falling, as wavenumbers do
    on_axis = pretrainer(x_axis=axis).fit(X)
    display = OscillatorDisplay.from_estimator(on_axis, x_unit="nm")
    assert display.ax_.get_ylabel() == "Decay length (nm)"
    step = abs(axis[1] - axis[0])
    assert display.token_width == pytest.approx(5 * step)
    assert display.spectrum_width == pytest.approx(50 * step)
    assert drawn(display)[:, 1] == pytest.approx(5 * step / display.dampings)


def test_a_regressor_shows_its_own_oscillators():
    model = SpectralRegressor(pretrainer(x_axis=NIR.x_axis), max_epochs=3, lr=1e-2)
    piped = make_pipeline(InstanceNormalizer(), model).fit(X, Y)
    display = OscillatorDisplay.from_estimator(piped)
    frozen = OscillatorDisplay.from_estimator(FrozenEstimator(piped))
    np.testing.assert_array_equal(frozen.frequencies, display.frequencies)
    before = OscillatorDisplay.from_estimator(piped[-1].pretrainer_)
    assert display.token_width == before.token_width
    assert not np.allclose(display.frequencies, before.frequencies, atol=1e-6)


def test_layers_and_directions_differ_in_grey():
    frequencies = np.linspace(0.01, 0.49, 28)
    layers, directions = np.arange(28) // 4, np.tile(["backward", "forward"], 14)
    display = OscillatorDisplay(
        frequencies, frequencies, layers=layers, directions=directions
    ).plot()
    looks = set()
    for points in display.ax_.collections[:14]:
        shape = points.get_paths()[0].vertices.round(3)
        colour = tuple(points.get_edgecolors()[0]) if len(looks) >= 12 else None
        looks.add((shape.tobytes(), len(points.get_facecolors()), colour))
    assert len(looks) == 14
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names == [f"layer {k}" for k in range(1, 8)] + ["backward", "forward"]


def test_plain_arrays_are_drawn_in_tokens_on_given_axes():
    ax = plt.figure().add_subplot()
    display = OscillatorDisplay([0.1, 0.4], [0.5, 0.01]).plot(ax)
    assert display.ax_ is ax
    assert drawn(display) == pytest.approx(np.array([[0.1, 2.0], [0.4, 100.0]]))
    assert ax.get_yscale() == "log" and ax.get_legend() is None
    assert ax.get_ylabel() == "Decay length (tokens)"


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        OscillatorDisplay([0.1, 0.2], [0.5]).plot()


def test_encoders_without_oscillators_are_refused():
    attention = MaskedSpectralPretrainer(
        patch_size=10, embed_dim=8, depth=1, max_epochs=0
    )
    for model in (attention.fit(X), LinearRegression().fit(X, Y)):
        with pytest.raises(ValueError, match="oscillators of encoder='state_space'"):
            OscillatorDisplay.from_estimator(model)
    with pytest.raises(NotFittedError):
        OscillatorDisplay.from_estimator(pretrainer())
