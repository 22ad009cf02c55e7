"""SpectralClassifier: classes, labels, probabilities, and the pretrainer rule."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralClassifier,
    SpectralRegressor,
    nn,
)
from skspectra._supervised import validation_rows
from skspectra.datasets import make_nir_mixtures

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
    return SpectralClassifier(pretrainer, **{**defaults, **parameters})


@pytest.fixture(scope="module")
def data():
    """Mixtures, the class being the component of which there is most."""
    mixtures = make_nir_mixtures(n_samples=120, n_channels=52, random_state=0)
    parts = mixtures.concentrations / mixtures.concentrations.mean(axis=0)
    names = np.array(["water", "starch", "oil", "sugar", "salt", "fibre"])
    mixtures.labels = (parts > 1).astype(int)
    mixtures.classes = names[parts[:, :3].argmax(axis=1)]
    return mixtures


@pytest.fixture(scope="module")
def frozen(data):
    return FrozenEstimator(small_pretrainer(random_state=1).fit(data.data))


def weights(module):
    return torch.cat([p.detach().ravel() for p in module.parameters()]).numpy()


# --- learning ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["every", "one", "two each", "labels"])
def test_classes_of_few_groups_are_told_too(data, frozen, kind):
    # A batch a variety: left out with its group, a class would be unknown, its scores
    # the lowest, and the map turned upside down.
    y, rows = data.classes, np.arange(len(data.classes))
    groups = {
        "every": y,
        "one": np.where(y == "oil", "oil", rows.astype(str)),
        "two each": np.char.add(y, (rows % 2).astype(str)),
        "labels": np.where(data.labels[:, 0] == 1, "all", rows.astype(str)),
    }[kind]
    y = data.labels if kind == "labels" else y
    train, test = rows < 80, rows >= 80
    model = small(frozen, strategy="probe")
    found = model.fit(data.data[train], y[train], groups=groups[train])
    right = found.predict(data.data[test]) == y[test]
    alone = model.fit(data.data[train], y[train]).predict(data.data[test]) == y[test]
    assert right.mean() > alone.mean() - 0.15
    assert right.mean() > 0.6  # the most frequent class: 0.4 of the rows at most


def test_a_class_of_one_row_is_told_where_it_stands_out(data, frozen):
    X, y = data.data.copy(), data.classes.copy()
    X[7] += 3 * np.sin(np.arange(X.shape[1]))
    y[7] = "steel"
    model = small(frozen, strategy="probe").fit(X, y)
    assert model.predict(X[[7]])[0] == "steel"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_learns_classes_far_better_than_the_most_frequent(data, strategy):
    pretrainer = small_pretrainer(max_epochs=60, lr=3e-3, embed_dim=32)
    model = small(pretrainer, strategy=strategy, max_epochs=60, lr=3e-3)
    model.fit(data.data[:90], data.classes[:90])
    test = data.classes[90:]
    most_frequent = max(np.mean(test == name) for name in model.classes_)
    errors = 1 - model.score(data.data[90:], test)
    assert errors < 0.5 * (1 - most_frequent)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_learns_labels_far_better_than_their_frequency(data, strategy):
    pretrainer = small_pretrainer(max_epochs=60, lr=3e-3, embed_dim=32)
    model = small(pretrainer, strategy=strategy, max_epochs=60, lr=3e-3)
    model.fit(data.data[:90], data.labels[:90])
    Y, Y_hat = data.labels[90:], model.predict(data.data[90:])
    wrong, guessed = np.mean(Y_hat != Y), np.minimum(Y.mean(0), 1 - Y.mean(0)).mean()
    assert wrong < 0.5 * guessed


def test_it_tells_coffees_apart_no_worse_than_logistic_regression(real_spectra):
    coffee = real_spectra("coffee_origin_mir")
    X, y = coffee.X.astype(float), coffee.class_origin
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    models = [
        make_pipeline(InstanceNormalizer(), last)
        for last in (
            LogisticRegression(max_iter=5000),
            small(small_pretrainer(patch_size=40), strategy="probe"),
            small(small_pretrainer(patch_size=40)),
        )
    ]
    raw, *ours = (cross_val_predict(model, X, y, cv=folds) for model in models)
    for predicted in ours:
        assert accuracy_score(y, predicted) >= accuracy_score(y, raw)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_tells_fruit_better_than_the_most_frequent(real_spectra, strategy):
    fruit = real_spectra("fruit_puree_mir")
    X, y = InstanceNormalizer().fit_transform(fruit.X), fruit.class_strawberry
    rows = np.random.default_rng(0).permutation(len(X))
    train, test = rows[:300], rows[300:]
    model = small(small_pretrainer(max_epochs=20, lr=3e-3), strategy=strategy)
    model.fit(X[train], y[train])
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    plain.fit(X[train], y[train])
    # 64 of 100 are no strawberries. Two binomial standard errors of 683 rows are 0.02.
    assert model.score(X[test], y[test]) > plain.score(X[test], y[test]) - 0.02
    # Probabilities are worth something: frequencies alone have 0.65.
    assert log_loss(y[test], model.predict_proba(X[test])) < 0.3


# --- the probe against scikit-learn ------------------------------------------------


def ridge_by_hand(features, y, folds):
    """Return left-out ridge scores and the fitted ridge, by cross-validated grid."""
    centred = features - features.mean(axis=0)
    grid = np.logspace(-8, 2, 21) * (centred**2).sum(axis=1).mean()
    search = GridSearchCV(
        Ridge(solver="svd"), {"alpha": grid}, scoring="neg_mean_squared_error", cv=folds
    ).fit(centred, y)
    best = search.best_estimator_
    return cross_val_predict(best, centred, y, cv=folds), best.predict(centred)


def folds_of(labels, n_folds=5):
    """Deal rows, sorted by class, out to folds as cards are dealt to players."""
    fold = np.empty(len(labels), dtype=int)
    fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % n_folds
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(5)]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_probe_is_a_logistic_regression_on_ridge_scores(data, frozen, n_classes):
    names = np.unique(data.classes)[:n_classes]
    rows = np.flatnonzero(np.isin(data.classes, names))
    rows = rows[: len(rows) // 5 * 5]  # folds of one size weigh the same in a grid
    X, y = data.data[rows], data.classes[rows]
    model = small(frozen, strategy="probe", pooling="mean").fit(X, y)
    assert (weights(model.module_.encoder) == weights(frozen.module_.encoder)).all()
    features, folds = frozen.transform(X).astype(float), folds_of(y)
    columns = [
        ridge_by_hand(features, (y == name).astype(float), folds) for name in names
    ]
    left_out, fitted = (np.column_stack(part) for part in zip(*columns, strict=True))
    logistic = LogisticRegression(C=10.0, tol=1e-6, max_iter=1000).fit(left_out, y)
    # The embedding is rounded to float32, and both solvers stop at a tolerance.
    np.testing.assert_allclose(
        model.predict_proba(X), logistic.predict_proba(fitted), atol=5e-3
    )


def test_the_probe_of_labels_is_a_logistic_regression_of_each(data, frozen):
    X, y = data.data, data.labels[:, [0, 1]]
    model = small(frozen, strategy="probe", pooling="mean").fit(X, y)
    features, folds = frozen.transform(X).astype(float), folds_of(y.sum(axis=1))
    for label, proba in zip(y.T, model.predict_proba(X).T, strict=True):
        left_out, fitted = ridge_by_hand(features, label.astype(float), folds)
        logistic = LogisticRegression(C=10.0, tol=1e-6).fit(left_out[:, None], label)
        expected = logistic.predict_proba(fitted[:, None])[:, 1]
        np.testing.assert_allclose(proba, expected, atol=5e-3)


def test_fine_tuning_starts_from_the_probe(data, frozen):
    probe = small(frozen, strategy="probe").fit(data.data, data.classes)
    barely = small(frozen, lr=1e-12, max_epochs=1).fit(data.data, data.classes)
    # The network trains in float32.
    np.testing.assert_allclose(
        barely.predict_proba(data.data), probe.predict_proba(data.data), atol=1e-5
    )
    # So the first epoch's loss is the cross entropy of the probe.
    expected = log_loss(data.classes, probe.predict_proba(data.data))
    assert barely.loss_curve_[0] == pytest.approx(expected, rel=1e-3)


def test_the_loss_of_labels_is_their_mean_cross_entropy(data, frozen):
    probe = small(frozen, strategy="probe").fit(data.data, data.labels)
    barely = small(frozen, lr=1e-12, max_epochs=1).fit(data.data, data.labels)
    proba, Y = probe.predict_proba(data.data), data.labels
    expected = np.mean([log_loss(y, p) for y, p in zip(Y.T, proba.T, strict=True)])
    assert barely.loss_curve_[0] == pytest.approx(expected, rel=1e-3)


# --- losses ---------------------------------------------------------------------


def test_losses_are_those_of_scikit_learn_over_what_is_known():
    rng = np.random.default_rng(0)
    logits, classes = rng.normal(size=(8, 3)), rng.integers(3, size=8)
    target = np.eye(3)[classes]
    target[:2] = np.nan
    tensors = torch.tensor(logits), torch.tensor(target)
    loss = nn.masked_cross_entropy(*tensors, ~tensors[1].isnan())
    expected = log_loss(classes[2:], softmax(logits[2:], axis=1), labels=[0, 1, 2])
    assert loss.item() == pytest.approx(expected)

    labels = rng.integers(2, size=(8, 3)).astype(float)
    labels[:4, 0] = np.nan
    tensors = torch.tensor(logits), torch.tensor(labels)
    loss = nn.masked_binary_cross_entropy(*tensors, ~tensors[1].isnan())
    known = ~np.isnan(labels)
    expected = log_loss(labels[known], expit(logits[known]))
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    "loss", [nn.masked_cross_entropy, nn.masked_binary_cross_entropy]
)
def test_what_is_unknown_sends_no_gradient(loss):
    logits = torch.randn(4, 3, requires_grad=True)
    target = torch.eye(3)[[0, 1, 2, 0]]
    target[1] = torch.nan
    value = loss(logits, target, ~target.isnan())
    value.backward()
    assert value.isfinite()
    assert (logits.grad[1] == 0).all()
    assert (logits.grad[[0, 2, 3]] != 0).all()
    assert loss(logits, target * torch.nan, torch.zeros(4, 3).bool()) == 0


# --- classes and labels -----------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "names", [["b", "a", "c"], [-1, 1, 7], [1.0, 2.0, 3.0], [True, False, True]]
)
def test_classes_of_any_type_come_back_as_they_were(data, frozen, strategy, names):
    y = np.array(names)[np.unique(data.classes, return_inverse=True)[1]]
    model = small(frozen, strategy=strategy).fit(data.data, y)
    assert (model.classes_ == np.unique(y)).all()
    predicted, proba = model.predict(data.data), model.predict_proba(data.data)
    assert predicted.dtype == y.dtype
    assert proba.shape == (120, len(model.classes_))
    # Sums of at most three rounded float64 numbers.
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-14)
    assert (predicted == model.classes_[proba.argmax(axis=1)]).all()


def test_names_of_classes_do_not_matter(data, frozen):
    numbers = np.unique(data.classes, return_inverse=True)[1]
    one = small(frozen).fit(data.data, data.classes)
    other = small(frozen).fit(data.data, 10 * numbers - 1)
    np.testing.assert_array_equal(
        one.predict_proba(data.data), other.predict_proba(data.data)
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_labels_are_predicted_one_by_one(data, frozen, strategy):
    model = small(frozen, strategy=strategy).fit(data.data, data.labels)
    proba, n_labels = model.predict_proba(data.data), data.labels.shape[1]
    assert (model.classes_ == np.arange(n_labels)).all()
    assert proba.shape == data.labels.shape
    assert ((proba > 0) & (proba < 1)).all()
    assert (model.predict(data.data) == (proba > 0.5)).all()
    assert model.predict(data.data).dtype.kind == "i"
    whole_rows = (model.predict(data.data) == data.labels).all(axis=1)
    assert model.score(data.data, data.labels) == whole_rows.mean()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_label_that_all_rows_have_is_predicted_for_all(data, frozen, strategy):
    Y = np.column_stack([np.ones(120), np.zeros(120), data.labels[:, 0]])
    predicted = small(frozen, strategy=strategy).fit(data.data, Y).predict(data.data)
    assert (predicted[:, 0] == 1).all()
    assert (predicted[:, 1] == 0).all()
    assert 0 < predicted[:, 2].mean() < 1


def test_decision_function_and_probabilities_say_the_same(data, frozen):
    model = small(frozen)
    for y in (data.classes, data.labels, data.classes == "oil"):
        model.fit(data.data, y)
        decision, proba = (
            model.decision_function(data.data),
            model.predict_proba(data.data),
        )
        if decision.ndim == 1:
            np.testing.assert_allclose(expit(decision), proba[:, 1])
        else:
            link = expit if y.ndim == 2 else lambda odds: softmax(odds, axis=1)
            np.testing.assert_allclose(link(decision), proba)


# --- rows and labels that are not known ---------------------------------------------


def without_second_half(classes, how):
    gaps = np.arange(120) >= 60
    if how == "float":
        numbers = np.unique(classes, return_inverse=True)[1].astype(float)
        return np.where(gaps, np.nan, numbers)
    if how == "series":
        return pd.Series(classes).mask(gaps)
    if how == "nullable":
        numbers = pd.Series(np.unique(classes, return_inverse=True)[1], dtype="Int64")
        return numbers.mask(gaps)
    filler = None if how == "None" else np.nan
    y = [filler if gap else str(name) for gap, name in zip(gaps, classes, strict=True)]
    return y if how == "list" else np.array(y, dtype=object)


@pytest.mark.parametrize("how", ["None", "NaN", "list", "float", "series", "nullable"])
def test_unlabelled_rows_join_the_pretraining_and_nothing_else(data, how):
    y = without_second_half(data.classes, how)
    model = small().fit(data.data, y)
    pretrainer = model.pretrainer_
    assert len(model.classes_) == 3
    by_hand = clone(pretrainer).fit(data.data)
    assert (weights(pretrainer.module_) == weights(by_hand.module_)).all()
    few = clone(pretrainer).fit(data.data[:60])
    assert (weights(pretrainer.module_) != weights(few.module_)).any()
    labelled = small(FrozenEstimator(pretrainer)).fit(data.data[:60], y[:60])
    np.testing.assert_allclose(
        model.predict_proba(data.data), labelled.predict_proba(data.data), rtol=1e-9
    )


def test_rows_without_any_label_join_the_pretraining_and_nothing_else(data):
    Y = data.labels.astype(float)
    Y[60:] = np.nan
    model = small().fit(data.data, Y)
    pretrainer = model.pretrainer_
    by_hand = clone(pretrainer).fit(data.data)
    assert (weights(pretrainer.module_) == weights(by_hand.module_)).all()
    labelled = small(FrozenEstimator(pretrainer)).fit(data.data[:60], Y[:60])
    np.testing.assert_allclose(
        model.predict_proba(data.data), labelled.predict_proba(data.data), rtol=1e-9
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_minus_one_is_a_class_and_no_gap(data, frozen, strategy):
    y = np.where(data.classes == "oil", 1, -1)
    model = small(frozen, strategy=strategy).fit(data.data, y)
    assert model.classes_.tolist() == [-1, 1]


def test_partly_known_labels_train_what_they_have(data, frozen):
    Y = data.labels[:, :2].astype(float)
    Y[:60, 0] = np.nan
    model = small(frozen, strategy="probe").fit(data.data, Y)
    pairs = [(data.data[60:], Y[60:, 0]), (data.data, Y[:, 1])]
    for column, (X, y) in enumerate(pairs):
        # The same label twice is two labels of one kind.
        alone = small(frozen, strategy="probe").fit(X, np.column_stack([y, y]))
        np.testing.assert_allclose(
            model.predict_proba(data.data)[:, column],
            alone.predict_proba(data.data)[:, 0],
            atol=1e-5,  # the head is kept in float32
        )


def test_fine_tuning_ignores_labels_that_are_not_known(data, frozen):
    # What is unknown of a label must not matter, whatever a guess would have been.
    Y = data.labels.astype(float)
    Y[::2, 0] = np.nan
    model = small(frozen).fit(data.data, Y)
    assert np.isfinite(model.loss_curve_).all()
    assert model.predict(data.data).shape == Y.shape
    table = pd.DataFrame(Y).astype(object).where(~np.isnan(Y), None)
    again = small(frozen).fit(data.data, table)
    np.testing.assert_array_equal(
        again.predict_proba(data.data), model.predict_proba(data.data)
    )


# --- the pretrainer rule -------------------------------------------------------


def test_frozen_pretrainer_keeps_its_weights_through_clone_and_grid(data, frozen):
    before = weights(frozen.module_)
    grid = GridSearchCV(
        small(),
        {"pretrainer": [small_pretrainer(max_epochs=0), small_pretrainer(), frozen]},
        cv=2,
        scoring="neg_log_loss",
        error_score="raise",
    ).fit(data.data, data.classes)
    assert len(set(grid.cv_results_["mean_test_score"])) == 3
    model = clone(small(frozen)).fit(data.data, data.classes)
    assert model.encoder_origin_ == "frozen"
    assert (weights(model.pretrainer_.module_) == before).all()
    assert (weights(frozen.module_) == before).all()
    tuned, as_it_was = model.module_.encoder, frozen.module_.encoder
    assert (weights(tuned) != weights(as_it_was)).any()


def test_an_unfitted_pretrainer_is_fitted_on_the_spectra_of_fit(data):
    model = small(small_pretrainer(random_state=3)).fit(data.data, data.classes)
    by_hand = small_pretrainer(random_state=3).fit(data.data)
    assert (weights(model.pretrainer_.module_) == weights(by_hand.module_)).all()
    assert model.encoder_origin_ == "fit"
    scratch = small(small_pretrainer(max_epochs=0)).fit(data.data, data.classes)
    assert scratch.encoder_origin_ == "scratch"


def test_a_fitted_pretrainer_that_is_not_frozen_warns_at_the_callers_line(data, frozen):
    with pytest.warns(UserWarning, match="FrozenEstimator") as warned:
        small(frozen.estimator).fit(data.data, data.classes)
    assert warned[0].filename == __file__


def test_parameters_are_those_of_the_regressor():
    assert SpectralClassifier().get_params() == SpectralRegressor().get_params()


# --- early stopping ------------------------------------------------------------


def test_early_stopping_returns_to_the_best_epoch(data, frozen):
    y = np.random.default_rng(0).permutation(data.classes)  # nothing to learn
    split = dict(X_val=data.data[90:], y_val=y[90:])
    model = small(
        frozen, early_stopping=True, max_epochs=200, n_iter_no_change=5, lr=1e-2
    ).fit(data.data[:90], y[:90], **split)
    assert model.n_iter_ == len(model.validation_scores_) < 200
    loss = log_loss(y[90:], model.predict_proba(data.data[90:]))
    probe = small(frozen, strategy="probe").fit(data.data[:90], y[:90])
    start = log_loss(y[90:], probe.predict_proba(data.data[90:]))
    assert loss == pytest.approx(min(start, -max(model.validation_scores_)), rel=1e-4)


def test_rows_set_aside_hold_the_classes_as_often_as_all_rows():
    classes = np.repeat([0, 1, 2, 3], [50, 30, 15, 5])
    rng = np.random.RandomState
    aside = validation_rows(100, None, 0.2, rng(0), classes)
    assert np.bincount(classes[aside]).tolist() == [10, 6, 3, 1]
    again, other = (validation_rows(100, None, 0.2, rng(i), classes) for i in (0, 1))
    assert (aside == again).all()
    assert (aside != other).any()
    groups = np.arange(100) // 5
    aside = validation_rows(100, groups, 0.2, rng(0), classes)
    assert not set(groups[aside]) & set(groups[~aside])
    assert aside.sum() == 20


def test_groups_stay_together_in_early_stopping(data, frozen, monkeypatch):
    from skspectra import _supervised

    seen = {}

    def train(build, rows, *, validation, **parameters):
        spectra = (each.tensors[0].numpy() for each in (rows, validation))
        seen.update(zip(("x", "x_val"), spectra, strict=True))
        return original(build, rows, validation=validation, **parameters)

    original = _supervised.train
    monkeypatch.setattr(_supervised, "train", train)
    X, y = np.repeat(data.data[:30], 4, axis=0), np.repeat(data.classes[:30], 4)
    model = small(frozen, early_stopping=True, validation_fraction=0.3)
    model.fit(X, y, groups=np.repeat(np.arange(30), 4))
    assert len(seen["x"]) + len(seen["x_val"]) == 120
    assert not {row.tobytes() for row in seen["x"]} & {
        row.tobytes() for row in seen["x_val"]
    }


def test_groups_stay_together_in_the_choice_of_the_probe(data, frozen):
    # Ten spectra, each ten times: with rows left out one by one, every held-out row
    # has its copies in training, and the probabilities become surer than is right.
    rng = np.random.default_rng(0)
    y, groups = rng.integers(2, size=20), np.repeat(np.arange(20), 6)
    X = data.data[:20][groups] + 1e-6 * rng.normal(size=(120, 52))
    blind = small(frozen, strategy="probe").fit(X, y[groups])
    aware = small(frozen, strategy="probe").fit(X, y[groups], groups=groups)
    surest = [m.predict_proba(data.data[20:]).max(axis=1) for m in (blind, aware)]
    assert surest[1].mean() < surest[0].mean() - 0.1


def test_a_class_whose_only_row_is_set_aside_stays_a_class(data, frozen):
    y = np.where(np.arange(120) == 5, "rare", data.classes)
    model = small(frozen, early_stopping=True, validation_fraction=0.4, lr=1e-12)
    was_aside = []
    for seed in range(12):
        model.set_params(random_state=seed).fit(data.data, y)
        proba = model.predict_proba(data.data)
        np.testing.assert_allclose(proba.sum(axis=1), 1.0)
        rare = proba[:, model.classes_ == "rare"].ravel()
        assert (rare > 0).all()
        was_aside.append(rare[5] < 1 / 72)  # less than one of the rows trained on
    assert 0 < sum(was_aside) < 12


@pytest.mark.parametrize("n_rows", [2, 3, 4])
def test_a_few_rows_are_enough(data, frozen, n_rows):
    y = np.array(["a", "b"])[np.arange(n_rows) % 2]
    for groups in (None, np.zeros(n_rows), np.arange(n_rows)):
        model = small(frozen).fit(data.data[:n_rows], y, groups=groups)
        assert np.isfinite(model.predict_proba(data.data)).all()
    Y = np.column_stack([y == "a", y == "b"]).astype(float)
    Y[0, 0] = np.nan
    assert small(frozen).fit(data.data[:n_rows], Y).predict(data.data).shape == (120, 2)


# --- what is refused -----------------------------------------------------------


@pytest.mark.parametrize(
    "y, message",
    [
        (None, "requires y to be passed"),
        (np.zeros(120), r"at least 2 classes in y\. Got .* among n_samples=120"),
        (np.full(120, np.nan), "at least 2 classes"),
        (np.array([None] * 120), "at least 2 classes"),
        (np.linspace(0, 1, 120), "Unknown label type: continuous"),
        (np.r_[np.inf, np.zeros(119)], "Input y contains infinity"),
        (np.arange(119) % 2, "inconsistent numbers of samples"),
        (np.arange(240).reshape(120, 2), "y with several columns must hold labels"),
        (np.full((120, 2), "a"), "y with several columns must hold labels"),
        (np.c_[np.ones(120), np.full(120, np.nan)], "Got none in column 1 of y"),
        (np.array(["a", 1] * 60, dtype=object), "of one type"),
    ],
)
def test_bad_classes_get_one_clear_sentence(data, frozen, y, message):
    with pytest.raises(ValueError, match=message):
        small(frozen).fit(data.data, y)


@pytest.mark.parametrize(
    "y_val, message",
    [
        (None, "X_val was passed, but y_val was not"),
        (["oil", "gold", "oil"], r"y_val holds classes that y does not: .*gold"),
        ([1, 2, 3], "y_val holds classes that y does not"),
        ([None, None, None], "y_val holds no reference value"),
        (np.ones((3, 2)), "y_val must have as many columns as y, 1. Got .*(3, 2)"),
        (["oil", "oil"], "inconsistent numbers of samples"),
    ],
)
def test_bad_validation_gets_one_clear_sentence(data, frozen, y_val, message):
    model = small(frozen, early_stopping=True)
    with pytest.raises(ValueError, match=message):
        model.fit(data.data, data.classes, X_val=data.data[:3], y_val=y_val)


def test_a_failing_second_fit_leaves_no_mixture(data, frozen):
    model = small(frozen).fit(data.data, data.classes)
    with pytest.raises(ValueError, match="2 classes"):
        model.fit(data.data, np.zeros(120))
    with pytest.raises(NotFittedError):
        model.predict_proba(data.data)


# --- the contract's traps --------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_seed_alone_decides(data, strategy):
    def fit(seed):
        model = small(strategy=strategy, random_state=seed)
        return model.fit(data.data, data.classes).predict_proba(data.data)

    before = np.random.get_state(), torch.get_rng_state()
    first = fit(0)
    np.testing.assert_equal(np.random.get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    np.random.seed(99)
    assert (fit(0) == first).all()
    assert (fit(1) != first).any()


def test_a_prediction_does_not_depend_on_its_company(data, frozen):
    model = small(frozen).fit(data.data, data.classes)
    together = model.predict_proba(data.data)
    alone = np.concatenate([model.predict_proba(x[None]) for x in data.data[:70]])
    np.testing.assert_allclose(together[:70], alone, rtol=1e-10)


@pytest.mark.parametrize("labels", [False, True])
def test_round_trips_keep_every_prediction(data, frozen, labels):
    y = data.labels if labels else data.classes
    model = small(frozen).fit(data.data, y)
    state = pickle.dumps(model)
    again = pickle.loads(state)
    assert b"skorch." not in state  # its version is recorded
    assert (again.predict_proba(data.data) == model.predict_proba(data.data)).all()
    assert (again.predict(data.data) == model.predict(data.data)).all()


def test_grid_over_the_pretrainer_in_a_pipeline(data):
    pipeline = make_pipeline(InstanceNormalizer(), small(strategy="probe"))
    axes = {
        "spectralclassifier__pretrainer__mask_ratio": [0.3, 0.6],
        "spectralclassifier__pooling": ["mean", "concatenate"],
    }
    grid = GridSearchCV(pipeline, axes, cv=GroupKFold(2), error_score="raise")
    grid.fit(data.data, data.classes, groups=np.arange(120) // 3)
    assert grid.best_score_ == grid.cv_results_["mean_test_score"].max()
