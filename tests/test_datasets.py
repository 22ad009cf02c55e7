import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cross_decomposition import PLSRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_predict

import skspectra.datasets._real as real
from skspectra.datasets import (
    load_coffee,
    load_fermentation,
    load_tecator,
    make_nir_mixtures,
)

LOADERS = [load_tecator, load_fermentation, load_coffee]
QUIET = {"noise": 0, "scatter": 0, "baseline": 0, "random_state": 0}


# ---- what every real set keeps


@pytest.mark.parametrize(
    ("load", "shape", "unit"),
    [
        (load_tecator, (215, 100), "nm"),
        (load_fermentation, (21, 1047), "cm-1"),
        (load_coffee, (60, 1841), "channel"),
    ],
)
def test_shapes_types_and_axis(load, shape, unit):
    spectra = load()
    assert spectra.data.shape == shape
    assert spectra.data.dtype == np.float64
    assert np.isfinite(spectra.data).all()
    assert spectra.target.shape == shape[:1]
    assert spectra.x_axis.shape == shape[1:]
    assert spectra.x_unit == unit
    assert (np.diff(spectra.x_axis) > 0).all()
    assert len(set(spectra.feature_names)) == shape[1]


@pytest.mark.parametrize("load", LOADERS)
def test_only_data_and_target_on_request(load):
    data, target = load(return_X_y=True)
    assert_array_equal(data, load().data)
    assert_array_equal(target, load().target)


@pytest.mark.parametrize("load", LOADERS)
def test_frames_hold_the_same_numbers_under_names_that_scikit_learn_records(load):
    plain, framed = load(), load(as_frame=True)
    assert plain.frame is None
    assert isinstance(framed.data, pd.DataFrame)
    assert isinstance(framed.target, pd.Series)
    assert all(isinstance(name, str) for name in framed.data.columns)
    assert_array_equal(framed.data, plain.data)
    assert_array_equal(framed.frame.iloc[:, -1], plain.target)
    assert_array_equal(
        framed.data.columns.astype(float).round(1), plain.x_axis.round(1)
    )


@pytest.mark.parametrize("load", LOADERS)
def test_each_description_names_licence_and_source(load):
    description = load().DESCR
    assert "Source and licence" in description
    assert ("BSD-3-Clause" in description) or ("MIT" in description)
    assert "https://doi.org/" in description or load is load_coffee


@pytest.mark.parametrize("load", LOADERS)
def test_a_second_call_is_not_touched_by_what_was_done_to_the_first(load):
    first = load()
    first.data[:] = 0
    assert load().data.any()


@pytest.mark.parametrize(
    ("load", "package"),
    [
        (load_tecator, "sktime"),
        (load_fermentation, "chemotools"),
        (load_coffee, "chemotools"),
    ],
)
def test_a_missing_package_is_answered_with_the_install_command(
    monkeypatch, load, package
):
    monkeypatch.setattr(real, "find_spec", lambda name: None)
    with pytest.raises(ImportError) as caught:
        load()
    assert str(caught.value) == (
        f"{load.__name__} requires {package}. "
        "Install it with `pip install 'skspectra[data]'`."
    )


def test_loading_imports_neither_package():
    code = (
        "import sys; from skspectra.datasets import *;"
        "load_tecator(), load_fermentation(), load_coffee();"
        "print(sorted({'sktime', 'chemotools'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("load", LOADERS)
def test_switches_must_be_booleans(load):
    with pytest.raises(ValueError, match=rf"parameter of {load.__name__} must be an"):
        load(return_X_y="yes")


# ---- Tecator


def test_exact_duplicates_and_equal_groups_of_tecator_are_as_described():
    tecator = load_tecator()
    _, spectrum = np.unique(tecator.data, axis=0, return_inverse=True)
    spectrum = spectrum.ravel()
    same_spectrum = spectrum[:, None] == spectrum
    same_group = tecator.groups[:, None] == tecator.groups
    across = (tecator.split[:, None] == "train") & (tecator.split == "test")
    assert (same_spectrum.sum() - 215) // 2 == 22
    assert len(set(spectrum)) == 193
    assert (same_spectrum & across).sum() == 8
    assert (same_spectrum <= same_group).all()
    assert len(set(tecator.groups)) == 178
    assert (same_group & across).any(axis=0).sum() == 12
    assert_array_equal(np.unique(tecator.groups), np.arange(178))


def test_meat_of_one_group_has_one_fat_content():
    tecator = load_tecator()
    fat = pd.Series(tecator.target).groupby(tecator.groups)
    assert (fat.max() == fat.min()).all()


def test_the_split_of_tecator_is_the_one_of_the_files():
    split = load_tecator().split
    assert_array_equal(split[:172], "train")
    assert_array_equal(split[172:], "test")
    assert len(split) == 215


def test_tecator_equals_the_original_table_but_for_one_repeated_row(real_spectra):
    tecator, original = load_tecator(), real_spectra("tecator")
    # Row 171 stands twice; from there on rows are one later than in the original.
    row = np.arange(215) - (np.arange(215) > 171)
    assert_array_equal(tecator.data.astype(np.float32), original.X[row])
    assert_array_equal(tecator.target.astype(np.float32), original.y[row, 1])
    assert_allclose(tecator.x_axis, original.axis, rtol=1e-6)
    theirs = original.groups[row]
    assert_array_equal(
        tecator.groups[:, None] == tecator.groups, theirs[:, None] == theirs
    )


# ---- fermentation


def test_the_pool_is_in_time_order_without_the_rows_that_are_no_spectra():
    fermentation = load_fermentation()
    assert fermentation.pool.shape == (1626, 1047)
    assert np.isfinite(fermentation.pool).all()
    assert (np.ptp(fermentation.pool, axis=1) > 0).all()
    assert fermentation.pool_time.shape == (1626,)
    assert_allclose(np.diff(fermentation.pool_time) * 60, 1.25)
    assert fermentation.pool_time[0] == 0


def test_references_go_to_the_spectra_nearest_in_time():
    fermentation = load_fermentation()
    assert fermentation.hplc.shape == (34, 5)
    assert fermentation.hplc_names[0] == "glucose"
    labelled = np.flatnonzero(~np.isnan(fermentation.pool_target))
    assert len(labelled) == 34
    assert_array_equal(fermentation.pool_target[labelled], fermentation.hplc[:, 0])
    distance = np.abs(fermentation.pool_time[:, None] - fermentation.hplc_time)
    assert_array_equal(distance.argmin(axis=0), labelled)
    assert distance.min(axis=0).max() * 60 < 2


def test_glucose_falls_and_ethanol_rises_in_the_process():
    fermentation = load_fermentation()
    glucose, ethanol = (
        fermentation.hplc[:, fermentation.hplc_names.index(name)]
        for name in ("glucose", "ethanol")
    )
    assert glucose[:5].mean() > 40 > 5 > glucose[-5:].mean()
    assert ethanol[:5].mean() < 1 < 20 < ethanol[-5:].mean()


def test_as_frame_leaves_the_pool_an_array():
    assert isinstance(load_fermentation(as_frame=True).pool, np.ndarray)


# ---- coffee


def test_coffee_has_twenty_spectra_a_country_as_published(real_spectra):
    coffee, original = load_coffee(), real_spectra("coffee_origin_mir")
    assert coffee.target_names == ["Brasil", "Ethiopia", "Vietnam"]
    assert_array_equal(np.bincount(coffee.target), [20, 20, 20])
    assert_array_equal(coffee.data.astype(np.float32), original.X)
    names = np.array(coffee.target_names)[coffee.target]
    assert_array_equal(names, original.class_origin)


# ---- simulated mixtures


def test_without_nuisances_absorbance_is_exactly_beer_and_lambert():
    mixtures = make_nir_mixtures(30, 50, **QUIET)
    expected = mixtures.concentrations @ mixtures.pure_spectra
    assert_array_equal(mixtures.data, expected)
    assert_array_equal(mixtures.path_lengths, 1)


def test_least_squares_on_the_pure_spectra_recovers_the_concentrations():
    mixtures = make_nir_mixtures(30, 50, **QUIET)
    found = np.linalg.lstsq(mixtures.pure_spectra.T, mixtures.data.T)[0].T
    assert_allclose(found, mixtures.concentrations, atol=1e-9)
    assert_allclose(found[:, 0], mixtures.target, atol=1e-9)


def test_concentrations_are_mass_fractions():
    mixtures = make_nir_mixtures(5000, 10, n_components=5, random_state=0)
    assert (mixtures.concentrations >= 0).all()
    assert_allclose(mixtures.concentrations.sum(axis=1), 1)
    # uniform over the simplex: Beta(1, 4), whose mean is 1/5 and variance 4/150
    assert_allclose(mixtures.concentrations.mean(axis=0), 0.2, atol=0.01)
    assert_allclose(mixtures.concentrations.var(axis=0), 4 / 150, rtol=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_pure_spectra_are_positive_different_and_stronger_at_long_wavelengths(seed):
    mixtures = make_nir_mixtures(1, 400, random_state=seed)
    assert mixtures.pure_spectra.shape == (4, 400)
    assert (mixtures.pure_spectra >= 0).all()
    assert np.linalg.matrix_rank(mixtures.pure_spectra) == 4
    mean = mixtures.pure_spectra.mean(axis=0)
    assert mean[mixtures.x_axis > 1900].mean() > 2 * mean[mixtures.x_axis < 1400].mean()


def test_scatter_multiplies_each_spectrum_by_its_path_length():
    quiet = make_nir_mixtures(40, 60, **QUIET)
    scattered = make_nir_mixtures(40, 60, **(QUIET | {"scatter": 0.3}))
    assert_allclose(
        scattered.data, quiet.data * scattered.path_lengths[:, None], rtol=1e-12
    )


def test_path_lengths_are_positive_and_spread_as_asked_for():
    lengths = make_nir_mixtures(2000, 2, scatter=2, random_state=0).path_lengths
    assert (lengths > 0).all()
    assert_allclose(np.log(lengths).std(), 2, rtol=0.05)


def test_the_baseline_is_an_offset_and_a_slope_of_the_size_asked_for():
    quiet = make_nir_mixtures(2000, 60, **QUIET)
    tilted = make_nir_mixtures(2000, 60, **(QUIET | {"baseline": 0.2}))
    added = tilted.data - quiet.data
    middle = added.mean(axis=1)
    rise = (added[:, -1] - added[:, 0]) / 2
    assert_allclose(np.diff(added, n=2, axis=1), 0, atol=1e-12)
    assert_allclose([middle.std(), rise.std()], 0.2, rtol=0.1)


def test_noise_has_the_size_asked_for():
    quiet = make_nir_mixtures(200, 60, noise=0, random_state=0)
    noisy = make_nir_mixtures(200, 60, noise=0.01, random_state=0)
    assert_allclose((noisy.data - quiet.data).std(), 0.01, rtol=0.05)


def test_stray_light_bends_high_absorbance_below_its_ceiling():
    quiet = make_nir_mixtures(40, 60, **QUIET)
    bent = make_nir_mixtures(40, 60, **QUIET, stray_light=0.5)
    transmittance = 10**-quiet.data
    assert_allclose(10**-bent.data, (transmittance + 0.5) / 1.5)
    assert (bent.data <= quiet.data).all()
    assert bent.data.max() < np.log10(3)


def test_the_same_seed_gives_the_same_spectra_and_another_seed_others():
    first, again, other = (make_nir_mixtures(9, 8, random_state=s) for s in (0, 0, 1))
    assert_array_equal(first.data, again.data)
    assert not np.isin(first.data, other.data).any()


def test_a_nuisance_turned_off_leaves_the_rest_as_it_was():
    all_on = make_nir_mixtures(9, 8, random_state=0)
    no_scatter = make_nir_mixtures(9, 8, scatter=0, random_state=0)
    no_noise = make_nir_mixtures(9, 8, noise=0, random_state=0)
    assert_array_equal(all_on.concentrations, no_scatter.concentrations)
    assert_array_equal(all_on.path_lengths, no_noise.path_lengths)


def test_resolution_and_number_of_spectra_leave_the_chemistry_as_it_was():
    coarse = make_nir_mixtures(9, 11, random_state=0)
    fine = make_nir_mixtures(500, 101, random_state=0)
    assert_allclose(coarse.pure_spectra, fine.pure_spectra[:, ::10], rtol=1e-12)
    assert_allclose(coarse.x_axis, fine.x_axis[::10])


def test_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()
    make_nir_mixtures(9, 8, random_state=0)
    assert_array_equal(np.random.get_state()[1], before)


def test_groups_are_repeats_of_one_mixture_in_other_measurements():
    mixtures = make_nir_mixtures(10, 20, n_groups=4, random_state=0)
    assert_array_equal(np.unique(mixtures.groups), [0, 1, 2, 3])
    assert np.bincount(mixtures.groups).min() >= 2
    for group in range(4):
        rows = mixtures.groups == group
        assert len(np.unique(mixtures.concentrations[rows], axis=0)) == 1
        assert len(np.unique(mixtures.path_lengths[rows])) == rows.sum()
    assert_array_equal(make_nir_mixtures(10, 20, random_state=0).groups, np.arange(10))


def test_axis_and_names_of_the_mixtures():
    mixtures = make_nir_mixtures(3, 15, random_state=0)
    assert_allclose(mixtures.x_axis, np.linspace(1100, 2500, 15))
    assert (mixtures.x_unit, mixtures.target_unit) == ("nm", "mass fraction")
    assert "3 spectra of 3 mixtures of 4 components, 15 channels" in mixtures.DESCR


@pytest.mark.parametrize("seed", range(3))
def test_pls_explains_most_of_the_composition_at_the_default_noise(seed):
    mixtures = make_nir_mixtures(100, random_state=seed)
    pls = PLSRegression(n_components=8, scale=False)
    predicted = cross_val_predict(pls, mixtures.data, mixtures.target, cv=5)
    assert r2_score(mixtures.target, predicted) > 0.95
    best_channel = np.corrcoef(mixtures.target, mixtures.data.T)[0, 1:] ** 2
    assert best_channel.max() < 0.85


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_samples": 0}, r"'n_samples' .* must be an int in the range \[1, inf\)"),
        ({"n_channels": 1.5}, r"'n_channels' .* an int in the range \[2, inf\)"),
        ({"n_components": 1}, r"'n_components' .* int in the range \[2, inf\). Got 1 "),
        ({"n_groups": 0}, r"'n_groups' .* in the range \[1, inf\) or None. Got 0 "),
        ({"noise": -1.0}, r"'noise' .* a float in the range \[0.0, inf\). Got -1.0 "),
        ({"scatter": np.nan}, r"'scatter' .* Got nan instead"),
        ({"baseline": "flat"}, r"'baseline' .* Got 'flat' instead"),
        ({"stray_light": 1.0}, r"'stray_light' .* in the range \[0.0, 1.0\). Got 1.0 "),
        ({"random_state": "a"}, r"'random_state' .* Got 'a' instead"),
        ({"n_samples": 5, "n_groups": 6}, r"at most n_samples=5. Got 6 instead"),
    ],
)
def test_bad_parameters_are_named_with_what_is_allowed(params, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_nir_mixtures(**params)
    assert "parameter of make_nir_mixtures" in str(caught.value)
