"""The drawings of inspection: what is drawn where, and under which names."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer, SpectralRegressor
from skspectra.datasets import make_nir_mixtures
from skspectra.inspection import ReconstructionDisplay, SaliencyDisplay, saliency_map

NIR = make_nir_mixtures(n_samples=40, n_channels=50, random_state=0)
X, Y = NIR.data, NIR.target
BUMP = np.sin(np.linspace(0, 6, 50))


@pytest.fixture(scope="module")
def model():
    pretrainer = MaskedSpectralPretrainer(
        patch_size=10,
        embed_dim=8,
        depth=1,
        n_heads=2,
        max_epochs=5,
        x_axis=NIR.x_axis,
        random_state=0,
    )
    return SpectralRegressor(pretrainer, max_epochs=5, random_state=0).fit(X, Y)


def line(ax, number=0):
    return ax.get_lines()[number].get_xydata().T


def names_above(ax):
    return [text.get_text() for text in ax.texts]


def test_the_mean_saliency_lies_on_the_axis_of_the_pretrainer(model):
    display = SaliencyDisplay.from_estimator(model, X, x_unit="nm")
    x, y = line(display.ax_)
    np.testing.assert_allclose(x, NIR.x_axis)
    np.testing.assert_allclose(y, saliency_map(model, X).mean_absolute)
    assert display.ax_.get_xlabel() == "Wavelength (nm)"
    assert display.ax_.get_ylabel() == "Mean absolute gradient of the prediction"
    assert display.figure_ is display.ax_.figure


def test_behind_the_map_lies_the_mean_of_the_channels_that_are_there(model):
    spectra = X.copy()
    spectra[:5, 20:25] = np.nan
    display = SaliencyDisplay.from_estimator(model, spectra)
    expected = np.nanmean(spectra, axis=0)
    np.testing.assert_allclose(line(display.spectrum_ax_)[1], expected)


def test_options_of_the_map_reach_it(model):
    options = {"method": "smooth_gradient", "noise": 0.5, "random_state": 3}
    display = SaliencyDisplay.from_estimator(model, X[:5], average="signed", **options)
    expected = saliency_map(model, X[:5], **options)
    np.testing.assert_allclose(line(display.ax_)[1], expected.mean)
    max_like = {"method": "loss_gradient", "normalize": True}
    display = SaliencyDisplay.from_estimator(model, X[:5], Y[:5], **max_like)
    expected = saliency_map(model, X[:5], Y[:5], **max_like)
    np.testing.assert_allclose(line(display.ax_)[1], expected.mean_absolute)


def test_the_mean_spectrum_lies_behind_on_its_own_scale(model):
    display = SaliencyDisplay.from_estimator(model, X)
    behind = display.spectrum_ax_
    np.testing.assert_allclose(line(behind)[1], X.mean(axis=0))
    assert behind.get_zorder() < display.ax_.get_zorder()
    assert not display.ax_.patch.get_visible()
    assert display.plot(show_spectrum=False).spectrum_ax_ is None


def test_an_axis_given_comes_before_that_of_the_pretrainer(model):
    wavenumbers = 1e7 / NIR.x_axis
    display = SaliencyDisplay.from_estimator(
        model, X, x_axis=wavenumbers, x_unit="cm-1"
    )
    np.testing.assert_allclose(line(display.ax_)[0], wavenumbers)
    assert display.ax_.get_xlabel() == "Wavenumber (cm⁻¹)"
    # It falls, and is drawn falling.
    left, right = display.ax_.get_xlim()
    assert left == wavenumbers[0] > right == wavenumbers[-1]


def test_without_an_axis_channels_are_counted():
    ax = SaliencyDisplay(BUMP).plot().ax_
    np.testing.assert_array_equal(line(ax)[0], np.arange(50))
    assert ax.get_xlabel() == "Channel"


@pytest.mark.parametrize("falling", [False, True])
def test_labels_stand_above_their_positions(falling):
    x_axis = np.linspace(0, 20, 50)[:: -1 if falling else 1]
    labels = {"Sr": 14.14, "Ca": [3.69, 4.01], "far": 30.0}
    ax = SaliencyDisplay(BUMP, x_axis=x_axis, labels=labels).plot().ax_
    order = ["Ca", "Ca", "Sr"]
    assert names_above(ax) == (order[::-1] if falling else order)
    ends = sorted(
        20 * (1 - mark[0][0] if falling else mark[0][0])
        for mark in (each.get_xydata() for each in ax.get_lines())
        if len(mark) == 3
    )
    np.testing.assert_allclose(ends, [3.69, 4.01, 14.14])


def test_marks_follow_when_the_limits_change():
    display = SaliencyDisplay(
        BUMP, x_axis=np.linspace(0, 20, 50), labels={"Ca": 3.69, "Sr": 14.14}
    ).plot()
    display.ax_.set_xlim(10, 20)
    assert names_above(display.ax_) == ["Sr"]
    display.ax_.set_xlim(2, 5)
    assert names_above(display.ax_) == ["Ca"]


@pytest.mark.parametrize("word", ["{}", "band {}"])
def test_names_of_close_positions_do_not_overlap(word):
    close = {word.format(chr(65 + k)): 10 + 0.05 * k for k in range(8)}
    at_the_edge = {word.format(chr(75 + k)): 19.9 + 0.05 * k for k in range(3)}
    labels = close | at_the_edge
    display = SaliencyDisplay(BUMP, x_axis=np.linspace(0, 20, 50), labels=labels).plot()
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.ax_.texts]
    assert len(boxes) == 11
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    assert all(display.figure_.bbox.x0 <= box.x0 for box in boxes)
    assert all(box.x1 <= display.figure_.bbox.x1 for box in boxes)


LINES = {name: 1.0 + 0.7 * k for k, name in enumerate(map(chr, range(65, 88)))}


@pytest.mark.parametrize("word", ["{}x", "line {}"])
def test_where_names_do_not_fit_those_of_low_saliency_are_left_out(word):
    labels = {word.format(name): place for name, place in LINES.items()}
    x_axis, rng = np.linspace(0, 20, 400), np.random.default_rng(0)
    saliency = rng.uniform(size=400)
    ax = plt.subplots(figsize=(3.2, 2.2), layout="constrained")[1]
    title = "Mean absolute gradient of the prediction"
    options = {"x_axis": x_axis, "labels": labels, "name": title}
    display = SaliencyDisplay(saliency, spectrum=saliency, **options).plot(ax)
    display.figure_.canvas.draw()
    shown = names_above(ax)
    at = {
        name: saliency[np.abs(x_axis - place).argmin()]
        for name, place in labels.items()
    }
    assert 5 < len(shown) < len(labels)
    assert set(shown) == set(sorted(at, key=at.get)[-len(shown) :])
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    # The title is whole, in lines.
    assert ax.get_ylabel().split() == title.split()
    box = ax.yaxis.label.get_window_extent()
    assert display.figure_.bbox.y0 <= box.y0 < box.y1 <= display.figure_.bbox.y1
    # Those left out come back where there is room.
    ax.set_xlim(0.5, 3.5)
    assert len(names_above(ax)) == 4


@pytest.mark.parametrize(
    "labels",
    [
        {"Ca": "x"},
        {"Ca": "3.69"},
        {"Ca": np.nan},
        {"Ca": [3.69, np.inf]},
        {"Ca": None},
        {"Ca": [[3.69]]},
        {"Ca": [3.69, [4.01]]},
        {20: 3.69},
        ["Ca"],
    ],
)
def test_labels_that_are_no_names_with_numbers_are_refused(labels):
    with pytest.raises(ValueError, match=r"'labels' .* must map names to") as e:
        SaliencyDisplay(BUMP, labels=labels).plot()
    assert "of SaliencyDisplay must" in str(e.value)
    assert f"Got {labels!r} instead" in str(e.value)


def test_a_display_draws_again_and_where_it_is_told(model):
    display = SaliencyDisplay.from_estimator(model, X)
    first = display.ax_
    other = plt.figure().subplots()
    assert display.plot(other) is display
    assert display.ax_ is other is not first
    np.testing.assert_array_equal(line(first), line(other))


def test_behind_the_map_of_a_pipeline_lie_the_spectra_as_given(model):
    pipeline = make_pipeline(InstanceNormalizer(), model)
    display = SaliencyDisplay.from_estimator(pipeline, X)
    np.testing.assert_allclose(line(display.spectrum_ax_)[1], X.mean(axis=0))
    twice_as_many = make_pipeline(FunctionTransformer(lambda X: X[:, ::2]), model)
    display = SaliencyDisplay.from_estimator(twice_as_many, np.repeat(X, 2, axis=1))
    np.testing.assert_allclose(line(display.spectrum_ax_)[1], X.mean(axis=0))


def test_arrays_that_do_not_fit_are_refused(model):
    with pytest.raises(ValueError, match=r"the shape of saliency, \(50,\)"):
        SaliencyDisplay(BUMP, spectrum=BUMP[:3]).plot()
    with pytest.raises(ValueError, match="one value for each of the 50 channels"):
        SaliencyDisplay(BUMP, x_axis=[1.0, 2.0]).plot()
    with pytest.raises(ValueError, match="The 'average' parameter of"):
        SaliencyDisplay.from_estimator(model, X, average="median")


def test_hidden_bands_are_shaded_and_rebuilt_in_them_alone(model):
    hidden = np.zeros(50, dtype=bool)
    hidden[10:20] = hidden[40:] = True
    pretrainer = model.pretrainer_
    display = ReconstructionDisplay.from_estimator(
        pretrainer, X[:2], hidden=hidden, x_unit="nm"
    )
    rebuilt = pretrainer.reconstruct(X[:2], hidden=hidden).reconstruction
    assert display.axes_.shape == (2,)
    for ax, spectrum, expected in zip(display.axes_, X[:2], rebuilt, strict=True):
        np.testing.assert_allclose(line(ax), [NIR.x_axis, spectrum])
        drawn = line(ax, 1)[1]
        np.testing.assert_allclose(drawn[hidden], expected[hidden])
        # The line begins on the visible neighbours of a hidden band.
        ends = [9, 20, 39]
        np.testing.assert_allclose(drawn[ends], spectrum[ends])
        assert np.isnan(np.delete(drawn, [*np.flatnonzero(hidden), *ends])).all()
        bands = [patch.get_extents() for patch in ax.patches]
        data = ax.transData.inverted()
        spans = [data.transform(band)[:, 0] for band in bands]
        # From points of the screen and back, the last digits are rounded.
        near = [(a - 1e-6, b + 1e-6) for a, b in spans]
        shaded = [any(a <= x <= b for a, b in near) for x in NIR.x_axis]
        np.testing.assert_array_equal(shaded, hidden)
    assert display.axes_[-1].get_xlabel() == "Wavelength (nm)"


def test_without_hidden_the_pretrainer_draws_the_patches(model):
    pretrainer = FrozenEstimator(model.pretrainer_)
    display = ReconstructionDisplay.from_estimator(pretrainer, X[:1])
    expected = model.pretrainer_.reconstruct(X[:1])
    np.testing.assert_array_equal(display.hidden, expected.hidden)


def test_a_pipeline_that_ends_in_a_pretrainer_is_drawn_as_it_sees_spectra(model):
    pipeline = make_pipeline(InstanceNormalizer(), model.pretrainer_)
    display = ReconstructionDisplay.from_estimator(pipeline, X[:1])
    np.testing.assert_allclose(
        line(display.axes_[0])[1], InstanceNormalizer().fit_transform(X[:1])[0]
    )


@pytest.mark.parametrize(
    "behind", [lambda m: m, lambda m: FrozenEstimator(m.pretrainer_)]
)
def test_steps_behind_the_pretrainer_do_not_matter(model, behind):
    steps = [InstanceNormalizer(), behind(model)]
    if not hasattr(steps[1], "predict"):
        steps.append(LinearRegression())
    pipeline = make_pipeline(*steps)
    display = ReconstructionDisplay.from_estimator(pipeline, X[:2])
    seen = InstanceNormalizer().fit_transform(X[:2])
    expected = model.pretrainer_.reconstruct(seen)
    np.testing.assert_allclose(display.spectra, seen)
    np.testing.assert_allclose(display.reconstruction, expected.reconstruction)


def test_what_cannot_be_rebuilt_is_named_in_short():
    pipeline = make_pipeline(InstanceNormalizer(), LinearRegression()).fit(X, Y)
    with pytest.raises(TypeError) as e:
        ReconstructionDisplay.from_estimator(FrozenEstimator(pipeline), X[:1])
    assert str(e.value).endswith(
        "Got Pipeline(InstanceNormalizer, LinearRegression) instead."
    )
    assert len(str(e.value)) < 200


def test_a_reconstruction_is_drawn_where_it_is_told(model):
    axes = plt.figure().subplots(3)
    display = ReconstructionDisplay.from_estimator(model.pretrainer_, X[:3], ax=axes)
    assert display.figure_ is axes[0].figure
    single = plt.figure().subplots()
    display = ReconstructionDisplay.from_estimator(model.pretrainer_, X[:1], ax=single)
    assert display.axes_[0] is single
    with pytest.raises(ValueError, match=r"ax must hold 3 Axes, one a spectrum. Got 2"):
        ReconstructionDisplay.from_estimator(model.pretrainer_, X[:3], ax=axes[:2])


def test_hundreds_of_panels_are_refused(model):
    with pytest.raises(ValueError, match=r"at most 12 spectra.* Got 40 instead"):
        ReconstructionDisplay.from_estimator(model.pretrainer_, X)


def test_estimators_that_cannot_be_drawn_are_refused(model):
    with pytest.raises(TypeError, match="must be a MaskedSpectralPretrainer"):
        ReconstructionDisplay.from_estimator(LinearRegression().fit(X, Y), X[:1])
    with pytest.raises(TypeError, match="must be a SpectralRegressor"):
        SaliencyDisplay.from_estimator(LinearRegression().fit(X, Y), X)
    with pytest.raises(NotFittedError):
        ReconstructionDisplay.from_estimator(MaskedSpectralPretrainer(), X[:1])
