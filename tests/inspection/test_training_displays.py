"""LossCurveDisplay and EmbeddingDisplay: what a training did, and what it made."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralClassifier,
    SpectralRegressor,
)
from skspectra.datasets import make_nir_mixtures
from skspectra.inspection import EmbeddingDisplay, LossCurveDisplay

NIR = make_nir_mixtures(n_samples=40, n_channels=20, random_state=0)
X, Y = NIR.data, NIR.target
KINDS = np.where(np.median(Y) < Y, "much", "little")
SIZES = {"patch_size": 5, "embed_dim": 8, "depth": 1, "n_heads": 2, "max_epochs": 4}


@pytest.fixture(scope="module")
def model():
    pretrainer = MaskedSpectralPretrainer(**SIZES, random_state=0)
    stopping = {"early_stopping": True, "max_epochs": 6, "random_state": 0}
    return SpectralRegressor(pretrainer, **stopping).fit(X, Y)


def curve(line):
    return line.get_xydata().T


def words(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_losses_lie_over_their_epochs_and_the_lowest_is_marked(model):
    display = LossCurveDisplay.from_estimator(model)
    epochs, losses = curve(display.lines_[""])
    np.testing.assert_array_equal(epochs, np.arange(1, model.n_iter_ + 1))
    np.testing.assert_array_equal(losses, model.loss_curve_)
    held_out = display.validation_lines_[""]
    scores = np.array(model.validation_scores_)
    np.testing.assert_array_equal(curve(held_out)[1], -scores)
    assert held_out.get_markevery() == [int(scores.argmax())]
    assert held_out.get_linestyle() != display.lines_[""].get_linestyle()
    assert words(display) == ["training", "validation", "lowest"]
    assert display.ax_.get_ylabel() == "Mean squared error / variance"
    assert display.ax_.get_xlabel() == "Epoch"


def test_several_trainings_are_drawn_together(model):
    pretrainer = model.pretrainer_
    trained = {
        "frozen": FrozenEstimator(pretrainer),
        "in a pipeline": make_pipeline(InstanceNormalizer(), pretrainer),
    }
    display = LossCurveDisplay.from_estimator(trained)
    assert list(display.lines_) == words(display) == list(trained)
    for line in display.lines_.values():
        np.testing.assert_array_equal(curve(line)[1], pretrainer.loss_curve_)
    lines = display.lines_.values()
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 2
    both = {"regressor": model, "pretrainer": pretrainer}
    display = LossCurveDisplay.from_estimator(both)
    assert list(display.validation_lines_) == ["regressor"]


def test_a_single_training_without_validation_needs_no_key(model):
    display = LossCurveDisplay.from_estimator(model.pretrainer_)
    assert display.ax_.get_legend() is None


def test_the_loss_of_classes_is_no_squared_error(model):
    frozen = FrozenEstimator(model.pretrainer_)
    classifier = SpectralClassifier(frozen, max_epochs=1, random_state=0).fit(X, KINDS)
    display = LossCurveDisplay.from_estimator(classifier)
    assert display.ax_.get_ylabel() == "Loss"
    assert LossCurveDisplay.from_estimator(model, name="Mine").name == "Mine"


def test_the_axis_is_logarithmic_where_losses_differ_by_much():
    assert LossCurveDisplay({"": [3.0, 2.0]}).plot().ax_.get_yscale() == "linear"
    assert LossCurveDisplay({"": [3.0, 0.1]}).plot().ax_.get_yscale() == "log"
    assert LossCurveDisplay({"": [3.0, 0.0]}).plot().ax_.get_yscale() == "linear"
    ax = plt.figure().subplots()
    display = LossCurveDisplay({"a": [3.0], "b": [2.0, 1.0]})
    assert display.plot(ax) is display
    assert display.ax_ is ax and display.figure_ is ax.figure


def test_what_has_no_loss_is_refused_in_words(model):
    frozen = FrozenEstimator(model.pretrainer_)
    probe = SpectralRegressor(frozen, strategy="probe").fit(X, Y)
    with pytest.raises(ValueError, match="SpectralRegressor was trained for no epoch"):
        LossCurveDisplay.from_estimator(probe)
    with pytest.raises(ValueError, match="SpectralRegressor 'probe' was trained"):
        LossCurveDisplay.from_estimator({"probe": probe})
    with pytest.raises(TypeError, match=r"Got Pipeline\(LinearRegression\) instead"):
        LossCurveDisplay.from_estimator(make_pipeline(LinearRegression()))
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(MaskedSpectralPretrainer())
    with pytest.raises(ValueError, match=r"'losses' .* finite numbers .* for 'a'"):
        LossCurveDisplay({"a": [1.0, np.nan]}).plot()
    with pytest.raises(ValueError, match=r"must hold a curve, .* Got \[\] and \[\]"):
        LossCurveDisplay({}).plot()
    with pytest.raises(ValueError, match=r"Got \['a'\] and \['b'\]"):
        LossCurveDisplay({"a": [1.0]}, validation_losses={"b": [1.0]}).plot()


def offsets(display):
    return np.concatenate([np.ma.getdata(s.get_offsets()) for s in display.scatter_])


def test_the_map_is_that_of_principal_components(model):
    embedding = model.pretrainer_.transform(X)
    display = EmbeddingDisplay.from_estimator(model.pretrainer_, X)
    pca = PCA(2, svd_solver="full").fit(embedding.astype(float))
    np.testing.assert_allclose(offsets(display), pca.transform(embedding), atol=1e-6)
    first, second = 100 * pca.explained_variance_ratio_
    assert display.ax_.get_xlabel() == f"PC 1 ({first:.0f} %)"
    assert display.ax_.get_ylabel() == f"PC 2 ({second:.0f} %)"
    same = EmbeddingDisplay.from_embedding(embedding)
    np.testing.assert_array_equal(offsets(same), offsets(display))


def test_frozen_ones_regressors_and_pipelines_show_their_encoder(model):
    frozen = FrozenEstimator(model.pretrainer_)
    seen = InstanceNormalizer().fit_transform(X)
    expected = {
        "given": EmbeddingDisplay.from_embedding(frozen.transform(X)),
        "normalised": EmbeddingDisplay.from_embedding(frozen.transform(seen)),
    }
    snv = InstanceNormalizer().fit(X)
    for estimator, what in [
        (frozen, "given"),
        (model, "given"),
        (make_pipeline(snv, frozen), "normalised"),
        (make_pipeline(snv, model), "normalised"),
        (make_pipeline(snv, frozen, LinearRegression()), "normalised"),
        (FrozenEstimator(make_pipeline(snv, frozen)), "normalised"),
    ]:
        display = EmbeddingDisplay.from_estimator(estimator, X)
        np.testing.assert_array_equal(offsets(display), offsets(expected[what]))


def test_other_transformers_may_be_set_beside():
    pls = PLSRegression(n_components=3).fit(X, Y)
    steps = make_pipeline(InstanceNormalizer(), PCA(3), LinearRegression()).fit(X, Y)
    for estimator, scores in [(pls, pls.transform(X)), (steps, steps[:2].transform(X))]:
        display = EmbeddingDisplay.from_estimator(estimator, X)
        expected = EmbeddingDisplay.from_embedding(scores)
        np.testing.assert_array_equal(offsets(display), offsets(expected))


def test_points_are_coloured_by_a_quantity(model):
    y = pd.Series(np.where(np.arange(40) < 5, np.nan, Y), name="fraction")
    display = EmbeddingDisplay.from_estimator(model.pretrainer_, X, y, y_unit="%")
    known, unknown = display.scatter_
    np.testing.assert_array_equal(known.get_array(), Y[5:])
    np.testing.assert_array_equal(known.get_offsets(), display.components[5:])
    np.testing.assert_array_equal(unknown.get_offsets(), display.components[:5])
    assert display.colorbar_.ax.get_ylabel() == "fraction (%)"
    assert words(display) == ["not known"]


def test_points_are_marked_by_class(model):
    y = pd.DataFrame({"fraction": Y, "kind": KINDS})
    display = EmbeddingDisplay.from_estimator(model.pretrainer_, X, y, target="kind")
    assert words(display) == ["little", "much"]
    assert display.ax_.get_legend().get_title().get_text() == "kind"
    for scatter in display.scatter_:
        rows = scatter.get_label() == KINDS
        np.testing.assert_array_equal(scatter.get_offsets(), display.components[rows])
    shapes = {scatter.get_paths()[0].vertices.tobytes() for scatter in display.scatter_}
    assert len(shapes) == 2
    ax = plt.figure().subplots()
    assert display.plot(ax).ax_ is ax


@pytest.mark.parametrize("width, height", [(3, 2.6), (12, 4)])
def test_nothing_is_cut_off_and_the_key_hides_nothing(
    width, height, model, cut_off, key_is_clear
):
    axes = plt.figure(figsize=(width, 2 * height), layout="constrained").subplots(2)
    several = {f"training number {k} of many": model for k in range(8)}
    LossCurveDisplay.from_estimator(several, ax=axes[0])
    y = np.char.add(KINDS, " of the first component")
    EmbeddingDisplay.from_estimator(model.pretrainer_, X, y, ax=axes[1])
    assert cut_off(axes[0].figure) == []
    assert all(map(key_is_clear, axes))


def test_what_is_no_embedding_is_refused_in_words(model):
    with pytest.raises(TypeError, match="Got LinearRegression instead"):
        EmbeddingDisplay.from_estimator(LinearRegression().fit(X, Y), X)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        EmbeddingDisplay.from_embedding(X[:, :1])
    with pytest.raises(ValueError, match="Input embedding contains NaN"):
        EmbeddingDisplay.from_embedding(np.where(X.mean() < X, np.nan, X))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        EmbeddingDisplay.from_estimator(model.pretrainer_, X, Y[:3])
    with pytest.raises(ValueError, match=r"2 columns\. Got 20: use"):
        EmbeddingDisplay(X).plot()
    with pytest.raises(NotFittedError):
        EmbeddingDisplay.from_estimator(MaskedSpectralPretrainer(), X)


def test_equal_embeddings_are_one_point():
    display = EmbeddingDisplay.from_embedding(np.ones((5, 3)))
    np.testing.assert_array_equal(offsets(display), np.zeros((5, 2)))
