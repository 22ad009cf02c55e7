"""Units of axes, and rows of numbers brought from one axis onto another."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.interpolate import Akima1DInterpolator

from skspectra._axes import (
    METHODS,
    UNITS,
    convert_axis,
    interpolate_rows,
    resample_rows,
)

INTERPOLATIONS = ("linear", "cubic")
RNG = np.random.default_rng(0)
UNEVEN = 1000.0 + np.cumsum(RNG.uniform(0.5, 3.0, 200))


def bands(x, middles=(1050.0, 1200.0, 1290.0)):
    """Return smooth spectra, one for each middle."""
    return np.array([np.exp(-(((np.asarray(x) - m) / 40.0) ** 2)) for m in middles])


# --- units -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, source, target, expected",
    [
        (1000.0, "nm", "cm-1", 10_000.0),
        (2500.0, "nm", "um", 2.5),
        (4000.0, "cm-1", "um", 2.5),
        # 2018 CODATA, to nine digits: h c / e = 1.23984198e-6 eV m.
        (1239.84198, "nm", "eV", 1.0),
        (12.3984198, "keV", "nm", 0.1),
        (1.0, "eV", "cm-1", 8065.54394),
        (6403.84, "eV", "keV", 6.40384),
    ],
)
def test_units_of_an_axis(value, source, target, expected):
    assert_allclose(convert_axis(value, source, target), expected, rtol=1e-8)


@pytest.mark.parametrize("source, target", [*itertools.product(UNITS, UNITS)])
def test_there_and_back_again(source, target):
    there = convert_axis(UNEVEN, source, target)
    assert_allclose(convert_axis(there, target, source), UNEVEN, rtol=1e-14)


def test_other_spellings_are_known():
    assert convert_axis(2.0, "µm", "cm⁻¹") == convert_axis(2.0, "um", "cm-1") == 5000.0
    assert convert_axis(2.0, "\N{GREEK SMALL LETTER MU}m", "1/cm") == 5000.0


def test_what_has_no_counterpart_is_refused():
    with pytest.raises(ValueError, match=r"one of nm, um, cm-1, eV, keV.*Angstrom"):
        convert_axis([1.0], "nm", "Angstrom")
    for wrong in (0.0, -20.0, np.nan):
        with pytest.raises(ValueError, match=f"must be positive.*Got {wrong:g}"):
            convert_axis([1.0, wrong], "cm-1", "nm")
    assert convert_axis(-20.0, "cm-1", "cm-1") == -20.0


# --- interpolation -----------------------------------------------------------------


def test_straight_lines_are_those_of_numpy():
    X, target = RNG.standard_normal((4, 200)), np.linspace(1001, 1330, 777)
    expected = [np.interp(target, UNEVEN, row, left=np.nan, right=np.nan) for row in X]
    assert_allclose(interpolate_rows(X, UNEVEN, target), expected, rtol=1e-9)


def test_a_smooth_function_is_met_between_its_channels():
    target = np.linspace(UNEVEN[0], UNEVEN[-1], 501)
    errors = {
        method: np.abs(interpolate_rows(bands(UNEVEN), UNEVEN, target, method) - true)
        for true in [bands(target)]
        for method in INTERPOLATIONS
    }
    # Of straight lines it is at most h^2 / 8 times the largest second derivative.
    assert errors["linear"].max() < np.diff(UNEVEN).max() ** 2 / 8 * 2 / 40.0**2
    assert errors["cubic"].mean() < 0.2 * errors["linear"].mean()


def test_cubic_polynomials_are_those_of_scipy():
    X, target = RNG.standard_normal((4, 200)), np.linspace(1005, 1330, 777)
    oracle = Akima1DInterpolator(UNEVEN, X, axis=1, method="makima")
    assert_allclose(interpolate_rows(X, UNEVEN, target, "cubic"), oracle(target))


@pytest.mark.parametrize("method", METHODS)
def test_a_spectrum_is_the_same_alone_and_beside_a_strong_one(method):
    X = bands(UNEVEN) * np.array([[1.0], [1e-12], [1e90]])
    target = np.linspace(1010, 1300, 40)
    together = resample_rows(X, UNEVEN, target, method)
    for row, expected in zip(X, together, strict=True):
        alone = resample_rows(row[np.newaxis], UNEVEN, target, method)
        assert_array_equal(alone[0], expected)
    assert_allclose(
        together[1], resample_rows(X * 1e12, UNEVEN, target, method)[1] / 1e12
    )


@pytest.mark.parametrize("method", METHODS)
def test_falling_axes_give_the_same_spectra(method):
    X, target = bands(UNEVEN), np.linspace(1020, 1300, 31)
    expected = resample_rows(X, UNEVEN, target, method)
    for source, rows in ((UNEVEN, X), (UNEVEN[::-1], X[:, ::-1])):
        assert_allclose(resample_rows(rows, source, target, method), expected)
        falling = resample_rows(rows, source, target[::-1], method)
        assert_allclose(falling, expected[:, ::-1])


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_said_beyond_the_ends(method):
    target = np.arange(980.0, 1400.0, 10.0)
    found = resample_rows(bands(UNEVEN), UNEVEN, target, method)
    half = 5.0 if method == "average" else 0.0
    inside = (target - half >= UNEVEN[0]) & (target + half <= UNEVEN[-1])
    assert_array_equal(np.isfinite(found), np.broadcast_to(inside, found.shape))


@pytest.mark.parametrize("method", METHODS)
def test_an_end_that_was_rounded_is_that_end(method):
    X, rounded = bands(UNEVEN), np.round(UNEVEN, 2)
    there = convert_axis(convert_axis(UNEVEN, "nm", "eV"), "eV", "nm")
    for source in (rounded, there):
        found = resample_rows(X, source, UNEVEN, method)
        assert np.isfinite(found).all()
        assert_array_equal(
            np.isnan(resample_rows(X, source, UNEVEN + 0.1, method)[0, -1]), True
        )


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_stays_one(method):
    X = np.full((1, 200), 7.0)
    found = resample_rows(X, UNEVEN, np.linspace(1010, 1300, 40), method)
    assert_allclose(found, 7.0, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_what_was_given_is_not_written_to(method):
    X = bands(UNEVEN)
    X[1, 5] = np.nan
    kept = X.copy()
    resample_rows(X, UNEVEN, np.linspace(1010, 1300, 40), method)
    assert_array_equal(X, kept)


# --- missing channels --------------------------------------------------------------


@pytest.mark.parametrize("method, reach", [("linear", 1), ("cubic", 3)])
def test_a_missing_channel_is_missing_where_it_would_be_used(method, reach):
    source, target = np.arange(20.0), np.arange(0.0, 19.01, 0.25)
    X = np.tile(np.sin(source / 3), (2, 1))
    whole = interpolate_rows(X, source, target, method)
    X[1, 9] = np.nan
    found = interpolate_rows(X, source, target, method)
    at_channel = target == np.round(target)
    lost = np.where(at_channel, target == 9, np.abs(target - 9) < reach)
    assert_array_equal(np.isnan(found[1]), lost)
    assert_allclose(found[1, ~lost], whole[1, ~lost])
    assert_array_equal(found[0], whole[0])


def test_a_bin_with_a_missing_channel_is_missing():
    source, target = np.arange(21.0), np.arange(0.0, 20.1, 4.0)
    X = np.tile(source, (2, 1))
    X[0, 9] = np.nan  # in the bin from 6 to 10
    X[1, 10] = np.nan  # on the edge of two
    found = resample_rows(X, source, target, "average")
    assert_array_equal(np.isnan(found[0]), target == 8)
    assert_array_equal(np.isnan(found[1]), (target == 8) | (target == 12))


@pytest.mark.parametrize("method", METHODS)
def test_a_spectrum_without_channels_stays_one(method):
    X = np.full((1, 200), np.nan)
    assert np.isnan(resample_rows(X, UNEVEN, UNEVEN[5:50:3], method)).all()


# --- averages ----------------------------------------------------------------------


def test_averages_are_integrals_over_bins():
    X, target = bands(UNEVEN), np.linspace(1010, 1300, 12)
    found = resample_rows(X, UNEVEN, target, "average")
    edges = np.r_[target[0], (target[1:] + target[:-1]) / 2, target[-1]]
    for row, means in zip(X, found, strict=True):
        for low, high, mean in zip(edges[:-1], edges[1:], means, strict=True):
            inside = UNEVEN[(low < UNEVEN) & (high > UNEVEN)]
            area, _ = quad(np.interp, low, high, (UNEVEN, row), points=inside, limit=99)
            assert mean == pytest.approx(area / (high - low), rel=1e-6, abs=1e-9)


def test_averages_quieten_noise_where_interpolation_does_not():
    source, target = np.arange(10_000.0), np.arange(50.0, 9900.0, 100.0)
    noise = np.random.default_rng(1).standard_normal((1, 10_000))
    spread = {m: resample_rows(noise, source, target, m).std() for m in METHODS}
    assert spread["average"] < 0.15 and min(spread["linear"], spread["cubic"]) > 0.8


# --- few channels ------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_few_channels_are_enough(method, n_channels):
    source = np.arange(1.0, n_channels + 1)
    X = np.arange(6.0)[:, np.newaxis] + source
    assert_allclose(interpolate_rows(X, source, source), X)
    found = resample_rows(X, source, [0.5, *source, 3.5], method)
    assert np.isnan(found[:, [0, -1]]).all()
    if method != "average":
        assert_allclose(found[:, 1:-1], X)
