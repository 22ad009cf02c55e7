"""PredictionDisplay: every row a point, the errors those of other libraries."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectra import SpectralStackingRegressor
from skspectra.datasets import make_nir_mixtures
from skspectra.inspection import PredictionDisplay

RNG = np.random.default_rng(0)
MEASURED = RNG.gamma(3, 5, size=60)
PREDICTED = MEASURED + RNG.normal(1, 2, size=60)
GROUPS = np.repeat(["rye", "barley", "wheat"], 20)


def points(display):
    return np.concatenate([np.ma.getdata(s.get_offsets()) for s in display.scatter_])


def figures(display):
    """Return the numbers of the text by their names."""
    text = re.sub(r"\s", " ", display.text_.get_text())
    found = re.findall(r"(RMSEP|bias|SEP|R²|RPD|n =) ([-\d.e]+)", text)
    return {name: float(number) for name, number in found}


def test_the_errors_are_those_of_other_libraries():
    shown = figures(PredictionDisplay.from_predictions(MEASURED, PREDICTED))
    errors = PREDICTED - MEASURED
    rmsep = root_mean_squared_error(MEASURED, PREDICTED)
    assert shown["RMSEP"] == float(f"{rmsep:.3g}")
    assert shown["bias"] == float(f"{errors.mean():.2g}")
    assert shown["SEP"] == float(f"{errors.std(ddof=1):.3g}")
    assert shown["R²"] == round(r2_score(MEASURED, PREDICTED), 3)
    ratio = MEASURED.std(ddof=1) / errors.std(ddof=1)
    assert shown["RPD"] == float(f"{ratio:.3g}")
    assert shown["n ="] == 60


def test_every_row_is_a_point_and_the_line_is_that_of_equal_values():
    display = PredictionDisplay.from_predictions(MEASURED, PREDICTED)
    np.testing.assert_array_equal(points(display), np.c_[MEASURED, PREDICTED])
    x, y = display.line_.get_data()
    np.testing.assert_array_equal(x, y)
    assert display.ax_.get_xlim() == display.ax_.get_ylim()
    low, high = display.ax_.get_xlim()
    assert low < points(display).min() and points(display).max() < high
    assert display.figure_ is display.ax_.figure


def test_groups_differ_in_colour_in_marker_and_in_grey():
    display = PredictionDisplay.from_predictions(MEASURED, PREDICTED, groups=GROUPS)
    names = [scatter.get_label() for scatter in display.scatter_]
    assert names == ["barley", "rye", "wheat"]
    for name, scatter in zip(names, display.scatter_, strict=True):
        rows = name == GROUPS
        expected = np.c_[MEASURED[rows], PREDICTED[rows]]
        np.testing.assert_array_equal(scatter.get_offsets(), expected)
    grey = [
        to_rgb(scatter.get_facecolor()[0, :3]) @ np.array([0.299, 0.587, 0.114])
        for scatter in display.scatter_
    ]
    assert np.diff(np.sort(grey)).min() > 0.1
    shapes = {scatter.get_paths()[0].vertices.tobytes() for scatter in display.scatter_}
    assert len(shapes) == 3
    words = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert words == ["1:1", *names]


def test_of_many_groups_the_largest_are_named_and_all_drawn():
    groups = np.repeat(np.arange(11), [*range(10), 15])
    display = PredictionDisplay.from_predictions(MEASURED, PREDICTED, groups=groups)
    names = [scatter.get_label() for scatter in display.scatter_]
    largest = pd.Series(groups).value_counts().index[:6]
    assert names == [*map(str, sorted(largest)), f"{len(set(groups)) - 6} others"]
    assert len(points(display)) == 60


def test_rows_without_a_measured_value_are_left_out():
    measured = np.where(np.arange(60) < 10, np.nan, MEASURED)
    ends = PREDICTED - 1, PREDICTED + 1
    display = PredictionDisplay.from_predictions(
        measured, PREDICTED, groups=GROUPS, interval=ends
    )
    rest = PredictionDisplay.from_predictions(
        MEASURED[10:], PREDICTED[10:], groups=GROUPS[10:]
    )
    np.testing.assert_array_equal(points(display), points(rest))
    assert figures(display) == figures(rest)


def test_ranges_end_where_they_should_and_the_share_inside_is_counted():
    lower, upper = PREDICTED - 2, PREDICTED + 3
    lower[0] = -np.inf
    display = PredictionDisplay.from_predictions(
        MEASURED, PREDICTED, interval=(lower, upper)
    )
    (bars,) = (c for c in display.ax_.collections if c not in display.scatter_)
    ends = np.array(bars.get_segments())
    np.testing.assert_array_equal(ends[1:, 0, 1], lower[1:])
    np.testing.assert_array_equal(ends[:, 1, 1], upper)
    assert ends[0, 0, 1] == display.ax_.get_ylim()[0]
    inside = np.mean((lower <= MEASURED) & (upper >= MEASURED))
    assert f"range ({100 * inside:.0f} % inside)" == bars.get_label()


@pytest.fixture(scope="module")
def mixtures():
    return make_nir_mixtures(n_samples=60, n_channels=20, random_state=0)


def test_an_estimator_is_drawn_as_its_predictions_are(mixtures):
    model = LinearRegression().fit(mixtures.data[:40], mixtures.target[:40])
    X, y = mixtures.data[40:], pd.Series(mixtures.target[40:], name="fat")
    given = {"groups": GROUPS[40:], "y_unit": "%"}
    display = PredictionDisplay.from_estimator(model, X, y, **given)
    same = PredictionDisplay.from_predictions(y, model.predict(X), **given)
    np.testing.assert_array_equal(points(display), points(same))
    assert display.text_.get_text() == same.text_.get_text()
    assert display.ax_.get_xlabel() == same.ax_.get_xlabel() == "Measured fat (%)"
    assert display.ax_.get_ylabel() == "Predicted fat (%)"


def test_ranges_come_from_the_estimator_at_the_end_of_a_pipeline(mixtures):
    X, y = mixtures.data, mixtures.target
    model = make_pipeline(StandardScaler(), SpectralStackingRegressor(random_state=0))
    model.fit(X[:40], y[:40])
    display = PredictionDisplay.from_estimator(model, X[40:], y[40:], coverage=0.8)
    seen = model[:-1].transform(X[40:])
    expected = model[-1].predict_interval(seen, coverage=0.8)
    np.testing.assert_array_equal(display.interval, expected)
    linear = LinearRegression().fit(X, y)
    with pytest.raises(TypeError, match="LinearRegression has no predict_interval"):
        PredictionDisplay.from_estimator(linear, X, y, coverage=0.8)
    with pytest.raises(ValueError, match="'coverage' parameter of Prediction"):
        PredictionDisplay.from_estimator(linear, X, y, coverage=2.0)


@pytest.mark.parametrize("target", [1, "fat"])
def test_one_of_several_targets_is_chosen_by_number_or_name(target):
    y = pd.DataFrame({"water": MEASURED[::-1], "fat": MEASURED})
    both = np.c_[PREDICTED[::-1], PREDICTED]
    display = PredictionDisplay.from_predictions(y, both, target=target)
    np.testing.assert_array_equal(points(display), np.c_[MEASURED, PREDICTED])
    assert display.ax_.get_xlabel() == "Measured fat"
    with pytest.raises(ValueError, match=r"\['water', 'fat'\]. Got None .*target="):
        PredictionDisplay.from_predictions(y, both)
    with pytest.raises(ValueError, match=r"of y, \[0, 1\]. Got 'fat' instead"):
        PredictionDisplay.from_predictions(y.to_numpy(), both, target="fat")
    with pytest.raises(ValueError, match="y_true has 2 targets, but y_pred has 1"):
        PredictionDisplay.from_predictions(y, PREDICTED, target=target)


def test_a_display_draws_again_and_where_it_is_told():
    display = PredictionDisplay.from_predictions(MEASURED, PREDICTED, groups=GROUPS)
    first = display.ax_
    ax = plt.figure().subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax is not first
    assert len(ax.collections) == len(first.collections) == 3


def test_two_rows_and_constant_values_are_drawn_without_what_they_do_not_give():
    assert set(figures(PredictionDisplay([1.0], [2.0]).plot())) == {
        "RMSEP",
        "bias",
        "n =",
    }
    assert "RPD" not in figures(PredictionDisplay([3.0, 3.0], [2.0, 3.0]).plot())
    assert PredictionDisplay([0.0, 0.0], [0.0, 0.0]).plot().ax_.get_xlim() == (-1, 1)


@pytest.mark.parametrize("width, height", [(3, 3.2), (6, 4), (12, 5)])
def test_nothing_is_cut_off_and_the_key_hides_nothing(
    width, height, cut_off, key_is_clear
):
    ax = plt.subplots(figsize=(width, height), layout="constrained")[1]
    groups = np.char.add(GROUPS, " of the northern provinces")
    PredictionDisplay.from_predictions(
        MEASURED, PREDICTED, groups=groups, y_name="dry matter of the leaves", ax=ax
    )
    assert cut_off(ax.figure) == []
    assert key_is_clear(ax)


@pytest.mark.parametrize(
    "arguments, says",
    [
        (([1.0, 2.0], [1.0]), "inconsistent numbers of samples"),
        (([1.0, 2.0], [1.0, np.nan]), "Input y_pred contains NaN"),
        (([np.nan, np.nan], [1.0, 2.0]), "no measured value: all of it is NaN"),
        ((["a", "b"], [1.0, 2.0]), "could not convert string to float"),
        (([[[1.0]]], [1.0]), r"must be a list or a table.* shape \(1, 1, 1\)"),
        ((3.0, 3.0), "The 'y_true' parameter of PredictionDisplay"),
    ],
)
def test_bad_input_is_refused_in_words(arguments, says):
    with pytest.raises(ValueError, match=says):
        PredictionDisplay.from_predictions(*arguments)


def test_bad_groups_and_ranges_are_refused_in_words():
    draw = PredictionDisplay.from_predictions
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        draw(MEASURED, PREDICTED, groups=GROUPS[:5])
    with pytest.raises(ValueError, match="Got none in row 1"):
        draw(MEASURED[:2], PREDICTED[:2], groups=["a", None])
    with pytest.raises(ValueError, match=r"two arrays without NaN\. Got 1"):
        draw(MEASURED, PREDICTED, interval=(PREDICTED,))
    with pytest.raises(ValueError, match="Got 2 arrays with NaN instead"):
        draw(MEASURED, PREDICTED, interval=(PREDICTED, PREDICTED * np.nan))
