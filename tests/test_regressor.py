"""SpectralRegressor: the pretrainer rule, targets in their units, no leak."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    PLSRegressionCV,
    SpectralRegressor,
)
from skspectra.datasets import make_nir_mixtures
from skspectra.exceptions import FewLabelsWarning

STRATEGIES = ["fine_tune", "probe"]


def small_pretrainer(**parameters):
    defaults = dict(
        patch_size=8,
        embed_dim=16,
        depth=1,
        n_heads=2,
        decoder_dim=16,
        decoder_n_heads=2,
        max_epochs=5,
    )
    return MaskedSpectralPretrainer(**{**defaults, **parameters})


def small(pretrainer=None, **parameters):
    pretrainer = small_pretrainer() if pretrainer is None else pretrainer
    defaults = dict(max_epochs=10, random_state=0)
    return SpectralRegressor(pretrainer, **{**defaults, **parameters})


@pytest.fixture(scope="module")
def data():
    return make_nir_mixtures(n_samples=120, n_channels=52, random_state=0)


@pytest.fixture(scope="module")
def frozen(data):
    return FrozenEstimator(small_pretrainer(random_state=1).fit(data.data))


def weights(module):
    return torch.cat([p.detach().ravel() for p in module.parameters()]).numpy()


# --- the pretrainer rule -------------------------------------------------------


def test_unfitted_pretrainer_is_fitted_on_exactly_the_spectra_of_fit(data):
    pretrainer = small_pretrainer(random_state=3)
    model = small(pretrainer).fit(data.data[:80], data.target[:80])
    by_hand = clone(pretrainer).fit(data.data[:80])
    assert (weights(model.pretrainer_.module_) == weights(by_hand.module_)).all()
    assert model.encoder_origin_ == "fit"
    assert not hasattr(pretrainer, "module_")


def test_frozen_pretrainer_keeps_its_weights_through_clone_and_grid(data, frozen):
    before = weights(frozen.module_)
    grid = GridSearchCV(small(frozen), {"lr": [1e-3, 1e-2]}, cv=2)
    model = grid.fit(data.data, data.target).best_estimator_
    assert (weights(model.pretrainer_.module_) == before).all()
    assert model.encoder_origin_ == "frozen"
    assert (weights(frozen.module_) == before).all()
    assert (weights(model.module_.encoder) != weights(frozen.module_.encoder)).any()


def test_what_becomes_of_a_frozen_pretrainer_later_does_not_reach_back(data):
    pretrainer = small_pretrainer(random_state=0).fit(data.data)
    model = small(FrozenEstimator(pretrainer)).fit(data.data, data.target)
    before = model.predict(data.data)
    pretrainer.fit(10 * data.data + 5)
    assert (model.predict(data.data) == before).all()


def test_max_epochs_zero_is_from_scratch(data):
    model = small(small_pretrainer(max_epochs=0)).fit(data.data, data.target)
    assert model.encoder_origin_ == "scratch"
    assert model.pretrainer_.loss_curve_ == []


def test_none_is_a_default_pretrainer(data, monkeypatch):
    seen = {}

    def fit(self, X, y=None):
        seen.update(self.get_params(), n_rows=len(X))
        return original(self.set_params(max_epochs=1), X)

    original = MaskedSpectralPretrainer.fit
    monkeypatch.setattr(MaskedSpectralPretrainer, "fit", fit)
    SpectralRegressor(max_epochs=1, random_state=0).fit(data.data, data.target)
    default = MaskedSpectralPretrainer().get_params()
    assert seen.pop("n_rows") == 120
    assert seen.pop("random_state") is not None
    assert seen == {k: v for k, v in default.items() if k != "random_state"}


def test_fitted_pretrainer_that_is_not_frozen_warns(data, frozen):
    with pytest.warns(UserWarning, match="FrozenEstimator"):
        model = small(frozen.estimator).fit(data.data, data.target)
    assert model.encoder_origin_ == "fit"
    assert model.pretrainer_ is not frozen.estimator


def test_unfitted_pretrainer_inside_frozen_estimator_is_an_error(data):
    with pytest.raises(NotFittedError, match="inside FrozenEstimator is not fitted"):
        small(FrozenEstimator(small_pretrainer())).fit(data.data, data.target)


def test_pretrainer_of_other_channels_is_an_error(data, frozen):
    message = "X has 40 channels, but the pretrainer was fitted on 52"
    with pytest.raises(ValueError, match=message):
        small(frozen).fit(data.data[:, :40], data.target)


def test_frozen_estimator_of_something_else_is_an_error(data):
    other = FrozenEstimator(Ridge().fit(data.data, data.target))
    with pytest.raises(TypeError, match="must hold a MaskedSpectralPretrainer"):
        small(other).fit(data.data, data.target)


def test_pretrained_and_scratch_are_one_grid_axis(data, frozen):
    grid = GridSearchCV(
        small(),
        {"pretrainer": [small_pretrainer(max_epochs=0), small_pretrainer(), frozen]},
        cv=2,
        error_score="raise",
    ).fit(data.data, data.target)
    assert len(set(grid.cv_results_["mean_test_score"])) == 3


def test_masks_encoders_and_losses_are_grid_axes(data):
    losses = ["mse", "mse+wasserstein", "mse+sinkhorn"]
    grid = GridSearchCV(
        small(strategy="probe"),
        [
            {
                "pretrainer__masking": ["random", "block", "self_guided"],
                "pretrainer__encoder": ["transformer"],
                "pretrainer__loss": losses,
            },
            {
                "pretrainer__masking": ["random", "block"],
                "pretrainer__encoder": ["state_space"],
                "pretrainer__loss": losses,
            },
        ],
        cv=2,
        error_score="raise",
    ).fit(data.data - data.data.min(), data.target)
    assert len(set(grid.cv_results_["mean_test_score"])) == 15


# --- learning ------------------------------------------------------------------


@pytest.mark.parametrize("hidden_tokens", ["drop", "replace"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_learns_mixtures(data, strategy, hidden_tokens):
    pretrainer = small_pretrainer(
        hidden_tokens=hidden_tokens, max_epochs=100, lr=3e-3, embed_dim=32
    )
    model = small(pretrainer, strategy=strategy, max_epochs=80, lr=3e-3)
    model.fit(data.data[:90], data.target[:90])
    assert r2_score(data.target[90:], model.predict(data.data[90:])) > 0.7


def test_both_strategies_see_the_fat_in_meat(real_spectra):
    meat = real_spectra("tecator")
    X, y = meat.X, meat.y[:, list(meat.target_names).index("fat")]
    train, test = next(GroupKFold(4).split(X, y, meat.groups))
    pretrainer = FrozenEstimator(
        small_pretrainer(max_epochs=100, lr=3e-3, random_state=0).fit(X[train])
    )
    for strategy in STRATEGIES:
        model = small(pretrainer, strategy=strategy, max_epochs=100, lr=3e-3)
        model.fit(X[train], y[train])
        assert r2_score(y[test], model.predict(X[test])) > 0.5


def test_the_probe_is_a_ridge_regression_on_the_embedding(data, frozen):
    model = small(frozen, strategy="probe", pooling="mean").fit(data.data, data.target)
    assert (weights(model.module_.encoder) == weights(frozen.module_.encoder)).all()
    embedding = frozen.transform(data.data).astype(float)
    embedding -= embedding.mean(axis=0)
    errors = [
        np.abs(
            Ridge(alpha).fit(embedding, data.target).predict(embedding)
            - model.predict(data.data)
        ).max()
        for alpha in np.logspace(-8, 2, 21) * (embedding**2).sum(axis=1).mean()
    ]
    assert min(errors) < 1e-4 * data.target.std()


@pytest.mark.parametrize("noise", [0.0, 0.1, 10.0])
def test_with_groups_the_probe_has_the_penalty_of_whole_groups(data, frozen, noise):
    y = data.target + noise * np.random.default_rng(0).normal(size=120)
    groups = np.arange(120) // 17
    model = small(frozen, strategy="probe", pooling="mean")
    model.fit(data.data, y, groups=groups)
    embedding = frozen.transform(data.data).astype(float)
    embedding -= embedding.mean(axis=0)
    embedding /= np.sqrt((embedding**2).sum(axis=1).mean())
    folds = list(GroupKFold(5).split(embedding, groups=groups))
    ridge = RidgeCV(np.logspace(-8, 2, 21), scoring="neg_mean_squared_error", cv=folds)
    ridge.fit(embedding, y)
    # `transform` gives float32: an error of 1e-7, amplified by a small penalty.
    np.testing.assert_allclose(
        model.predict(data.data), ridge.predict(embedding), atol=1e-3 * y.std()
    )


def test_the_probe_learns_from_groups_of_one_row(data, frozen):
    # The R² of a fold of one row is not defined, and cannot choose a penalty.
    rows, groups = slice(30), np.arange(30).astype(str)
    one = small(frozen, strategy="probe")
    one.fit(data.data[rows], data.target[rows], groups=groups)
    assert r2_score(data.target[30:], one.predict(data.data[30:])) > 0.5
    five = small(frozen, strategy="probe")
    five.fit(data.data[:5], data.target[:5], groups=groups[:5])
    assert np.abs(five.predict(data.data) - data.target).max() < 1


def test_augmentation_changes_the_training_and_not_the_prediction(data, frozen):
    plain = small(frozen).fit(data.data, data.target)
    disturbed = small(frozen, augmentation=1.0).fit(data.data, data.target)
    assert disturbed.loss_curve_ != plain.loss_curve_
    assert (disturbed.predict(data.data) == disturbed.predict(data.data)).all()


# --- targets -------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_units_of_y_do_not_matter(data, frozen, strategy):
    y = data.target
    one = small(frozen, strategy=strategy).fit(data.data, y)
    other = small(frozen, strategy=strategy).fit(data.data, 1e9 + 1e6 * y)
    np.testing.assert_allclose(
        other.predict(data.data), 1e9 + 1e6 * one.predict(data.data), rtol=1e-9
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_targets_come_back_in_the_shape_they_had(data, frozen, strategy):
    for y in (data.target, data.target[:, None], data.concentrations[:, :3]):
        model = small(frozen, strategy=strategy).fit(data.data, y)
        prediction = model.predict(data.data)
        assert prediction.shape == y.shape
        assert prediction.dtype == np.float64


def test_one_dimensional_targets_are_not_broadcast(data, frozen):
    # (n,) against (n, 1) would broadcast to (n, n) and learn the mean alone.
    flat = small(frozen, max_epochs=40, lr=1e-2).fit(data.data, data.target)
    column = small(frozen, max_epochs=40, lr=1e-2).fit(data.data, data.target[:, None])
    np.testing.assert_array_equal(
        flat.predict(data.data), column.predict(data.data).ravel()
    )
    assert flat.score(data.data, data.target) > 0.5


@pytest.mark.filterwarnings("ignore:y is constant:UserWarning")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_constant_targets_are_predicted_exactly(data, frozen, strategy):
    y = np.column_stack([np.full(120, 0.1), data.target])
    prediction = small(frozen, strategy=strategy).fit(data.data, y).predict(data.data)
    assert (prediction[:, 0] == 0.1).all()
    assert np.ptp(prediction[:, 1]) > 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_unlabelled_rows_join_the_pretraining_and_nothing_else(data, strategy):
    y = data.target.copy()
    y[60:] = np.nan
    model = small(strategy=strategy).fit(data.data, y)
    pretrainer = model.pretrainer_
    assert (
        weights(pretrainer.module_) == weights(clone(pretrainer).fit(data.data).module_)
    ).all()
    labelled = small(FrozenEstimator(pretrainer), strategy=strategy)
    labelled.fit(data.data[:60], y[:60])
    np.testing.assert_allclose(
        model.predict(data.data), labelled.predict(data.data), rtol=1e-9
    )


def test_partly_known_rows_train_the_targets_they_have(data, frozen):
    Y = data.concentrations[:, :2].copy()
    Y[:60, 0] = np.nan
    model = small(frozen, strategy="probe").fit(data.data, Y)
    first = small(frozen, strategy="probe").fit(data.data[60:], Y[60:, 0])
    second = small(frozen, strategy="probe").fit(data.data, Y[:, 1])
    expected = np.column_stack([first.predict(data.data), second.predict(data.data)])
    np.testing.assert_allclose(model.predict(data.data), expected, atol=1e-5)


@pytest.mark.parametrize(
    "y, message",
    [
        (None, "requires y to be passed"),
        (np.full(120, np.inf), "Input y contains infinity"),
        (np.full(120, np.nan), "at least 2 reference values"),
        (np.r_[1.0, np.full(119, np.nan)], "Got 1 among n_samples=120"),
        (np.r_[1e300, -1e300, np.zeros(118)], "y holds values beyond 1e"),
        (np.zeros(119), "inconsistent numbers of samples"),
    ],
)
def test_bad_targets_get_one_clear_sentence(data, frozen, y, message):
    with pytest.raises(ValueError, match=message):
        small(frozen).fit(data.data, y)


# --- early stopping ------------------------------------------------------------


def test_early_stopping_returns_to_the_best_epoch(data, frozen):
    y = np.random.default_rng(0).permutation(data.target)  # nothing to learn
    split = dict(X_val=data.data[90:], y_val=y[90:])
    model = small(
        frozen, early_stopping=True, max_epochs=200, n_iter_no_change=5, lr=1e-2
    ).fit(data.data[:90], y[:90], **split)
    assert model.n_iter_ < 200
    best = int(np.argmax(model.validation_scores_))
    assert model.n_iter_ == best + 1 + 5
    error = (model.predict(split["X_val"]) - split["y_val"]) / model.y_scale_
    assert np.mean(error**2) == pytest.approx(-max(model.validation_scores_), rel=1e-4)


def test_early_stopping_undoes_a_training_that_only_makes_things_worse(data, frozen):
    split = dict(X_val=data.data[90:], y_val=data.target[90:])
    probe = small(frozen, strategy="probe").fit(data.data[:90], data.target[:90])
    model = small(frozen, early_stopping=True, lr=1.0, n_iter_no_change=3)
    model.fit(data.data[:90], data.target[:90], **split)
    assert model.n_iter_ == 3
    np.testing.assert_array_equal(model.predict(data.data), probe.predict(data.data))


def test_skorch_early_stopping_is_refused_and_not_taken_for_ctrl_c(data, frozen):
    from skorch.callbacks import EarlyStopping

    with pytest.raises(ValueError, match="callbacks must not hold skorch's"):
        small(frozen, callbacks=[EarlyStopping()]).fit(data.data, data.target)


def test_validation_rows_are_shuffled_seeded_and_never_trained_on(data, frozen):
    from skspectra._supervised import validation_rows

    rows = [validation_rows(50, None, 0.2, np.random.RandomState(s)) for s in (0, 0, 1)]
    assert rows[0].sum() == 10
    assert (rows[0] == rows[1]).all()
    assert (rows[0] != rows[2]).any()
    assert 0 < rows[0][:10].sum() < 10  # neither the first nor the last rows

    groups = np.repeat(np.arange(10), 5)
    aside = validation_rows(50, groups, 0.2, np.random.RandomState(0))
    assert not set(groups[aside]) & set(groups[~aside])
    assert len(set(groups[aside])) == 2


def test_groups_reach_the_split_of_early_stopping(data, frozen, monkeypatch):
    from skspectra import _supervised

    seen = {}

    def train(build, rows, *, validation, **parameters):
        spectra = (each.tensors[0].numpy() for each in (rows, validation))
        seen.update(zip(("x", "x_val"), spectra, strict=True))
        return original(build, rows, validation=validation, **parameters)

    original = _supervised.train
    monkeypatch.setattr(_supervised, "train", train)
    X = np.repeat(data.data[:30], 4, axis=0)  # four scans of each sample
    y, groups = np.repeat(data.target[:30], 4), np.repeat(np.arange(30), 4)
    model = small(frozen, early_stopping=True, validation_fraction=0.3)
    model.fit(X, y, groups=groups)
    assert len(seen["x"]) + len(seen["x_val"]) == 120
    assert not {row.tobytes() for row in seen["x"]} & {
        row.tobytes() for row in seen["x_val"]
    }


@pytest.mark.parametrize(
    "parameters, arguments, message",
    [
        (dict(early_stopping=True), dict(X_val=1), "X_val was passed, but y_val was"),
        (dict(early_stopping=True), dict(y_val=1), "y_val was passed, but X_val was"),
        (dict(), dict(X_val=1, y_val=1), "pass them with early_stopping=True"),
        (
            dict(early_stopping=True, strategy="probe"),
            dict(X_val=1, y_val=1),
            "and strategy='fine_tune'",
        ),
        (
            dict(early_stopping=True, validation_fraction=0.99),
            dict(),
            "leaves too little to train on: there are 120 labelled rows",
        ),
        (
            dict(early_stopping=True),
            dict(groups=np.zeros(120)),
            "there are 1 labelled groups",
        ),
        (dict(), dict(groups=np.zeros(7)), "inconsistent numbers of samples"),
        (
            dict(early_stopping=True),
            dict(X_val=np.zeros((2, 52)), y_val=np.full(2, np.nan)),
            "y_val holds no reference value",
        ),
    ],
)
def test_bad_validation_gets_one_clear_sentence(
    data, frozen, parameters, arguments, message
):
    with pytest.raises(ValueError, match=message):
        small(frozen, **parameters).fit(data.data, data.target, **arguments)


# --- the contract's traps --------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_prediction_does_not_depend_on_its_company(data, frozen, strategy):
    model = small(frozen, strategy=strategy).fit(data.data, data.target)
    X = np.vstack([data.data, data.data])  # more rows than one batch
    together = model.predict(X)
    alone = np.concatenate([model.predict(x[None]) for x in X[:70]])
    np.testing.assert_allclose(together[:70], alone, rtol=1e-12)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(model.predict(X[order]), together[order], rtol=1e-12)


def test_tables_and_arrays_of_any_float_give_the_same(data):
    X = data.data.astype(np.float32)
    model = small().fit(X, data.target)
    for other in (X.astype(float), pd.DataFrame(X), np.asfortranarray(X), X.tolist()):
        again = small().fit(other, pd.Series(data.target))
        np.testing.assert_array_equal(again.predict(other), model.predict(X))


def test_reversed_wavelengths_are_refused_where_an_axis_is_given(data):
    axis = np.linspace(1100.0, 2500.0, 52)
    table = pd.DataFrame(data.data, columns=axis)
    model = small(small_pretrainer(x_axis=axis)).fit(table, data.target)
    model.predict(table)
    with pytest.raises(ValueError, match="the axis of SpectralRegressor from"):
        model.predict(table.iloc[:, ::-1])
    with pytest.raises(ValueError, match="the axis of"):
        small(small_pretrainer(x_axis=axis)).fit(table.iloc[:, ::-1], data.target)
    with pytest.raises(ValueError, match="the axis of"):
        stopping = small(small_pretrainer(x_axis=axis), early_stopping=True)
        stopping.fit(table, data.target, X_val=table.iloc[:, ::-1], y_val=data.target)


@pytest.mark.parametrize("fails", [False, True])
def test_global_generators_and_threads_are_left_as_they_were(data, fails):
    before = np.random.get_state(), torch.get_rng_state()
    threads = torch.get_num_threads()
    model = small(lr=1e30 if fails else 1e-3, warmup=0.0, random_state=None)
    if fails:
        with pytest.raises(FloatingPointError):
            model.fit(data.data, data.target)
    else:
        model.fit(data.data, data.target).predict(data.data)
    np.testing.assert_equal(np.random.get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.get_num_threads() == threads


def test_the_seed_alone_decides(data):
    fit = [small().fit(data.data, data.target).predict(data.data)]
    torch.manual_seed(99)
    np.random.seed(99)
    fit.append(small().fit(data.data, data.target).predict(data.data))
    fit.append(small(random_state=1).fit(data.data, data.target).predict(data.data))
    assert (fit[0] == fit[1]).all()
    assert (fit[0] != fit[2]).any()


def test_trainings_in_threads_do_not_disturb_each_other(data):
    def fit(seed):
        model = small(random_state=seed).fit(data.data, data.target)
        return model.predict(data.data)

    alone = [fit(seed) for seed in range(4)]
    with joblib.parallel_config("threading", n_jobs=4):
        together = joblib.Parallel()(joblib.delayed(fit)(seed) for seed in range(4))
    np.testing.assert_array_equal(alone, together)


def test_predictions_in_threads_share_one_model(data, frozen):
    model = small(frozen).fit(data.data, data.target)
    alone = model.predict(data.data)
    with joblib.parallel_config("threading", n_jobs=4):
        together = joblib.Parallel()(
            joblib.delayed(model.predict)(data.data) for _ in range(40)
        )
    assert all((predicted == alone).all() for predicted in together)
    assert {p.dtype for p in model.module_.parameters()} == {torch.float32}


def test_groups_arrive_by_metadata_routing(data, frozen):
    groups = np.repeat(np.arange(40), 3)
    with sklearn.config_context(enable_metadata_routing=True):
        model = small(frozen, early_stopping=True, validation_fraction=0.2)
        scores = cross_validate(
            model.set_fit_request(groups=True),
            data.data,
            data.target,
            params={"groups": groups},
            cv=GroupKFold(2),
            error_score="raise",
        )["test_score"]
    train, test = next(GroupKFold(2).split(data.data, groups=groups))
    by_hand = clone(model).fit(
        data.data[train], data.target[train], groups=groups[train]
    )
    assert scores[0] == by_hand.score(data.data[test], data.target[test])


@pytest.mark.parametrize("how", ["pickle", "joblib"])
def test_round_trips_keep_every_prediction(data, frozen, how, tmp_path):
    model = small(frozen).fit(data.data, data.target)
    if how == "pickle":
        again = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
    assert (again.predict(data.data) == model.predict(data.data)).all()


def test_nothing_of_the_training_loop_survives(data):
    model = small().fit(data.data, data.target)
    assert b"skorch." not in pickle.dumps(model)  # its version is recorded
    assert not any(module.training for module in model.module_.modules())
    assert all(p.grad is None for p in model.module_.parameters())


def test_a_failing_second_fit_leaves_no_mixture(data, frozen):
    model = small(frozen).fit(data.data, data.target)
    with pytest.raises(ValueError, match="without a missing one"):
        model.fit(np.full_like(data.data, np.nan), data.target)
    with pytest.raises(NotFittedError):
        model.predict(data.data)


# --- grids -----------------------------------------------------------------------


@pytest.mark.parametrize("last", [Ridge(), PLSRegressionCV(5)], ids=["ridge", "pls"])
def test_grid_over_the_pretrainer_in_a_pipeline(data, last):
    pipeline = make_pipeline(
        InstanceNormalizer(), small_pretrainer(random_state=0), last
    )
    axes = {
        "maskedspectralpretrainer__mask_ratio": [0.3, 0.6],
        "maskedspectralpretrainer__patch_size": [4, 13],
    }
    winners = [
        GridSearchCV(pipeline, axes, cv=2, n_jobs=n_jobs, error_score="raise")
        .fit(data.data, data.target)
        .best_params_
        for n_jobs in (1, 2)
    ]
    assert winners[0] == winners[1]


def test_grid_over_the_pretrainer_of_a_regressor(data):
    axes = {"pretrainer__mask_ratio": [0.3, 0.6], "pretrainer__patch_size": [4, 13]}
    grids = [
        GridSearchCV(small(), axes, cv=2, n_jobs=n_jobs, error_score="raise").fit(
            data.data, data.target
        )
        for n_jobs in (1, 2)
    ]
    assert grids[0].best_params_ == grids[1].best_params_
    scores = [grid.cv_results_["mean_test_score"] for grid in grids]
    np.testing.assert_allclose(*scores, rtol=1e-4)


def test_grid_over_pls_scratch_and_pretrained(data):
    from sklearn.pipeline import Pipeline

    grid = GridSearchCV(
        Pipeline([("snv", InstanceNormalizer()), ("model", PLSRegressionCV())]),
        {
            "model": [
                PLSRegressionCV(),
                small(small_pretrainer(max_epochs=0)),
                small(),
            ]
        },
        cv=3,
        n_jobs=2,
        error_score="raise",
    ).fit(data.data, data.target)
    scores = grid.cv_results_["mean_test_score"]
    assert len(set(scores)) == 3
    assert grid.best_params_ == grid.cv_results_["params"][int(np.argmax(scores))]


def test_grouped_cross_validation_gives_the_same_as_by_hand(data):
    groups = np.repeat(np.arange(40), 3)
    cv = GroupKFold(2)
    predicted = cross_val_predict(small(), data.data, data.target, groups=groups, cv=cv)
    for train, test in cv.split(data.data, groups=groups):
        by_hand = small().fit(data.data[train], data.target[train])
        np.testing.assert_array_equal(predicted[test], by_hand.predict(data.data[test]))


# --- few labels ------------------------------------------------------------------


def warned(data, n_labelled, **parameters):
    """Fit on some labels, the other rows unlabelled; return what was warned of."""
    y = np.where(np.arange(120) < n_labelled, data.target, np.nan)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small(small_pretrainer(max_epochs=0), max_epochs=1, **parameters).fit(
            data.data, y
        )
    return [each for each in caught if each.category is FewLabelsWarning]


def test_fine_tuning_on_few_labels_warns_once_and_names_numbers_and_remedies(data):
    (found,) = warned(data, 99)
    for words in (
        "on 99 labelled rows",
        "fewer than about 100 a",
        "SpectralStackingRegressor",
        "or PLS",
        "skspectra.exceptions.FewLabelsWarning",
    ):
        assert words in str(found.message)
    assert found.filename == __file__
    assert issubclass(FewLabelsWarning, UserWarning)


@pytest.mark.parametrize(
    "n_labelled, parameters", [(100, {}), (120, {}), (20, {"strategy": "probe"})]
)
def test_enough_labels_or_a_probe_are_not_warned_of(data, n_labelled, parameters):
    assert warned(data, n_labelled, **parameters) == []


def test_a_row_with_one_of_two_targets_counts_as_labelled(data):
    y = np.column_stack([data.target, data.target])
    y[:60, 0] = y[60:, 1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(small_pretrainer(max_epochs=0), max_epochs=1).fit(data.data, y)


def test_the_warning_of_few_labels_is_silenced_by_its_class(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", FewLabelsWarning)
        small(max_epochs=1).fit(data.data[:20], data.target[:20])
