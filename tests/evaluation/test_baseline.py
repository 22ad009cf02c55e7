"""PLS as a chemometrician would tune it."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import savgol_filter
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from skspectra import InstanceNormalizer, PLSRegressionCV
from skspectra.evaluation import TunedPLS, pls_baseline


@parametrize_with_checks([TunedPLS(), TunedPLS(rule="one_standard_error", scale=True)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_checks_that_scikit_learn_leaves_to_be_called(check):
    check("TunedPLS", TunedPLS())


@pytest.fixture
def spectra():
    """Mixtures under scatter: gain and offset differ from row to row."""
    rng = np.random.default_rng(0)
    channel = np.arange(60)
    bands = np.exp(-(((channel - np.array([[15], [30], [42]])) / 6) ** 2))
    parts = rng.dirichlet(np.ones(3), size=48)
    gain, offset = rng.uniform(0.5, 2.0, (48, 1)), rng.normal(0, 1, (48, 1))
    X = gain * (parts @ bands + offset) + rng.normal(0, 0.003, (48, 60))
    return X, parts[:, 0], np.repeat(np.arange(12), 4)


def by_hand(X, treatment, window=11):
    if treatment.startswith("snv"):
        X = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
    if treatment[-1] in "12":
        X = savgol_filter(X, window, 2, deriv=int(treatment[-1]))
    return X


TREATMENTS = ["none", "snv", "sg1", "sg2", "snv+sg1", "snv+sg2"]


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("rule", ["min", "one_standard_error"])
def test_the_treatment_with_the_lowest_rmsecv_is_kept(spectra, rule, grouped):
    X, y, groups = spectra
    groups = groups if grouped else None
    models = {
        name: PLSRegressionCV(rule=rule).fit(by_hand(X, name), y, groups=groups)
        for name in TREATMENTS
    }
    errors = {name: pls.rmsecv_[pls.n_components_ - 1] for name, pls in models.items()}
    best = min(errors, key=errors.get)
    tuned = TunedPLS(rule=rule).fit(X, y, groups=groups)
    assert tuned.treatment_ == best
    assert tuned.n_components_ == models[best].n_components_
    np.testing.assert_allclose(
        tuned.predict(X), models[best].predict(by_hand(X, best)), rtol=1e-9
    )
    assert list(tuned.rmsecv_.columns) == TREATMENTS
    assert tuned.rmsecv_.index[0] == 1
    for name, pls in models.items():
        np.testing.assert_allclose(tuned.rmsecv_[name], pls.rmsecv_, rtol=1e-9)


def test_scatter_is_answered_by_a_treatment(spectra):
    X, y, _ = spectra
    assert "snv" in TunedPLS(max_components=3).fit(X, y).treatment_


def test_every_treatment_is_judged_on_the_same_splits(spectra):
    X, y, _ = spectra

    class Counted(KFold):
        calls = 0

        def split(self, *args):
            type(self).calls += 1
            return super().split(*args)

    TunedPLS(cv=Counted(5, shuffle=True)).fit(X, y)
    assert Counted.calls == 1


def test_a_splitter_gets_the_groups_and_may_not_cut_them(spectra):
    X, y, groups = spectra
    by_number = TunedPLS(cv=4).fit(X, y, groups=groups)
    by_splitter = TunedPLS(cv=GroupKFold(4)).fit(X, y, groups=groups)
    pd.testing.assert_frame_equal(by_number.rmsecv_, by_splitter.rmsecv_)
    cutting = list(KFold(5, shuffle=True, random_state=0).split(X))
    with pytest.raises(ValueError, match="same group"):
        TunedPLS(cv=cutting).fit(X, y, groups=groups)


@pytest.mark.parametrize(("n_channels", "used"), [(10, 9), (9, 9), (3, 3)])
def test_a_window_wider_than_the_spectrum_is_clamped(spectra, n_channels, used):
    X, y, _ = spectra
    X = X[:, 20 : 20 + n_channels]
    expected = PLSRegressionCV().fit(by_hand(X, "sg1", used), y).rmsecv_
    np.testing.assert_allclose(TunedPLS().fit(X, y).rmsecv_["sg1"], expected)


def test_spectra_too_narrow_to_treat_are_left_alone(spectra):
    X, y, _ = spectra
    assert list(TunedPLS().fit(X[:, :2], y).rmsecv_.columns) == ["none"]


def test_an_even_window_is_refused(spectra):
    X, y, _ = spectra
    with pytest.raises(ValueError, match=r"'window' .* odd number.* Got 10 instead"):
        TunedPLS(window=10).fit(X, y)


def test_several_targets_share_treatment_and_components(spectra):
    X, y, _ = spectra
    Y = np.column_stack([y, 1000 * y])
    both = TunedPLS().fit(X, Y)
    assert both.treatment_ == TunedPLS().fit(X, y).treatment_
    assert both.predict(X).shape == Y.shape
    np.testing.assert_allclose(
        both.rmsecv_["snv", 1], 1000 * both.rmsecv_["snv", 0], rtol=1e-6
    )


def test_the_choice_does_not_depend_on_the_units_of_y(spectra):
    X, y, _ = spectra
    plain, scaled = TunedPLS().fit(X, y), TunedPLS().fit(X, 1e4 * y)
    assert plain.treatment_ == scaled.treatment_
    np.testing.assert_allclose(1e4 * plain.predict(X), scaled.predict(X), rtol=1e-8)


def test_it_works_in_pipelines_and_grids(spectra):
    X, y, _ = spectra
    pipeline = make_pipeline(InstanceNormalizer("area"), TunedPLS(cv=3))
    grid = GridSearchCV(pipeline, {"tunedpls__max_components": [1, 3]}, cv=3)
    grid.fit(X, y, tunedpls__groups=None)
    assert grid.best_params_ == {"tunedpls__max_components": 3}


def test_the_baseline_has_the_defaults():
    assert clone(pls_baseline()).get_params() == TunedPLS().get_params()


def test_tuning_pays_on_real_spectra(real_spectra):
    meat = real_spectra("tecator")
    X, y, groups = meat.X.astype(float), meat.y[:, 1], meat.groups
    folds = list(GroupKFold(5, shuffle=True, random_state=0).split(X, y, groups))
    error = {
        estimator: np.sqrt(
            np.mean((cross_val_predict(estimator, X, y, cv=folds) - y) ** 2)
        )
        for estimator in (pls_baseline(), PLSRegressionCV())
    }
    tuned, raw = error.values()
    assert tuned < raw
    assert tuned < 3.0  # percent of fat, of a range from 1 to 58
