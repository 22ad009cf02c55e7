"""SpectralStackingRegressor: weights, held-out rows, units, gaps, intervals."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, GroupKFold

from skspectra import (
    MaskedSpectralPretrainer,
    SpectralStackingRegressor,
    _gaussian_process,
    _stacking,
)
from skspectra._gaussian_process import compare, matern
from skspectra._stack import (
    MEMBERS,
    combine_processes,
    convex_weights,
    fit_processes,
)
from skspectra._views import learn_views
from skspectra.datasets import make_nir_mixtures
from skspectra.evaluation import TunedPLS


def small_pretrainer(**parameters):
    defaults = dict(
        patch_size=8,
        embed_dim=8,
        depth=1,
        n_heads=2,
        decoder_dim=8,
        decoder_n_heads=2,
        max_epochs=1,
    )
    return MaskedSpectralPretrainer(**{**defaults, **parameters})


def stack(pretrainer=None, **parameters):
    return SpectralStackingRegressor(pretrainer, **{"random_state": 0, **parameters})


@pytest.fixture(scope="module")
def data():
    return make_nir_mixtures(n_samples=70, n_channels=52, random_state=0)


@pytest.fixture(scope="module")
def alone(data):
    return stack().fit(data.data[:40], data.target[:40])


@pytest.fixture(scope="module")
def encoded(data):
    return stack(small_pretrainer()).fit(data.data[:40], data.target[:40])


@pytest.fixture(scope="module")
def frozen(data):
    return FrozenEstimator(small_pretrainer(random_state=1).fit(data.data))


@pytest.fixture(params=["alone", "encoder"])
def model(request, alone, encoded):
    return alone if request.param == "alone" else encoded


def bent(n_samples, n_channels=60, seed=0):
    """Spectra of three bands, and a target that saturates with one of them."""
    rng = np.random.default_rng(seed)
    amounts = rng.uniform(size=(n_samples, 3))
    channels = np.arange(n_channels)
    bands = np.array([12, 30, 47])[:, None]
    X = amounts @ np.exp(-(((channels - bands) / 5) ** 2))
    X += rng.normal(0, 0.002, X.shape)
    y = np.exp(-6 * amounts[:, 0]) + 0.3 * np.sin(6 * amounts[:, 1])
    return X, y


def weights(module):
    return torch.cat([p.detach().ravel() for p in module.parameters()]).numpy()


# --- learning -----------------------------------------------------------------


@pytest.mark.parametrize("pretrainer", [None, small_pretrainer(max_epochs=5)])
def test_it_predicts_bent_answers_where_pls_and_the_mean_fail(pretrainer):
    X, y = bent(160)
    train, test = slice(80), slice(80, None)
    error, pls = (
        root_mean_squared_error(y[test], model.fit(X[train], y[train]).predict(X[test]))
        for model in (stack(pretrainer), TunedPLS())
    )
    assert pls < 0.9 * y.std()
    assert error < 0.85 * pls


def test_it_learns_straight_answers_as_pls_does(data):
    train, test = slice(40), slice(40, None)
    X, y = data.data, data.target
    error, pls = (
        root_mean_squared_error(y[test], model.fit(X[train], y[train]).predict(X[test]))
        for model in (stack(), TunedPLS())
    )
    assert error < 0.5 * y.std()
    assert error < 1.1 * pls


def test_an_encoder_is_pretrained_on_all_spectra_of_fit(data, monkeypatch):
    seen = []

    def fit(self, X, y=None):
        seen.append(X.shape)
        return original(self, X)

    original = MaskedSpectralPretrainer.fit
    monkeypatch.setattr(MaskedSpectralPretrainer, "fit", fit)
    y = np.r_[data.target[:30], np.full(40, np.nan)]
    model = stack(small_pretrainer(max_epochs=1)).fit(data.data, y)
    assert seen == [(70, 52)] and model.encoder_origin_ == "fit"


# --- weights ------------------------------------------------------------------


def test_weights_are_shares(model):
    assert len(model.member_names_) == len(model.weights_)
    assert (model.weights_ >= 0).all()
    assert model.weights_.sum() == pytest.approx(1)


def test_each_target_has_weights_of_its_own(data):
    model = stack().fit(data.data, data.concentrations[:, :2])
    assert model.weights_.shape == (len(MEMBERS) - 1, 2)
    assert (model.weights_ >= 0).all()
    assert_allclose(model.weights_.sum(axis=0), 1)
    assert (model.weights_[:, 0] != model.weights_[:, 1]).any()


def test_the_encoder_is_a_member_where_there_is_one(alone, encoded):
    assert encoded.member_names_ == list(MEMBERS)
    assert alone.member_names_ == [name for name in MEMBERS if name != "encoder"]


def held_out(n_members=6, n_rows=40, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n_rows)
    common = rng.normal(0, 0.3, (n_rows, 1))
    own = rng.normal(size=(n_rows, n_members)) * np.linspace(0.1, 1, n_members)
    return y[:, None] + common + own, y, np.full(n_members, 1 / n_members)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 3.0, 100.0])
@pytest.mark.parametrize("unit", [1.0, 1e6])
def test_weights_are_those_of_a_general_solver(shrinkage, unit):
    predicted, y, prior = held_out()
    errors = predicted - y[:, None]
    best = (errors**2).mean(axis=0).min()

    def objective(w):
        return ((errors @ w) ** 2).mean() / best + shrinkage * ((w - prior) ** 2).sum()

    expected = minimize(
        objective,
        prior,
        method="SLSQP",
        bounds=[(0, 1)] * len(prior),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 1000},
    ).x
    found = convex_weights(unit * predicted, unit * y, prior, shrinkage)
    assert_allclose(found, expected, atol=2e-4)


def test_much_shrinkage_gives_the_prior_and_none_trusts_the_rows():
    predicted, y, prior = held_out()
    assert_allclose(convex_weights(predicted, y, prior, 1e9), prior, atol=1e-3)
    predicted[:, 2] = y + 1e-6 * (predicted[:, 2] - y)
    assert convex_weights(predicted, y, prior, 0.0)[2] > 0.999


def test_a_member_without_error_gives_the_prior():
    predicted, y, prior = held_out()
    predicted[:, 1] = y
    assert_array_equal(convex_weights(predicted, y, prior, 1.0), prior)


def test_the_sum_of_processes_predicts_as_the_processes_do(data):
    X, rows = data.data, np.arange(40)
    y = data.target[:40] - data.target[:40].mean()
    views = learn_views(X[:40]).look(X)
    train = {name: view[:40] for name, view in views.items()}
    members = {k: v for k, v in MEMBERS.items() if k not in ("PLS", "encoder")}
    scaled, scales, processes = fit_processes(
        train, y / y.std(), members, [rows[::2], rows[1::2]], np.random.RandomState(0)
    )
    shares = dict(zip(members, np.linspace(0, 1, len(members)), strict=True))
    expected = np.zeros(70)
    for name, share in shares.items():
        kernel = np.ones((70, 40))
        for part in processes[name].parts:
            scale = scales[part.view]
            new = (views[part.view] - scale.centre) / scale.unit
            compared = compare(new, scaled[part.view])
            if part.length is None:
                kernel += part.variance * compared.products
            else:
                kernel += part.variance * matern(compared.distances, part.length)
        expected += share * (kernel @ processes[name].dual)
    combination = combine_processes(scaled, scales, processes, shares)
    assert_allclose(combination.predict(views), expected, atol=1e-9)


# --- held-out rows ------------------------------------------------------------


def test_the_held_out_pls_has_the_rmsecv_of_tuned_pls(data):
    X, y = data.data, data.target
    rows = np.random.default_rng(0).permutation(70)
    splits = [(np.setdiff1d(rows, rows[i::4]), rows[i::4]) for i in range(4)]
    pls = TunedPLS(cv=splits).fit(X, y)
    predicted = _stacking._held_out_pls(pls, X, y, splits)
    expected = pls.rmsecv_.loc[pls.n_components_, pls.treatment_]
    assert root_mean_squared_error(y, predicted) == pytest.approx(expected, rel=1e-9)


def test_held_out_errors_are_about_those_of_new_rows():
    X, y = bent(240)
    model = stack().fit(X[:80], y[:80])
    inside = root_mean_squared_error(y[:80], model.held_out_predictions_)
    outside = root_mean_squared_error(y[80:], model.predict(X[80:]))
    assert 0.6 * outside < inside < 1.6 * outside


def test_groups_are_held_out_whole(data):
    """A row whose copies are in other folds can be looked up; one in none cannot."""
    rng = np.random.default_rng(0)
    X = np.repeat(data.data[:20], 4, axis=0)
    y = np.repeat(rng.normal(size=20), 4)  # nothing to learn, but to recognise copies
    groups = np.repeat([f"sample {i}" for i in range(20)], 4)
    copies = stack().fit(X, y)
    whole = stack().fit(X, y, groups=groups)
    assert r2_score(y, copies.held_out_predictions_) > 0.5
    assert r2_score(y, whole.held_out_predictions_) < 0.2


def test_no_fold_holds_a_part_of_a_group(data, monkeypatch):
    seen = []

    def fit_processes(views, y, members, folds, rng):
        seen.extend(folds)
        return original(views, y, members, folds, rng)

    original = _stacking.fit_processes
    monkeypatch.setattr(_stacking, "fit_processes", fit_processes)
    y = data.target.copy()
    y[:12] = np.nan
    groups = np.arange(70) % 9
    stack(cv=3).fit(data.data, y, groups=groups)
    known = groups[~np.isnan(y)]
    assert_array_equal(np.sort(np.concatenate(seen)), np.arange(len(known)))
    members = [set(known[fold]) for fold in seen]
    assert len(members) == 3
    assert sum(map(len, members)) == 9


# --- rows without a reference value -------------------------------------------


@pytest.mark.parametrize("pretrainer", [None, small_pretrainer(random_state=0)])
def test_targets_with_gaps_are_fitted_one_by_one(data, pretrainer):
    Y = data.concentrations[:, :2].copy()
    Y[:30, 0] = np.nan
    Y[50:, 1] = np.nan
    model = stack(pretrainer).fit(data.data, Y)
    for column, y in enumerate(Y.T):
        single = stack(pretrainer).fit(data.data, y)
        assert_allclose(model.predict(data.data)[:, column], single.predict(data.data))
        assert_allclose(model.weights_[:, column], single.weights_)
        assert_allclose(
            model.held_out_predictions_[:, column], single.held_out_predictions_
        )
        assert_allclose(np.isnan(single.held_out_predictions_), np.isnan(y))


def test_unlabelled_rows_join_the_pretraining(data):
    y = np.r_[data.target[:40], np.full(30, np.nan)]
    seeded = small_pretrainer(random_state=0)
    model = stack(seeded).fit(data.data, y)
    views = learn_views(data.data).look(data.data)
    by_hand = clone(seeded).fit(views["autoscaled snv+sg1"])
    assert (weights(model.pretrainer_.module_) == weights(by_hand.module_)).all()
    few = stack(seeded).fit(data.data[:40], y[:40])
    assert (weights(few.pretrainer_.module_) != weights(by_hand.module_)).any()


def test_unlabelled_copies_of_the_labelled_rows_change_nothing(data):
    X, y = data.data, data.target
    plain = stack().fit(X, y)
    pool = stack().fit(np.vstack([X, X]), np.r_[y, np.full(70, np.nan)])
    assert_allclose(pool.predict(X), plain.predict(X), atol=1e-3 * y.std())
    assert_allclose(
        pool.held_out_predictions_[:70],
        plain.held_out_predictions_,
        atol=1e-3 * y.std(),
    )


def test_targets_come_back_in_the_shape_they_had(data):
    for y in (data.target, data.target[:, None], data.concentrations[:, :2]):
        model = stack(cv=2).fit(data.data, y)
        lower, upper = model.predict_interval(data.data)
        for predicted in (model.predict(data.data), lower, upper):
            assert predicted.shape == y.shape
            assert predicted.dtype == np.float64
        assert model.held_out_predictions_.shape == y.shape
        assert model.weights_.shape == (len(model.member_names_), *y.shape[1:])


# --- what must not matter -----------------------------------------------------


def test_a_prediction_does_not_depend_on_its_company(model, data):
    X = np.vstack([data.data, data.data])
    together = model.predict(X)
    alone = np.concatenate([model.predict(x[None]) for x in X[:70]])
    assert_allclose(together[:70], alone, rtol=0, atol=1e-10)
    order = np.random.default_rng(0).permutation(len(X))
    assert_allclose(model.predict(X[order]), together[order], rtol=0, atol=1e-10)


@pytest.mark.parametrize("shift, factor", [(0.0, 1e-12), (100.0, -3.0), (1e6, 1e3)])
def test_units_of_y_do_not_matter(alone, data, shift, factor):
    X, y = data.data, data.target
    other = stack().fit(X[:40], shift + factor * y[:40])
    expected = shift + factor * alone.predict(X)
    assert_allclose(other.predict(X), expected, atol=1e-4 * abs(factor) * y.std())
    assert_allclose(other.weights_, alone.weights_, atol=1e-3)


@pytest.mark.parametrize("shift, factor", [(0.0, 1e-9), (0.0, 1e6), (50.0, 2.0)])
def test_units_of_spectra_do_not_matter(model, data, shift, factor):
    X, y = shift + factor * data.data, data.target
    other = clone(model).fit(X[:40], y[:40])
    assert_allclose(other.predict(X), model.predict(data.data), atol=1e-3 * y.std())


def test_the_seed_alone_decides(data):
    def fit(seed):
        model = stack(small_pretrainer(), random_state=seed)
        return model.fit(data.data[:40], data.target[:40]).predict(data.data)

    first = fit(0)
    torch.manual_seed(99)
    np.random.seed(99)
    assert_array_equal(fit(0), first)
    assert_array_equal(fit(np.random.RandomState(0)), first)
    assert (fit(1) != first).any()


def test_of_many_rows_the_seed_says_which_are_searched_on(data, monkeypatch):
    monkeypatch.setattr(_gaussian_process, "_MOST_ROWS", 20)

    def fit(seed):
        model = stack(random_state=seed).fit(data.data[:40], data.target[:40])
        return model.predict(data.data)

    assert_array_equal(fit(0), fit(0))
    assert (fit(0) != fit(1)).any()
    assert r2_score(data.target[40:], fit(0)[40:]) > 0.5


def test_predictions_in_threads_share_one_model(encoded, data):
    alone = encoded.predict(data.data)
    with joblib.parallel_config("threading", n_jobs=4):
        together = joblib.Parallel()(
            joblib.delayed(encoded.predict)(data.data) for _ in range(8)
        )
    assert all((predicted == alone).all() for predicted in together)


def test_global_generators_and_threads_are_left_as_they_were(data):
    before = np.random.get_state(), torch.get_rng_state()
    threads = torch.get_num_threads()
    model = stack(small_pretrainer(), random_state=None)
    model.fit(data.data[:30], data.target[:30]).predict(data.data)
    np.testing.assert_equal(np.random.get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.get_num_threads() == threads


def test_arrays_are_left_as_they_were(data):
    X, y = data.data[:40].copy(), np.r_[data.target[:30], np.full(10, np.nan)]
    given = X.copy(), y.copy()
    stack().fit(X, y).predict(X)
    assert_array_equal(X, given[0])
    assert_array_equal(y, given[1])


def test_a_pickled_model_and_a_clone_predict_the_same(model, data):
    X, y = data.data, data.target
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    assert_array_equal(clone(model).fit(X[:40], y[:40]).predict(X), model.predict(X))


def test_every_parameter_is_a_grid_axis(data, frozen):
    grid = GridSearchCV(
        stack(),
        {"pretrainer": [None, frozen], "shrinkage": [0, 3.0]},
        cv=GroupKFold(2),
        error_score="raise",
    ).fit(data.data, data.target, groups=np.arange(70) // 7)
    assert len(set(grid.cv_results_["mean_test_score"])) == 4


# --- the pretrainer rule ------------------------------------------------------


def test_none_does_without_an_encoder(alone):
    assert alone.pretrainer_ is None
    assert alone.encoder_origin_ is None


def test_an_unfitted_pretrainer_is_cloned(data, encoded):
    assert encoded.encoder_origin_ == "fit"
    assert not hasattr(encoded.pretrainer, "module_")
    scratch = stack(small_pretrainer(max_epochs=0)).fit(data.data, data.target)
    assert scratch.encoder_origin_ == "scratch"


def test_a_frozen_pretrainer_keeps_its_weights_and_gets_the_spectra(data, frozen):
    before = weights(frozen.module_)
    model = clone(stack(frozen)).fit(data.data[:40], data.target[:40])
    assert model.encoder_origin_ == "frozen"
    assert_array_equal(weights(model.pretrainer_.module_), before)
    assert_array_equal(weights(frozen.module_), before)
    tokens = model._views.look(data.data, model.pretrainer_)["encoder"]
    n_tokens = frozen.n_tokens_
    assert_allclose(
        tokens.reshape(70, n_tokens, -1).mean(axis=1),
        frozen.transform(data.data),
        atol=1e-4,
    )


def test_what_becomes_of_a_frozen_pretrainer_later_does_not_reach_back(data):
    pretrainer = small_pretrainer(random_state=0).fit(data.data)
    model = stack(FrozenEstimator(pretrainer)).fit(data.data[:40], data.target[:40])
    before = model.predict(data.data)
    pretrainer.fit(10 * data.data + 5)
    assert_array_equal(model.predict(data.data), before)


def test_a_fitted_pretrainer_that_is_not_frozen_warns(data, frozen):
    with pytest.warns(UserWarning, match="FrozenEstimator") as caught:
        stack(frozen.estimator).fit(data.data[:40], data.target[:40])
    assert caught[0].filename == __file__


def test_reversed_wavelengths_are_refused_where_an_axis_is_given(data):
    axis = np.linspace(1100.0, 2500.0, 52)
    table = pd.DataFrame(data.data, columns=axis)
    pretrainer = small_pretrainer(x_axis=axis)
    model = stack(pretrainer).fit(table, data.target)
    model.predict(table)
    with pytest.raises(ValueError, match="the axis of SpectralStackingRegressor"):
        model.predict(table.iloc[:, ::-1])
    with pytest.raises(ValueError, match="the axis of SpectralStackingRegressor"):
        stack(pretrainer).fit(table.iloc[:, ::-1], data.target)
    with pytest.raises(NotFittedError):
        stack(pretrainer).predict(table)


# --- little or odd data -------------------------------------------------------


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 12])
def test_narrow_spectra_are_spectra(n_channels):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, n_channels))
    y = X[:, 0] + rng.normal(0, 0.1, 60)
    pretrainers = [None] if n_channels == 1 else [None, small_pretrainer()]
    for pretrainer in pretrainers:
        model = stack(pretrainer).fit(X[:40], y[:40])
        assert model.score(X[40:], y[40:]) > 0.8


def test_one_channel_is_too_few_for_an_encoder(data):
    with pytest.raises(ValueError, match="minimum of 2 is required by Masked"):
        stack(small_pretrainer()).fit(data.data[:, :1], data.target)


@pytest.mark.parametrize("pretrainer", [None, small_pretrainer()])
@pytest.mark.parametrize("n_labelled", [2, 3, 4])
def test_few_reference_values_give_sober_predictions(data, pretrainer, n_labelled):
    y = np.r_[data.target[:n_labelled], np.full(30, np.nan)]
    X = data.data[: len(y)]
    for rows in (slice(None), slice(n_labelled)):  # with a pool, and alone
        model = stack(pretrainer).fit(X[rows], y[rows])
        assert np.abs(model.predict(data.data) - data.target).max() < 10
        with pytest.warns(UserWarning, match=f"{n_labelled} labelled rows"):
            lower, upper = model.predict_interval(data.data)
        assert np.isneginf(lower).all()
        assert np.isposinf(upper).all()


@pytest.mark.filterwarnings("ignore:y is constant:UserWarning")
@pytest.mark.parametrize("value", [0.0, 0.1, -7e5])
def test_a_constant_is_predicted(data, value):
    Y = np.column_stack([np.full(70, value), data.target])
    model = stack(cv=2).fit(data.data, Y)
    predicted = model.predict(data.data)
    assert_allclose(predicted[:, 0], value, rtol=1e-12)
    assert np.ptp(predicted[:, 1]) > 0
    assert_allclose(model.weights_.sum(axis=0), 1)


@pytest.mark.filterwarnings("ignore:.*spectra are flat:UserWarning")
@pytest.mark.parametrize("pretrainer", [None, small_pretrainer()])
@pytest.mark.parametrize("value", [0.0, 3.0, 1e8])
def test_spectra_that_are_all_the_same_predict_the_mean(data, pretrainer, value):
    y = data.target[:30]
    for X in (np.full((30, 52), value), value + np.repeat(data.data[:1], 30, axis=0)):
        predicted = stack(pretrainer).fit(X, y).predict(X)
        # Of flat spectra derivatives are rounding, which looks like small spectra.
        assert_allclose(predicted, y.mean(), atol=0.2 * y.std())
        assert np.ptp(predicted) < 0.05 * y.std()


@pytest.mark.filterwarnings("ignore:.*spectra are flat:UserWarning")
def test_a_few_flat_spectra_and_a_dead_channel_do_no_harm(data):
    X = data.data.copy()
    X[:, 20] = 1.5
    X[::20] = 2.0
    model = stack(small_pretrainer()).fit(X[:40], data.target[:40])
    living = np.setdiff1d(np.arange(40, 70), np.arange(0, 70, 20))
    assert r2_score(data.target[living], model.predict(X[living])) > 0.5


def test_rows_measured_many_times_do_no_harm(data):
    X, y = np.repeat(data.data[:20], 3, axis=0), np.repeat(data.target[:20], 3)
    model = stack().fit(X, y)
    assert r2_score(data.target[20:], model.predict(data.data[20:])) > 0.5


# --- mistakes -----------------------------------------------------------------


@pytest.mark.parametrize(
    "y, message",
    [
        (None, "requires y to be passed"),
        (np.full(70, np.inf), "Input y contains infinity"),
        (np.full(70, np.nan), "Got 0 among n_samples=70 rows"),
        (np.r_[1.0, np.full(69, np.nan)], "needs at least 2 reference values of each"),
        (np.c_[np.arange(70.0), np.full(70, np.nan)], "Got 0 among n_samples=70"),
        (np.r_[1e300, -1e300, np.zeros(68)], "y holds values beyond 1e\\+100"),
        (np.zeros(69), "inconsistent numbers of samples"),
    ],
)
def test_bad_targets_get_one_clear_sentence(data, y, message):
    with pytest.raises(ValueError, match=message):
        stack().fit(data.data, y)


@pytest.mark.parametrize(
    "parameters, message",
    [
        (
            dict(pretrainer="none"),
            "'pretrainer' parameter of SpectralStackingRegressor",
        ),
        (dict(pretrainer=Ridge()), "'pretrainer' parameter of SpectralStacking"),
        (dict(cv=1), "'cv' parameter of SpectralStackingRegressor must be an int"),
        (dict(shrinkage=-1.0), "'shrinkage' parameter of SpectralStackingRegressor"),
        (dict(random_state="x"), "'random_state' parameter of SpectralStacking"),
    ],
)
def test_bad_parameters_get_one_clear_sentence(data, parameters, message):
    with pytest.raises(ValueError, match=message):
        stack(**parameters).fit(data.data, data.target)


@pytest.mark.parametrize(
    "groups, message",
    [
        (np.zeros(70), "at least 2 different groups"),
        (np.zeros(7), "inconsistent numbers of samples"),
        (np.zeros((70, 2)), "groups must be one-dimensional"),
    ],
)
def test_bad_groups_get_one_clear_sentence(data, groups, message):
    with pytest.raises(ValueError, match=message):
        stack().fit(data.data, data.target, groups=groups)


def test_an_unfitted_or_other_pretrainer_inside_frozen_estimator_is_an_error(data):
    with pytest.raises(NotFittedError, match="inside FrozenEstimator is not fitted"):
        stack(FrozenEstimator(small_pretrainer())).fit(data.data, data.target)
    other = FrozenEstimator(Ridge().fit(data.data, data.target))
    with pytest.raises(TypeError, match="must hold a MaskedSpectralPretrainer"):
        stack(other).fit(data.data, data.target)


def test_a_frozen_pretrainer_of_other_channels_is_an_error(data, frozen):
    message = "X has 40 channels, but the pretrainer was fitted on 52"
    with pytest.raises(ValueError, match=message):
        stack(frozen).fit(data.data[:, :40], data.target)


def test_other_channels_and_huge_values_are_refused(model, data):
    with pytest.raises(ValueError, match="X has 40 features, but SpectralStacking"):
        model.predict(data.data[:, :40])
    with pytest.raises(ValueError, match="X holds values beyond 1e\\+100"):
        model.predict(1e200 * data.data)
    with pytest.raises(ValueError, match="X holds values beyond 1e\\+100"):
        clone(model).fit(1e200 * data.data, data.target)


def test_nothing_is_predicted_before_a_fit(data):
    for method in ("predict", "predict_interval"):
        with pytest.raises(NotFittedError):
            getattr(stack(), method)(data.data)


@pytest.mark.parametrize("wrong", ["X", "y", "groups", "pretrainer"])
def test_a_failing_second_fit_leaves_no_mixture(data, wrong):
    X, y, groups = data.data[:30].copy(), data.target[:30].copy(), np.arange(30)
    model = stack().fit(X, y)
    if wrong == "X":
        X[3, 3] = np.nan
    elif wrong == "y":
        y[:] = np.nan
    elif wrong == "groups":
        groups[:] = 0
    else:
        model.pretrainer = FrozenEstimator(small_pretrainer())
    with pytest.raises(ValueError):
        model.fit(X, y, groups=groups)
    with pytest.raises(NotFittedError):
        model.predict(data.data)


# --- intervals ----------------------------------------------------------------


def test_half_the_width_is_a_quantile_of_the_held_out_errors(data, alone):
    lower, upper = alone.predict_interval(data.data, coverage=0.8)
    assert_allclose((lower + upper) / 2, alone.predict(data.data))
    errors = np.sort(np.abs(data.target[:40] - alone.held_out_predictions_))
    # ceil(41 * 0.8) = 33: the split conformal correction for 40 rows.
    assert_allclose((upper - lower) / 2, errors[32])


@pytest.mark.filterwarnings("ignore:40 labelled rows or groups are too few")
def test_more_coverage_is_wider(data, alone):
    widths = [
        np.diff(alone.predict_interval(data.data[:1], coverage), axis=0).item()
        for coverage in (0.1, 0.5, 0.9, 0.95, 0.99)
    ]
    assert widths == sorted(widths)
    assert 0 < widths[0] < widths[2]
    assert np.isinf(widths[-1])  # 40 rows cannot tell


@pytest.mark.filterwarnings("ignore:.*labelled rows or groups are too few")
@pytest.mark.parametrize("n_rows, coverage", [(9, 0.9), (19, 0.95)])
def test_it_takes_some_rows_to_promise_a_coverage(data, n_rows, coverage):
    for n, finite in ((n_rows, True), (n_rows - 1, False)):
        model = stack(cv=2).fit(data.data[:n], data.target[:n])
        lower, upper = model.predict_interval(data.data, coverage)
        assert np.isfinite(upper - lower).all() == finite


@pytest.mark.filterwarnings("ignore:.*labelled rows or groups are too few")
@pytest.mark.parametrize("n_groups, finite", [(9, True), (8, False)])
def test_it_takes_some_groups_to_promise_a_coverage_of_new_ones(data, n_groups, finite):
    groups = np.arange(40) % n_groups
    model = stack(cv=2).fit(data.data[:40], data.target[:40], groups=groups)
    lower, upper = model.predict_interval(data.data, 0.9)
    assert np.isfinite(upper - lower).all() == finite


def test_each_group_counts_alike_in_a_range(data):
    # One group of 22 rows beside 18 of one row: the large one does not set the width.
    groups = np.r_[np.zeros(22, dtype=int), np.arange(1, 19)]
    model = stack(cv=2).fit(data.data[:40], data.target[:40], groups=groups)
    lower, upper = model.predict_interval(data.data, 0.5)
    half = (upper - lower)[0] / 2
    reached = np.abs(data.target[:40] - model.held_out_predictions_) <= half + 1e-12
    share = (reached[:22].mean() + reached[22:].sum()) / 20  # 19 groups and the new one
    assert 0.5 <= share < 0.5 + 1 / 20 + 1e-9


def test_one_labelled_group_is_too_few(data):
    y = np.r_[data.target[:20], np.full(20, np.nan)]
    with pytest.raises(ValueError, match="among the rows with a reference value"):
        stack().fit(data.data[:40], y, groups=np.arange(40) // 20)


def test_many_rows_are_predicted_as_few_are(data, alone):
    X = np.tile(data.data, (20, 1))  # 1,400 rows: more than a block
    expected = np.tile(alone.predict(data.data), 20)
    assert_allclose(alone.predict(X), expected, rtol=1e-9)


def test_each_target_has_a_width_of_its_own(data):
    Y = data.concentrations[:, :2] * [1.0, 100.0]
    model = stack(cv=2).fit(data.data, Y)
    lower, upper = model.predict_interval(data.data)
    widths = (upper - lower).mean(axis=0)
    assert widths[1] > 10 * widths[0]


@pytest.mark.parametrize("coverage", [0, 1, -0.5, 90, np.nan])
def test_a_coverage_is_a_part(data, alone, coverage):
    message = "'coverage' parameter of predict_interval must be a float in the range"
    with pytest.raises(ValueError, match=message):
        alone.predict_interval(data.data, coverage)
