"""SpectraDisplay: every spectrum a line, coloured by what it is."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skspectra import InstanceNormalizer
from skspectra.datasets import make_nir_mixtures
from skspectra.inspection import SpectraDisplay

NIR = make_nir_mixtures(n_samples=60, n_channels=40, random_state=0)
X, Y = NIR.data, NIR.target
KINDS = np.array(["oats", "rye", "wheat"])[np.digitize(Y, [0.2, 0.4])]


def drawn(display):
    """Return the heights of the lines, in the order of the rows of X."""
    heights = np.array([path.vertices[:, 1] for path in display.lines_.get_paths()])
    return heights[np.lexsort(heights.T)]


def in_order(spectra):
    return spectra[np.lexsort(spectra.T)]


def test_every_spectrum_lies_on_the_axis():
    display = SpectraDisplay.from_spectra(
        X, x_axis=NIR.x_axis, x_unit="nm", quantity="Absorbance"
    )
    np.testing.assert_array_equal(drawn(display), in_order(X))
    for line in display.lines_.get_segments():
        np.testing.assert_array_equal(line[:, 0], NIR.x_axis)
    assert display.ax_.get_xlabel() == "Wavelength (nm)"
    assert display.ax_.get_ylabel() == "Absorbance"
    low, high = display.ax_.get_ylim()
    assert low < X.min() and X.max() < high
    np.testing.assert_allclose(display.means_[0].get_ydata(), X.mean(axis=0))


def test_wavenumbers_fall_where_the_axis_does():
    display = SpectraDisplay.from_spectra(X, x_axis=1e7 / NIR.x_axis, x_unit="cm-1")
    left, right = display.ax_.get_xlim()
    assert left > right
    assert display.ax_.get_xlabel() == "Wavenumber (cm⁻¹)"


def test_numbers_of_columns_are_the_axis():
    table = pd.DataFrame(X, columns=NIR.x_axis)
    display = SpectraDisplay.from_spectra(table)
    np.testing.assert_array_equal(display.x_axis, NIR.x_axis)
    assert SpectraDisplay.from_spectra(pd.DataFrame(X)).ax_.get_xlabel() == "Channel"


def test_a_quantity_has_a_colour_bar_and_each_line_its_own_value():
    y = pd.Series(Y, name="fraction")
    display = SpectraDisplay.from_spectra(X, y, y_unit="%")
    assert display.colorbar_.ax.get_ylabel() == "fraction (%)"
    for line, value in zip(
        display.lines_.get_segments(), display.lines_.get_array(), strict=True
    ):
        np.testing.assert_array_equal(line[:, 1], X[value == Y][0])
    shades = display.lines_.cmap(np.linspace(0, 1, 9))[:, :3]
    assert (np.diff(shades @ np.array([0.299, 0.587, 0.114])) > 0.02).all()


def test_spectra_without_a_value_are_drawn_too():
    y = np.where(np.arange(60) < 20, np.nan, Y)
    display = SpectraDisplay.from_spectra(X, y)
    assert len(display.lines_.get_segments()) == 40
    unknown = next(c for c in display.ax_.collections if c is not display.lines_)
    heights = np.array([line[:, 1] for line in unknown.get_segments()])
    np.testing.assert_array_equal(in_order(heights), in_order(X[:20]))
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == ["not known"]


def test_the_means_of_classes_are_told_apart_without_colour():
    display = SpectraDisplay.from_spectra(X, KINDS)
    assert [line.get_label() for line in display.means_] == ["oats", "rye", "wheat"]
    for line in display.means_:
        expected = X[line.get_label() == KINDS].mean(axis=0)
        np.testing.assert_allclose(line.get_ydata(), expected)
    assert len({line.get_linestyle() for line in display.means_}) == 3
    grey = [
        to_rgb(line.get_color()) @ np.array([0.299, 0.587, 0.114])
        for line in display.means_
    ]
    assert np.diff(np.sort(grey)).min() > 0.1
    np.testing.assert_array_equal(drawn(display), in_order(X))
    assert display.colorbar_ is None


def test_few_spectra_have_the_dash_of_their_class_themselves():
    display = SpectraDisplay.from_spectra(X[:9], np.repeat(["a", "b", "c"], 3))
    assert display.means_ == []
    dashes = display.lines_.get_linestyles()
    first = [line[0, 1] for line in display.lines_.get_segments()]
    kinds = [np.flatnonzero(X[:9, 0] == value)[0] // 3 for value in first]
    assert len({str(dash) for dash in dashes}) == 3
    pairs = {(kind, str(dash)) for kind, dash in zip(kinds, dashes, strict=True)}
    assert len(pairs) == 3


@pytest.mark.parametrize(
    "y, classes",
    [
        ([0, 1] * 30, True),
        ([True, False] * 30, True),
        (list(range(60)), False),
        ([0.5, 1.0] * 30, False),
        (pd.Categorical(["low", "high"] * 30), True),
        ([1.5, None] * 30, False),
    ],
)
def test_few_whole_numbers_are_classes_and_floats_a_quantity(y, classes):
    display = SpectraDisplay.from_spectra(X, y)
    assert (display.colorbar_ is None) is classes


def test_missing_channels_are_gaps_and_lone_ones_points():
    holes = X[:5].copy()
    holes[:, 10:20] = np.nan
    holes[0, 1::2] = np.nan
    display = SpectraDisplay.from_spectra(holes)
    np.testing.assert_array_equal(drawn(display), in_order(holes))
    dots = next(c for c in display.ax_.collections if c is not display.lines_)
    lone = np.setdiff1d(np.arange(0, 40, 2), np.arange(10, 20))
    np.testing.assert_array_equal(dots.get_offsets(), np.c_[lone, holes[0, lone]])


def test_means_are_those_of_what_is_there():
    holes = np.where(np.arange(60)[:, None] + np.arange(40) < 60, np.nan, X)
    holes[:, 0] = np.nan
    mean = SpectraDisplay.from_spectra(holes).means_[0].get_ydata()
    assert np.isnan(mean[0])
    np.testing.assert_allclose(mean[1:], np.nanmean(holes[:, 1:], axis=0))


def test_a_pipeline_is_drawn_as_its_last_step_sees_spectra():
    model = make_pipeline(InstanceNormalizer(), LinearRegression()).fit(X, Y)
    seen = InstanceNormalizer().fit_transform(X)
    table = pd.DataFrame(X, columns=NIR.x_axis)
    of_pipeline = SpectraDisplay.from_estimator(model, table, Y)
    of_step = SpectraDisplay.from_estimator(model[0], X, Y)
    as_given = SpectraDisplay.from_spectra(seen, Y)
    for display in (of_pipeline, of_step, as_given):
        np.testing.assert_array_equal(drawn(display), in_order(seen))
    np.testing.assert_array_equal(of_pipeline.x_axis, NIR.x_axis)
    with pytest.raises(TypeError, match="Got LinearRegression instead: use from_sp"):
        SpectraDisplay.from_estimator(model[-1], X)


def test_a_display_draws_again_and_where_it_is_told():
    display = SpectraDisplay.from_spectra(X, KINDS)
    first, ax = drawn(display), plt.figure().subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax and display.figure_ is ax.figure
    np.testing.assert_array_equal(drawn(display), first)


def test_thousands_of_spectra_are_one_artist_and_no_huge_file(tmp_path):
    many = np.tile(X, (50, 2))
    display = SpectraDisplay.from_spectra(many, np.tile(Y, 50))
    assert display.ax_.collections[:] == [display.lines_]
    display.figure_.savefig(tmp_path / "many.svg")
    assert (tmp_path / "many.svg").stat().st_size < 2e6


@pytest.mark.parametrize("width, height", [(3, 2.4), (12, 4)])
def test_nothing_is_cut_off_and_the_key_hides_nothing(
    width, height, cut_off, key_is_clear
):
    for y in (KINDS, Y):
        ax = plt.subplots(figsize=(width, height), layout="constrained")[1]
        names = {"y_name": "fraction of the first component", "y_unit": "%"}
        quantity = "Logarithm of the reciprocal of the reflectance"
        SpectraDisplay.from_spectra(X, y, **names, quantity=quantity, ax=ax)
        assert cut_off(ax.figure) == []
    SpectraDisplay.from_spectra(X, KINDS, y_name="kind", ax=ax)
    assert key_is_clear(ax)


@pytest.mark.parametrize(
    "arguments, says",
    [
        ((X, Y[:5]), "inconsistent numbers of samples"),
        ((X[:, :1],), r"minimum of 2 is required"),
        ((np.full((3, 4), np.nan),), "holds no value: all of it is NaN"),
        ((np.where(X.mean() < X, np.inf, X),), "Input X contains infinity"),
        ((X, np.c_[Y, Y]), r"of y, \[0, 1\]. Got None instead: pass target="),
    ],
)
def test_bad_input_is_refused_in_words(arguments, says):
    with pytest.raises(ValueError, match=says):
        SpectraDisplay.from_spectra(*arguments)


def test_an_axis_of_another_length_is_refused():
    with pytest.raises(ValueError, match="one value for each of the 40 channels"):
        SpectraDisplay.from_spectra(X, x_axis=[1.0, 2.0])
