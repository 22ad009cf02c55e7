"""AxisResampler, the axis that column names tell, and the refusals that name both."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted
from test_bad_inputs import AXIS as ODD_AXIS
from test_bad_inputs import GAPS, SPECTRA, TAKEN, frame, put
from test_bad_inputs import X as ODD
from test_common import tiny_pretrainer, tiny_regressor

from skspectra import (
    AxisResampler,
    InstanceNormalizer,
    PLSRegressionCV,
    SpectralStackingRegressor,
    load_model,
    save_model,
)
from skspectra._table_axis import axis_names, axis_of
from skspectra.inspection import ReconstructionDisplay, saliency_map

RNG = np.random.default_rng(0)
WANTED = np.arange(1100.0, 1301.0, 10.0)
MIDDLES = RNG.uniform(1120.0, 1280.0, (24, 2))


def spectra(x, middles=MIDDLES):
    """Return samples as an instrument with channels at x would see them."""
    bands = np.exp(-(((np.asarray(x) - middles[:, :, np.newaxis]) / 40.0) ** 2))
    return bands.sum(axis=1)


def table(x, middles=MIDDLES):
    return pd.DataFrame(spectra(x, middles), columns=x)


Y = MIDDLES.sum(axis=1)
BENCH = np.linspace(1080.0, 1320.0, 121)
# Falling, uneven, with fewer channels.
PORTABLE = np.linspace(1310.0, 1090.0, 101) + RNG.uniform(-0.8, 0.8, 101)


# --- what comes out ----------------------------------------------------------------


@pytest.mark.parametrize("method, error", [("cubic", 2e-3), ("linear", 2e-2)])
def test_instruments_of_other_lengths_meet_on_one_axis(method, error):
    resampler = AxisResampler(WANTED, method=method).fit(table(BENCH))
    for x in (BENCH, PORTABLE, RNG.permutation(PORTABLE)):
        assert_allclose(resampler.transform(table(x)), spectra(WANTED), atol=error)
    assert resampler.n_features_in_ == 121
    assert_array_equal(resampler.x_axis_, WANTED)
    assert_array_equal(resampler.source_axis_, BENCH)


def test_straight_lines_are_those_of_numpy():
    found = AxisResampler(WANTED, method="linear").fit_transform(table(BENCH))
    rows = spectra(BENCH)
    assert_allclose(found, [np.interp(WANTED, BENCH, row) for row in rows])


def test_wavenumbers_land_on_wavelengths():
    wavenumbers = 1e7 / BENCH  # the same channels, told otherwise
    resampler = AxisResampler(WANTED, x_unit="nm", source_unit="cm-1")
    found = resampler.fit_transform(table(BENCH).set_axis(wavenumbers, axis=1))
    assert_allclose(found, AxisResampler(WANTED).fit_transform(table(BENCH)))
    assert_array_equal(resampler.source_axis_, wavenumbers)


def test_there_and_back_again_in_units():
    there = AxisResampler(source_unit="nm", x_unit="cm-1").set_output(
        transform="pandas"
    )
    back = AxisResampler(source_unit="cm⁻¹", x_unit="nm").set_output(transform="pandas")
    X = table(BENCH)
    again = back.fit_transform(there.fit_transform(X))
    assert_allclose(there.x_axis_, 1e7 / BENCH)
    assert_allclose(again.columns.astype(float), BENCH)
    assert_array_equal(again, X)  # the same channels: nothing was resampled


def test_the_first_table_tells_the_axis_where_nothing_else_does():
    resampler = AxisResampler().fit(table(PORTABLE))
    assert_array_equal(resampler.x_axis_, PORTABLE)
    assert_array_equal(resampler.transform(table(PORTABLE)), spectra(PORTABLE))
    found = resampler.transform(table(BENCH))
    assert_allclose(found, spectra(PORTABLE), atol=1e-3)
    assert (np.diff(AxisResampler().fit(table(WANTED[[2, 0, 1]])).x_axis_) > 0).all()


def test_arrays_lie_where_they_are_said_to_or_where_the_table_of_fit_lay():
    expected = AxisResampler(WANTED).fit_transform(table(BENCH))
    told = AxisResampler(WANTED, source_axis=BENCH)
    assert_array_equal(told.fit_transform(spectra(BENCH)), expected)
    words = table(BENCH).add_prefix("nm")
    assert_array_equal(told.fit_transform(words), expected)
    named = AxisResampler(WANTED).fit(table(BENCH))
    assert_array_equal(named.transform(spectra(BENCH)), expected)


def test_names_that_are_numbers_go_before_the_parameter():
    resampler = AxisResampler(WANTED, source_axis=BENCH).fit(spectra(BENCH))
    found = resampler.transform(table(PORTABLE))
    assert_allclose(found, spectra(WANTED), atol=2e-3)


def test_names_as_files_have_them_are_read():
    X = table(PORTABLE)
    found = AxisResampler(WANTED).fit_transform(
        X.set_axis(X.columns.astype(str), axis=1)
    )
    assert_array_equal(found, AxisResampler(WANTED).fit_transform(X))


def test_without_any_axis_nothing_changes():
    resampler = AxisResampler().fit(spectra(BENCH))
    assert resampler.x_axis_ is None
    assert_array_equal(resampler.transform(spectra(BENCH)), spectra(BENCH))
    counted = pd.DataFrame(spectra(BENCH))
    assert_array_equal(resampler.transform(counted), counted)


def test_what_lies_outside_is_nan():
    short = BENCH[(BENCH > 1150) & (BENCH < 1250)]
    found = AxisResampler(WANTED).fit(table(BENCH)).transform(table(short))
    inside = (short[0] <= WANTED) & (short[-1] >= WANTED)
    assert_array_equal(np.isfinite(found), np.tile(inside, (len(found), 1)))


def test_missing_channels_are_passed_on():
    X = table(BENCH)
    X.iloc[3, 60] = np.nan  # at 1200
    found = AxisResampler(WANTED).fit_transform(X)
    assert_array_equal(np.argwhere(np.isnan(found)), [[3, 10]])
    assert_array_equal(AxisResampler().fit_transform(X), X)


def test_averages_keep_what_interpolation_passes_over():
    x = np.arange(1100.0, 1300.5, 0.5)
    X = pd.DataFrame(np.zeros((1, len(x))), columns=x)
    X[1204.5] = 1.0  # a line between two of the positions wanted
    assert AxisResampler(WANTED, method="linear").fit_transform(X).sum() == 0
    found = AxisResampler(WANTED, method="average").fit_transform(X)
    assert_allclose(found.sum() * 10, 0.5)  # its area


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept(dtype):
    X = table(BENCH).astype(dtype)
    assert AxisResampler(WANTED).fit_transform(X).dtype == dtype


# --- what is refused ---------------------------------------------------------------


REFUSED = [
    (dict(x_axis=WANTED), spectra(BENCH), "where the channels of X lie.*source_axis="),
    (dict(x_axis=WANTED[[0, 2, 1]]), table(BENCH), "'x_axis'.*strictly rising"),
    (dict(x_axis=["a", "b"]), table(BENCH), "'x_axis'.*must hold numbers"),
    (dict(source_axis=BENCH[1:]), spectra(BENCH), "'source_axis'.*each of the 121"),
    (dict(x_axis=WANTED + 500), table(BENCH), "1080 to 1320.*1600 to 1800.*no pos"),
    (dict(x_axis=1e7 / WANTED), table(BENCH), "one is in nm and the other in cm-1"),
    (
        dict(x_axis=BENCH + 100, outside="raise"),
        table(BENCH),
        "1180 to 1420: 50 of 121 positions lie outside.*outside='nan'",
    ),
    (dict(source_unit="nm"), table(BENCH), "source_unit='nm'.*x_unit was not"),
    (dict(x_unit="inch"), table(BENCH), "unit of an axis.*nm, um.*Got 'inch'"),
    (
        dict(x_unit="nm", source_unit="cm-1"),
        table(BENCH - 1200),
        "must be positive.*Got -120",
    ),
    (
        dict(),
        table(BENCH[:2]).set_axis(["1100", "1100.0"], axis=1),
        "different positions",
    ),
    (dict(), table(BENCH).replace(table(BENCH).iloc[0, 0], np.inf), "X.*infinity"),
    (dict(), table(BENCH) * 1e200, "X holds values beyond"),
]


@pytest.mark.parametrize("parameters, X, says", REFUSED)
def test_what_cannot_be_resampled_is_refused(parameters, X, says):
    model = AxisResampler(**parameters)
    with pytest.raises(ValueError, match=says):
        model.fit_transform(X)
    if "beyond" not in says:
        with pytest.raises(NotFittedError):
            check_is_fitted(model)


def test_later_tables_are_refused_as_the_first_is():
    model = AxisResampler(WANTED, outside="raise").fit(table(BENCH))
    with pytest.raises(ValueError, match="10 of 21 positions lie outside"):
        model.transform(table(BENCH[BENCH <= 1200]))
    with pytest.raises(ValueError, match="no position"):
        model.transform(table(BENCH + 1000))
    with pytest.raises(ValueError, match="X has 120 features, but AxisResampler is"):
        model.transform(spectra(BENCH)[:, 1:])
    with pytest.raises(TypeError, match="types"):
        model.transform(table(BENCH).rename(columns={BENCH[0]: "a"}))


@pytest.mark.parametrize(
    "case", [c for c in SPECTRA if "normalizer" in c.who], ids=lambda c: c.what
)
def test_odd_spectra_are_refused_as_everywhere(case):
    resampler = AxisResampler()
    with pytest.raises(case.error, match=case.says):
        resampler.fit(case.value())
    with pytest.raises(NotFittedError):
        check_is_fitted(resampler)
    with pytest.raises(case.error, match=case.says):
        AxisResampler(ODD_AXIS).fit(frame(ODD_AXIS)).transform(case.value())


@pytest.mark.parametrize("case", TAKEN, ids=lambda c: c.what)
def test_the_same_numbers_give_the_same_spectra(case):
    resampler = AxisResampler(ODD_AXIS[1:] - 1).fit(frame(ODD_AXIS))
    assert_allclose(
        resampler.transform(case.value()), resampler.transform(ODD), rtol=1e-5
    )


@pytest.mark.parametrize("make", GAPS.values(), ids=GAPS)
def test_a_missing_channel_is_like_nan(make):
    resampler = AxisResampler(ODD_AXIS[1:] - 1).fit(frame(ODD_AXIS))
    expected = resampler.transform(put(np.nan))
    assert np.isnan(expected).any(axis=1).sum() == 1
    assert_array_equal(resampler.transform(make()), expected)


# --- as a step of scikit-learn -----------------------------------------------------


def test_names_out_are_the_new_axis():
    resampler = AxisResampler([1100.0, 1100.5, 1234.125]).set_output(transform="pandas")
    found = resampler.fit_transform(table(BENCH))
    assert list(found.columns) == ["1100", "1100.5", "1234.125"]
    assert_array_equal(axis_names(np.array([0.1 + 0.2])).astype(float), 0.1 + 0.2)


def test_tables_of_two_instruments_become_one():
    resampler = AxisResampler(WANTED).set_output(transform="pandas").fit(table(BENCH))
    both = pd.concat([resampler.transform(table(x)) for x in (BENCH, PORTABLE)])
    assert both.shape == (48, 21)
    model = PLSRegressionCV(cv=3).fit(both, np.r_[Y, Y])
    assert_array_equal(model.x_axis_, WANTED)


def test_a_calibration_serves_another_instrument():
    model = make_pipeline(
        AxisResampler(WANTED), InstanceNormalizer(), PLSRegressionCV()
    )
    model.fit(table(BENCH), Y)
    assert_allclose(
        model.predict(table(PORTABLE)), model.predict(table(BENCH)), atol=0.5
    )
    assert Y.std() > 20


def test_a_search_chooses_how_to_resample():
    model = make_pipeline(AxisResampler(WANTED), Ridge(1e-3))
    grid = {"axisresampler__method": ["linear", "cubic", "average"]}
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(table(BENCH), Y)
    assert np.isfinite(search.predict(table(PORTABLE))).all()


def test_an_instrument_of_a_shorter_range_is_seen_in_part(tmp_path):
    model = make_pipeline(
        AxisResampler(WANTED), InstanceNormalizer(), tiny_regressor(strategy="probe")
    )
    model.fit(table(BENCH), Y)
    short = table(PORTABLE[PORTABLE < 1270])
    assert np.isnan(model[0].transform(short)[0]).sum() == 4
    predicted = model.predict(short)
    assert np.corrcoef(predicted, Y)[0, 1] > 0.5
    save_model(model, tmp_path / "model")
    assert_array_equal(load_model(tmp_path / "model").predict(short), predicted)


@pytest.mark.parametrize("axis", [WANTED, WANTED.tolist(), None, range(1100, 1300, 9)])
def test_saved_and_pickled_models_resample_alike(axis, tmp_path):
    model = make_pipeline(AxisResampler(axis), InstanceNormalizer(), PLSRegressionCV())
    model.fit(table(BENCH), Y)
    save_model(model, tmp_path / "model")
    save_model(model[:1], tmp_path / "first")
    for again in (load_model(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        for x in (BENCH, PORTABLE[5:-5] if axis is None else PORTABLE):
            if axis is None and x is not BENCH:
                continue  # would leave gaps for PLS
            assert_array_equal(again.predict(table(x)), model.predict(table(x)))
    first = load_model(tmp_path / "first")
    assert_array_equal(
        first.transform(table(PORTABLE)), model[:1].transform(table(PORTABLE))
    )


def test_a_resampler_that_leaves_gaps_can_be_saved(tmp_path):
    wider = np.arange(1000.0, 1400.0, 10.0)
    model = AxisResampler(wider).fit(table(BENCH))
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    found = again.transform(table(PORTABLE))
    assert np.isnan(found).any()
    assert_array_equal(found, model.transform(table(PORTABLE)))
    assert_array_equal(clone(again).fit(table(BENCH)).x_axis_, wider)


# --- the axis that column names tell -----------------------------------------------

REMEMBER = {
    "normalizer": InstanceNormalizer(),
    "pretrainer": tiny_pretrainer(max_epochs=1),
    "regressor": tiny_regressor(strategy="probe"),
    "PLS": PLSRegressionCV(max_components=2, cv=2),
    "stack": SpectralStackingRegressor(cv=2, random_state=0),
}


@pytest.mark.parametrize("name", REMEMBER)
def test_names_that_are_numbers_become_the_axis(name):
    model = REMEMBER[name].fit(table(WANTED), Y)
    assert_array_equal(model.x_axis_, WANTED)
    names = [f"{x:g}" for x in WANTED]
    assert_array_equal(
        model.fit(table(WANTED).set_axis(names, axis=1), Y).x_axis_, WANTED
    )
    for nameless in (spectra(WANTED), pd.DataFrame(spectra(WANTED))):
        assert model.fit(nameless, Y).x_axis_ is None
    for words in (["1_0", "2_0"], ["nm1100", "nm1110"], ["a", "b"], ["nan", "1"]):
        if name != "stack":
            X = table(WANTED[:2]).set_axis(words, axis=1)
            assert model.fit(X, Y).x_axis_ is None


def test_the_parameter_goes_before_the_names():
    model = tiny_pretrainer(max_epochs=0, x_axis=WANTED + 0.01).fit(table(WANTED))
    assert_array_equal(model.x_axis_, WANTED + 0.01)


def test_a_frozen_pretrainer_brings_its_axis():
    frozen = FrozenEstimator(tiny_pretrainer(max_epochs=0).fit(table(WANTED)))
    model = tiny_regressor(strategy="probe").set_params(pretrainer=frozen)
    assert_array_equal(model.fit(spectra(WANTED), Y).x_axis_, WANTED)
    stack = SpectralStackingRegressor(frozen, cv=2, random_state=0)
    assert_array_equal(stack.fit(spectra(WANTED), Y).x_axis_, WANTED)


DIFFERENT = {
    "reversed": (
        lambda X: X[X.columns[::-1]],
        r"The columns of X run from 1300 to 1100, but the axis of InstanceNormalizer "
        r"from 1100 to 1300: they are reversed\. Turn them round: X\[X\.columns\[::-1",
    ),
    "another order": (
        lambda X: X[RNG.permutation(X.columns)],
        r"the same in another order\. Sort them: X\[sorted\(X.columns, key=float\)\]",
    ),
    "shifted": (
        lambda X: X.set_axis(WANTED - 5, axis=1),
        r"1095 to 1295, .* 1100 to 1300: they are shifted by -5\. Bring X onto that "
        r"axis first: skspectra\.AxisResampler\(x_axis\)\.fit_transform\(X\)",
    ),
    "another grid": (
        lambda X: X.set_axis(np.geomspace(1100, 1300, 21), axis=1),
        r"they differ, at most by 4\..*AxisResampler\(x_axis\)",
    ),
    "fewer channels": (
        lambda X: X[X.columns[3:]],
        r"The 18 columns of X run from 1130 to 1300, but the 21 channels of the axis "
        r"of InstanceNormalizer from 1100 to 1300: they are another grid\. .*AxisRes",
    ),
    "another unit": (
        lambda X: X.set_axis(1e7 / WANTED, axis=1),
        "nm and the other in cm-1, tell it by x_unit, of x_axis, and source_unit, of X",
    ),
    "micrometres": (lambda X: X.set_axis(WANTED / 1e3, axis=1), "in nm .* in um"),
}


@pytest.mark.parametrize("names", [float, "{:g}".format], ids=["numbers", "strings"])
@pytest.mark.parametrize("how", DIFFERENT)
def test_each_refusal_names_the_difference_and_the_remedy(how, names):
    change, says = DIFFERENT[how]
    X = table(WANTED).rename(columns=names)
    model = InstanceNormalizer().fit(X)
    with pytest.raises(ValueError, match=says):
        model.transform(change(table(WANTED)).rename(columns=names))


def test_the_remedies_work():
    X, model = table(WANTED), InstanceNormalizer().fit(table(WANTED))
    expected = model.transform(X)
    reverse, mixed = X[X.columns[::-1]], X[RNG.permutation(X.columns)]
    assert_array_equal(model.transform(reverse[reverse.columns[::-1]]), expected)
    assert_array_equal(
        model.transform(mixed[sorted(mixed.columns, key=float)]), expected
    )
    other = AxisResampler(model.x_axis_).fit_transform(table(BENCH))
    assert_allclose(model.transform(other), expected, atol=1e-2)


def test_a_falling_axis_is_sorted_falling():
    model = InstanceNormalizer().fit(table(WANTED[::-1]))
    with pytest.raises(ValueError, match=r"key=float, reverse=True\)\]"):
        model.transform(table(RNG.permutation(WANTED)))


# --- the axis behind other steps ---------------------------------------------------


def last_of(*steps):
    return make_pipeline(*steps, tiny_pretrainer(max_epochs=1))


@pytest.mark.parametrize("names", [float, "{:g}".format], ids=["numbers", "strings"])
def test_an_axis_passes_through_steps_that_keep_channels(names):
    X = table(BENCH).rename(columns=names)
    steps = AxisResampler(WANTED), InstanceNormalizer(), StandardScaler()
    model = last_of(*steps).set_output(transform="pandas").fit(X)
    assert_array_equal(model[-1].x_axis_, WANTED)
    for first in (steps, steps[1:], steps[2:]):
        model = last_of(*map(clone, first)).set_output(transform="default").fit(X)
        assert model[-1].x_axis_ is None  # arrays lie between
        axis = WANTED if len(first) == 3 else BENCH
        assert_array_equal(axis_of(model, BENCH), axis)
        shown = ReconstructionDisplay.from_estimator(model, X[:1])
        assert_array_equal(shown.x_axis, axis)


def test_a_normaliser_hands_the_axis_on():
    model = last_of(InstanceNormalizer(), StandardScaler())
    model.set_output(transform="pandas").fit(table(BENCH))
    assert_array_equal(model[-1].x_axis_, BENCH)
    assert model[0].get_feature_names_out()[:2].tolist() == ["1080", "1082"]


def test_files_from_before_x_axis_are_compared(tmp_path):
    model = InstanceNormalizer().fit(table(WANTED))
    model._column_axis = vars(model).pop("x_axis_")
    save_model(model, tmp_path / "model")
    with pytest.raises(ValueError, match="reversed"):
        load_model(tmp_path / "model").transform(table(WANTED[::-1]))


def test_an_axis_is_not_made_up():
    X = table(BENCH)
    model = make_pipeline(PLSRegressionCV(max_components=3), Ridge()).fit(X, Y)
    assert axis_of(model, BENCH) is None
    assert axis_of(InstanceNormalizer().fit(X[RNG.permutation(BENCH)])) is None
    assert axis_of(last_of(InstanceNormalizer()).fit(X.to_numpy())) is None


def test_saliency_lies_on_the_axis_of_the_table():
    X = table(BENCH)
    model = make_pipeline(AxisResampler(WANTED), tiny_regressor(strategy="probe"))
    assert_array_equal(
        saliency_map(model.fit(X, Y), X[:4], method="gradient").x_axis, WANTED
    )


def test_behind_scikit_learns_steps_tables_are_compared_on_request():
    X = table(WANTED).rename(columns="{:g}".format)
    reverse = X[X.columns[::-1]]
    model = make_pipeline(StandardScaler(), PLSRegressionCV(cv=3))
    model.set_output(transform="pandas").fit(X, Y)
    assert_array_equal(model[-1].x_axis_, WANTED)
    with pytest.raises(ValueError, match="same order"):  # StandardScaler, of words
        model.predict(reverse)
    # Numbers go through it unseen: the first step has to be one that compares.
    model = make_pipeline(StandardScaler(), PLSRegressionCV(cv=3))
    model.set_output(transform="pandas").fit(table(WANTED), Y)
    model.predict(table(WANTED[::-1]))
    model = make_pipeline(InstanceNormalizer(), StandardScaler(), PLSRegressionCV(cv=3))
    with pytest.raises(ValueError, match="reversed"):
        model.fit(table(WANTED), Y).predict(table(WANTED[::-1]))


# --- real instruments --------------------------------------------------------------


def corn_table(corn, instrument):
    return pd.DataFrame(corn[f"X_{instrument}"].astype(float), columns=corn.axis)


@pytest.mark.parametrize("instrument", ["m5", "mp5"])
def test_left_out_channels_of_corn_are_met(instrument, real_spectra):
    whole = corn_table(real_spectra("corn"), instrument)
    coarse = whole[whole.columns[::-2]]  # falling, and half as many
    errors = {
        method: AxisResampler(whole.columns[1:], method=method).fit_transform(coarse)
        - whole.iloc[:, 1:]
        for method in ("linear", "cubic")
    }
    mean = {method: np.sqrt((e**2).to_numpy().mean()) for method, e in errors.items()}
    assert mean["cubic"] < 0.6 * mean["linear"] < 2e-3 * whole.to_numpy().std()


def test_an_instrument_with_half_the_channels_is_predicted_alike(real_spectra):
    corn = real_spectra("corn")
    y = corn.y[:, 0].astype(float)
    m5 = corn_table(corn, "m5")
    model = make_pipeline(AxisResampler(), InstanceNormalizer(), PLSRegressionCV(cv=5))
    model.fit(m5[:60], y[:60])
    half = m5[60:][m5.columns[:-1:2].append(m5.columns[-1:])[::-1]]
    assert half.shape == (20, 351)
    expected = model.predict(m5[60:])
    # Within a fifth of the model's own error.
    error = np.sqrt(np.mean((expected - y[60:]) ** 2))
    assert np.abs(model.predict(half) - expected).max() < 0.2 * error


def test_a_bench_in_wavenumbers_shows_what_the_portable_shows(real_spectra):
    plants = real_spectra("plant_npk_two_instr")
    bench = pd.DataFrame(plants.X_bench, columns=plants.axis_bench)
    assert bench.columns[0] > bench.columns[-1] > 3900 and bench.shape[1] == 551
    onto = {"x_axis": plants.axis.astype(float)}
    with pytest.raises(ValueError, match="one is in nm and the other in cm-1"):
        AxisResampler(**onto).fit(bench)
    resampler = AxisResampler(**onto, x_unit="nm", source_unit="cm-1")
    snv = InstanceNormalizer().fit_transform
    seen, portable = snv(resampler.fit_transform(bench)), snv(plants.X_portable)
    assert np.corrcoef(seen.mean(axis=0), portable.mean(axis=0))[0, 1] > 0.99
    # Reversed it would not: the test can tell.
    assert np.corrcoef(seen.mean(axis=0)[::-1], portable.mean(axis=0))[0, 1] < 0.5
