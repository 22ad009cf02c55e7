"""What a fitted model says of its origin, and when test spectra were part of it."""

import pickle
import platform
import re
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralClassifier,
    SpectralRegressor,
    SpectralStackingRegressor,
    load_model,
    save_model,
)
from skspectra._provenance import fingerprint, hash_rows, were_among
from skspectra.datasets import make_nir_mixtures
from skspectra.evaluation import compare, label_efficiency_curve
from skspectra.exceptions import TransductiveWarning

# In float64 the hash forgives rounding; what was rounded to float32 between is found
# nearly always: 83 to 100 % of the spectra of real sets, most of them 97 % and more.
MOSTLY = 0.8


def tiny(**parameters):
    small = dict(patch_size=5, embed_dim=8, depth=1, n_heads=2)
    decoder = dict(decoder_dim=8, decoder_n_heads=2)
    defaults = dict(max_epochs=1, random_state=0)
    return MaskedSpectralPretrainer(**{**small, **decoder, **defaults, **parameters})


def probe(pretrainer):
    return SpectralRegressor(pretrainer, strategy="probe", random_state=0)


@pytest.fixture(scope="module")
def mixtures():
    return make_nir_mixtures(n_samples=60, n_channels=40, random_state=0)


@pytest.fixture(scope="module")
def others():
    return make_nir_mixtures(n_samples=30, n_channels=40, random_state=1).data


# ------------------------------------------------------------- what is recorded


@pytest.mark.parametrize(
    "model",
    [
        tiny(),
        probe(tiny()),
        SpectralClassifier(tiny(), strategy="probe", random_state=0),
        SpectralStackingRegressor(cv=2, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_fitted_model_records_what_it_was_made_of(mixtures, model):
    X, y = mixtures.data, mixtures.target > np.median(mixtures.target)
    record = model.fit(X, y).provenance_
    assert record.versions.pop("python") == platform.python_version()
    assert {"skspectra", "torch", "scikit-learn", "numpy"} <= set(record.versions)
    assert record.versions == {name: version(name) for name in record.versions}
    assert (record.device, record.n_threads) == ("cpu", torch.get_num_threads())
    assert record.data == {"shape": [60, 40], "sha256": fingerprint(X)}
    np.testing.assert_array_equal(record.rows, hash_rows(X))
    # The record is the caller's to change; the next model has its own.
    assert "python" in clone(model).fit(X, y).provenance_.versions


@pytest.mark.parametrize("given", [None, np.random.RandomState(1), 7])
@pytest.mark.parametrize(
    "model",
    [
        tiny(),
        SpectralRegressor(tiny(random_state=None), max_epochs=2, early_stopping=True),
        SpectralStackingRegressor(tiny(random_state=None), cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::skspectra.exceptions.FewLabelsWarning")
def test_the_recorded_seed_repeats_a_fit(mixtures, model, given):
    X, y = mixtures.data, mixtures.target
    first, second = (clone(model).set_params(random_state=given) for _ in range(2))
    seed = first.fit(X, y).provenance_.seed
    assert seed == 7 if given == 7 else seed != second.fit(X, y).provenance_.seed
    again = clone(model).set_params(random_state=seed).fit(X, y)
    assert again.provenance_.seed == seed
    output = "transform" if hasattr(model, "transform") else "predict"
    assert (getattr(again, output)(X) == getattr(first, output)(X)).all()
    if given != 7:
        assert (getattr(second, output)(X) != getattr(first, output)(X)).any()


def test_one_changed_value_is_another_table(mixtures):
    X = mixtures.data.copy()
    before = fingerprint(X)
    assert before == fingerprint(np.asfortranarray(X))
    X[7, 3] = np.nextafter(X[7, 3], 2)
    assert fingerprint(X) != before
    assert fingerprint(X.reshape(-1, 10)) != fingerprint(X)
    assert fingerprint(X.astype(np.float32)) != fingerprint(X)


# ------------------------------------------------------------ the hashes of rows


@pytest.mark.parametrize("method", ["standard", "minmax", "area", "max", "robust"])
@pytest.mark.parametrize("name", ["tecator", "corn", "soil_kenya_mir"])
def test_a_spectrum_is_known_again_after_normalising(real_spectra, name, method):
    X = real_spectra(name).X[:100].astype(np.float64)
    rows = hash_rows(X)
    changed = InstanceNormalizer(method).fit_transform(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert were_among(changed[order], rows).all()
    assert (hash_rows(changed[order]) == rows[order]).all()
    assert were_among(1e6 * X + 3, rows).mean() >= MOSTLY
    assert were_among(changed.astype(np.float32), rows).mean() >= MOSTLY


def test_replicates_are_other_spectra(real_spectra):
    X = real_spectra("tecator").X[:100].astype(np.float64)
    noise = np.random.default_rng(0).normal(size=X.shape)
    replicates = X + 1e-3 * X.std(axis=1, keepdims=True) * noise
    assert not were_among(replicates, hash_rows(X)).any()


def test_nothing_is_said_of_spectra_without_a_shape(mixtures):
    X = mixtures.data[:5].copy()
    rows = hash_rows(np.vstack([X, np.zeros(40)]))
    X[0], X[1, 3] = 7.0, np.nan  # flat, as the last one was; unknown
    assert were_among(X, rows).tolist() == [False, False, True, True, True]
    two = X[2:, :2]  # all spectra of two channels are alike
    assert not were_among(two, hash_rows(two)).any()
    assert were_among(X[:0], rows).shape == (0,)


# ------------------------------------------------- test spectra that were learnt from


def slope(X):
    return np.gradient(np.asarray(X, dtype=float), axis=1)


SLOPE = FunctionTransformer(slope)
LEFT = slice(0, 30)


def held_by_the_head(X):
    return probe(FrozenEstimator(tiny().fit(X)))


def held_by_the_stack(X):
    return SpectralStackingRegressor(FrozenEstimator(tiny().fit(X)), cv=2)


def after_normalising(X):
    pretrainer = tiny().fit(InstanceNormalizer().fit_transform(X))
    return make_pipeline(InstanceNormalizer(), probe(FrozenEstimator(pretrainer)))


def as_a_step(X):
    return make_pipeline(SLOPE, FrozenEstimator(tiny().fit(slope(X))), Ridge())


def with_its_own_steps(X):
    return make_pipeline(FrozenEstimator(make_pipeline(SLOPE, tiny()).fit(X)), Ridge())


def in_a_search(X):
    search = {"ridge__alpha": [0.1, 1.0]}
    return GridSearchCV(
        make_pipeline(InstanceNormalizer(), as_a_step(X)[:2], Ridge()), search, cv=2
    )


def under_a_target(X):
    return TransformedTargetRegressor(
        as_a_step(X), func=np.sqrt, inverse_func=np.square
    )


def beside_others(X):
    union = make_union(PCA(2), FrozenEstimator(tiny().fit(X)))
    return VotingRegressor(
        [("mean", DummyRegressor()), ("both", make_pipeline(union, Ridge()))]
    )


def on_some_channels(X):
    head = FrozenEstimator(tiny().fit(X[:, LEFT]))
    return make_pipeline(ColumnTransformer([("left", head, LEFT)]), Ridge())


def a_whole_model(X):
    return FrozenEstimator(probe(tiny()).fit(X, X[:, 0]))


HOLDERS = [
    held_by_the_head,
    held_by_the_stack,
    after_normalising,
    as_a_step,
    with_its_own_steps,
    in_a_search,
    under_a_target,
    beside_others,
    on_some_channels,
    a_whole_model,
]


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_frozen_encoder_that_saw_the_test_spectra_is_named(mixtures, others, holder):
    X, y = mixtures.data, mixtures.target
    pool = np.vstack([others, X[:12]])
    message = r"Of the 60 test spectra of 'guest', 12 were among .* transductive"
    estimators = {"mean": DummyRegressor(), "guest": holder(pool)}
    with pytest.warns(TransductiveWarning, match=message) as caught:
        comparison = compare(estimators, X, y, cv=2, n_repeats=2, random_state=0)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "learnt their reference values too, it is no test" in str(caught[0].message)
    n_seen = comparison.folds.groupby(["estimator", "repeat"])["n_seen"].sum()
    assert n_seen.to_dict() == {
        ("guest", 0): 12,
        ("guest", 1): 12,
        ("mean", 0): 0,
        ("mean", 1): 0,
    }
    # Nothing is said, pytest would raise it, of an encoder that learnt elsewhere.
    compare({"guest": holder(others)}, X, y, cv=2)


def test_no_word_of_encoders_that_learnt_nothing_from_test_spectra(mixtures):
    X, y = mixtures.data, mixtures.target
    untrained = FrozenEstimator(tiny(max_epochs=0).fit(X))
    rivals = {
        "in the fold": probe(tiny()),
        "step in the fold": make_pipeline(SLOPE, tiny(), Ridge()),
        "random weights": probe(untrained),
        "random step": make_pipeline(untrained, Ridge()),
    }
    assert (compare(rivals, X, y, cv=2).folds["n_seen"] == 0).all()
    # Spectra that are trained on in every fold may well be in the pool.
    learnt = {"frozen": probe(FrozenEstimator(tiny().fit(X[:40])))}
    assert (
        compare(learnt, X, y, cv=[(range(40), range(40, 60))]).folds["n_seen"] == 0
    ).all()


def test_a_table_with_names_and_reordered_rows_is_known_again(mixtures):
    table = pd.DataFrame(mixtures.data, columns=[f"{w:g} nm" for w in mixtures.x_axis])
    guest = held_by_the_head(table.iloc[::-2])
    with pytest.warns(TransductiveWarning, match="'guest', 30 were among"):
        compare({"guest": guest}, table, mixtures.target, cv=2)


@pytest.mark.parametrize("way", ["pickled", "saved"])
def test_a_model_that_was_kept_in_a_file_still_knows(mixtures, way, tmp_path):
    X, y = mixtures.data, mixtures.target
    pretrainer = tiny().fit(X[:20])
    if way == "pickled":
        kept = pickle.loads(pickle.dumps(pretrainer))
    else:
        save_model(pretrainer, tmp_path / "model")
        kept = load_model(tmp_path / "model")
    np.testing.assert_equal(dict(kept.provenance_), dict(pretrainer.provenance_))
    with pytest.warns(TransductiveWarning, match="60 .* 20 were among"):
        compare({"guest": probe(FrozenEstimator(kept))}, X, y, cv=2)


def test_workers_do_not_keep_the_warning_to_themselves(mixtures):
    X, y = mixtures.data, mixtures.target
    guests = {"one": held_by_the_head(X), "two": as_a_step(X)}
    with pytest.warns(TransductiveWarning) as caught:
        compare(guests, X, y, cv=2, n_jobs=2)
    named = [re.search(r"'(\w+)', 60 were", str(each.message))[1] for each in caught]
    assert named == ["one", "two"]


def test_a_label_efficiency_curve_warns_once(mixtures):
    X, y = mixtures.data, mixtures.target
    guest = held_by_the_head(X[:20])
    with pytest.warns(TransductiveWarning, match="60 .* 20 were among") as caught:
        curve = label_efficiency_curve(
            {"guest": guest}, X, y, train_sizes=[10, 20], cv=2
        )
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert curve.results["n_seen"].sum() == 40


def test_the_warning_can_be_silenced_by_its_class(mixtures):
    X, y = mixtures.data, mixtures.target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TransductiveWarning)
        compare({"guest": held_by_the_head(X)}, X, y, cv=2)
