"""Prediction intervals on real spectra: our own, and what conformal packages make."""

import importlib
import warnings

import numpy as np
import pytest

from skspectra import SpectralStackingRegressor

COVERAGE, TOLERANCE = 0.9, 0.03
N_TRAIN, N_CALIBRATION = 100, 150
N_SPLITS = 12  # coverages of one split vary by 0.04, their mean by 0.01
# Without groups, so that rows can be divided at random.
SETS = [("forages2", "ndf"), ("nirsoil", "Nt"), ("tablets_idrc2002", "assay")]


@pytest.fixture(params=SETS, ids=lambda names: names[0])
def labelled(request, real_spectra):
    name, target = request.param
    spectra = real_spectra(name)
    y = spectra.y[:, list(spectra.target_names).index(target)].astype(float)
    known = ~np.isnan(y)
    return spectra.X[known].astype(float), y[known]


def divide(n_rows, n_first, seed):
    rows = np.random.default_rng(seed).permutation(n_rows)
    return rows[:n_first], rows[n_first:]


def covered(y, lower, upper):
    return np.mean((lower <= y) & (y <= upper))


def test_intervals_of_new_rows_hold_what_they_promise(labelled):
    X, y = labelled
    coverages = []
    for seed in range(N_SPLITS):
        train, test = divide(len(y), N_TRAIN, seed)
        model = SpectralStackingRegressor(random_state=0)
        model.fit(X[train], y[train])
        lower, upper = model.predict_interval(X[test], COVERAGE)
        coverages.append(covered(y[test], lower, upper))
        assert np.mean(upper - lower) < 3.3 * y.std()  # ± 1.64 spreads need no spectra
    assert np.mean(coverages) == pytest.approx(COVERAGE, abs=TOLERANCE)


def crepes_interval(model, X, y, X_test):
    with warnings.catch_warnings():  # its import changes the filters
        crepes = importlib.import_module("crepes")
    wrapped = crepes.WrapRegressor(model)
    wrapped.calibrate(X, y)
    return wrapped.predict_int(X_test, confidence=COVERAGE).T


def mapie_interval(model, X, y, X_test):
    mapie = importlib.import_module("mapie.regression")
    conformal = mapie.SplitConformalRegressor(
        model, confidence_level=COVERAGE, prefit=True
    ).conformalize(X, y)
    return conformal.predict_interval(X_test)[1][:, :, 0].T


# MAPIE tries a model on one spectrum of equal values before it takes it.
@pytest.mark.filterwarnings("ignore:1 of 1 spectra are flat:UserWarning")
@pytest.mark.parametrize("interval", [crepes_interval, mapie_interval])
def test_conformal_packages_take_the_regressor_as_it_is(labelled, interval):
    X, y = labelled
    train, rest = divide(len(y), N_TRAIN, 0)
    model = SpectralStackingRegressor(random_state=0).fit(X[train], y[train])
    before = model.predict(X[:5])
    coverages = []
    for seed in range(N_SPLITS):
        calibration, test = (
            rest[rows] for rows in divide(len(rest), N_CALIBRATION, seed)
        )
        lower, upper = interval(model, X[calibration], y[calibration], X[test])
        coverages.append(covered(y[test], lower, upper))
        assert np.mean(upper - lower) < 3.3 * y.std()
    assert np.mean(coverages) == pytest.approx(COVERAGE, abs=TOLERANCE)
    assert (model.predict(X[:5]) == before).all()
