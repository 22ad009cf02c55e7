"""SpectralNoveltyDetector: false alarms as asked for, and foreign spectra found."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_equal
from scipy.stats import binom
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold, ShuffleSplit
from sklearn.pipeline import make_pipeline

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralNoveltyDetector,
    load_model,
    save_model,
)
from skspectra.datasets import load_tecator, make_nir_mixtures
from skspectra.exceptions import TransductiveWarning

MIXTURES = make_nir_mixtures(n_samples=1200, n_channels=80, random_state=0)
X, FRESH = MIXTURES.data[:200], MIXTURES.data[200:]
CHANNELS = np.arange(80)


def tiny_pretrainer(**parameters):
    sizes = dict(patch_size=8, embed_dim=8, depth=1, n_heads=2)
    sizes |= dict(decoder_dim=8, decoder_n_heads=2, max_epochs=60, lr=5e-3)
    return MaskedSpectralPretrainer(**sizes | parameters)


@pytest.fixture(scope="module")
def detector():
    return SpectralNoveltyDetector().fit(X)


@pytest.fixture(scope="module")
def network():
    """Return a detector with weights that were trained on other spectra."""
    pretrainer = tiny_pretrainer(random_state=0).fit(FRESH[800:])
    return SpectralNoveltyDetector(FrozenEstimator(pretrainer)).fit(X)


def flagged(detector, spectra):
    return np.mean(detector.predict(spectra) == -1)


# --- False alarms --------------------------------------------------------------------


def fluctuation(rate, n_fitted, n_fresh):
    """Return what the part flagged may be off by, three standard deviations of it.

    Both the limit, which is a quantile of the held-out scores, and the part of the
    fresh spectra beyond it fluctuate.
    """
    return 3 * np.sqrt(rate * (1 - rate) * (1 / n_fitted + 1 / n_fresh))


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.2])
def test_false_alarms_are_as_frequent_as_asked_for(rate):
    detector = SpectralNoveltyDetector(false_alarm_rate=rate).fit(X)
    part = flagged(detector, FRESH)
    assert detector.false_alarm_rate_ <= rate
    assert abs(part - rate) < fluctuation(rate, len(X), len(FRESH))


def test_false_alarms_of_a_network_are_as_frequent_as_asked_for(network):
    assert abs(flagged(network, FRESH[:800]) - 0.05) < fluctuation(0.05, 200, 800)


def test_residuals_of_fitted_spectra_are_too_small_for_a_limit():
    few = SpectralNoveltyDetector(n_components=12, false_alarm_rate=0.1).fit(X[:40])
    fresh, fitted = few.statistics(FRESH).q, few.statistics(X[:40]).q
    assert np.mean(fresh > np.quantile(fitted, 0.9)) > 0.5
    assert np.mean(fresh > few.q_limit_) < 0.1 + fluctuation(0.1, 40, len(FRESH))


@pytest.mark.parametrize(
    "n_samples, rate, reached",
    [(200, 0.05, 10 / 201), (19, 0.05, 1 / 20), (18, 0.05, 1 / 19), (2, 0.01, 1 / 3)],
)
def test_few_spectra_cannot_tell_rare_alarms_and_say_so(n_samples, rate, reached):
    detector = SpectralNoveltyDetector(false_alarm_rate=rate).fit(X[:n_samples])
    scores = np.sort(detector.held_out_scores_)
    assert_allclose(detector.false_alarm_rate_, reached)
    assert detector.offset_ == scores[max(int(rate * (n_samples + 1) + 1e-9), 1) - 1]
    assert np.sum(scores < detector.offset_) == round(reached * (n_samples + 1)) - 1


def test_the_lowest_of_few_held_out_scores_flags_one_of_n_plus_one():
    # With 9 spectra the limit is their lowest held-out score. Over many such fits a
    # tenth of new spectra lies beyond it, or less: those held out had 7 beside them.
    parts = [
        flagged(SpectralNoveltyDetector().fit(rows), FRESH[900:])
        for rows in FRESH[:900].reshape(100, 9, 80)
    ]
    assert 0.02 < np.mean(parts) < 0.1 + 3 * np.std(parts) / 10


# --- Foreign spectra -----------------------------------------------------------------


def spread():
    return X.std(axis=0).mean()


FOREIGN = {
    "band": lambda Z: Z + 0.5 * spread() * np.exp(-(((CHANNELS - 33) / 3) ** 2)),
    "matrix": lambda Z: make_nir_mixtures(len(Z), 80, random_state=1).data,
    "shift": lambda Z: np.roll(Z, 2, axis=1),
    "reversed": lambda Z: Z[:, ::-1],
    "spike": lambda Z: Z + spread() * (CHANNELS == 50),
    "saturated": lambda Z: np.minimum(Z, 0.7 * Z.max(axis=1, keepdims=True)),
    "more of everything": lambda Z: X.mean(axis=0) + 10 * (Z - X.mean(axis=0)),
    "another unit": lambda Z: 1000 * Z,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_spectra_are_flagged(detector, kind):
    assert flagged(detector, FOREIGN[kind](FRESH[:100])) > 0.9


@pytest.mark.parametrize("kind", ["matrix", "more of everything", "another unit"])
def test_foreign_spectra_are_flagged_by_a_network(network, kind):
    assert flagged(network, FOREIGN[kind](FRESH[:100])) > 0.9


def test_what_lies_among_the_components_but_far_out_is_told_by_t2(detector):
    far = (
        X.mean(axis=0)
        + 10 * np.sqrt(detector.explained_variance_[0]) * (detector.components_[0])
    )
    told = detector.statistics(far[None])
    assert told.q[0] < 1e-6 * detector.q_limit_
    assert_allclose(told.t2[0], 100)
    assert told.t2[0] > detector.t2_limit_
    assert detector.predict(far[None]) == -1


def test_a_pipeline_compares_shapes(detector):
    brighter = 1.5 * FRESH[:200]
    shapes = make_pipeline(InstanceNormalizer(), SpectralNoveltyDetector()).fit(X)
    assert flagged(detector, brighter) > 0.5
    assert flagged(shapes, brighter) < 0.05 + fluctuation(0.05, 200, 200)


def test_an_outlier_of_fit_has_the_lowest_held_out_score():
    spoilt = X.copy()
    spoilt[17] = FOREIGN["spike"](X[17])
    detector = SpectralNoveltyDetector(n_components=8).fit(spoilt)
    assert np.argmin(detector.held_out_scores_) == 17


# --- The arithmetic ------------------------------------------------------------------


@pytest.mark.parametrize("n_components", [0, 3, 0.9])
def test_q_and_t2_are_those_of_scikit_learn(n_components):
    detector = SpectralNoveltyDetector(n_components=n_components).fit(X)
    pca = PCA(n_components or 1, svd_solver="full").fit(X)
    assert detector.n_components_ == (n_components and pca.n_components_)
    told = detector.statistics(FRESH)
    if n_components:
        scores = pca.transform(FRESH)
        rest = FRESH - pca.inverse_transform(scores)
        t2 = (scores**2 / pca.explained_variance_).sum(axis=1)
    else:
        rest, t2 = FRESH - X.mean(axis=0), np.zeros(len(FRESH))
    assert_allclose(told.q, (rest**2).sum(axis=1), rtol=1e-8)
    assert_allclose(told.t2, t2, rtol=1e-8)
    score = -np.maximum(told.q / detector.q_limit_, told.t2 / detector.t2_limit_)
    assert_allclose(detector.score_samples(FRESH), score)


def test_held_out_scores_come_from_models_without_the_fold():
    cv = ShuffleSplit(1, test_size=50, random_state=0)
    detector = SpectralNoveltyDetector(n_components=2, cv=cv).fit(X)
    ((train, test),) = cv.split(X)
    pca = PCA(2, svd_solver="full").fit(X[train])
    rest = X[test] - pca.inverse_transform(pca.transform(X[test]))
    q = (rest**2).sum(axis=1)
    assert np.isnan(detector.held_out_scores_[train]).all()
    assert np.isfinite(detector.held_out_scores_[test]).all()
    t2 = (pca.transform(X[test]) ** 2 / pca.explained_variance_).sum(axis=1)
    assert_allclose(
        detector.q_limit_ / detector.t2_limit_,
        np.quantile(q, 0.75) / np.quantile(t2, 0.75),
    )
    beyond = (q >= detector.q_limit_ * 0.9999) | (t2 >= detector.t2_limit_ * 0.9999)
    assert beyond.sum() == 2  # the limit itself and one above
    assert_allclose(detector.false_alarm_rate_, 2 / 51)
    assert_allclose(detector.offset_, -1)


def test_the_number_of_components_is_that_of_the_constituents():
    rng = np.random.default_rng(0)
    bands = np.exp(-(((CHANNELS - np.array([[15], [35], [60]])) / 8) ** 2))
    exact = rng.uniform(size=(60, 3)) @ bands
    noisy = exact + rng.normal(0, 0.01, exact.shape)
    assert SpectralNoveltyDetector().fit(exact).n_components_ == 3
    assert SpectralNoveltyDetector().fit(noisy).n_components_ == 3
    assert SpectralNoveltyDetector().fit(noisy - exact).n_components_ == 0


def test_the_unit_of_spectra_does_not_matter(detector):
    other = SpectralNoveltyDetector().fit(1e-6 * X)
    assert other.n_components_ == detector.n_components_
    assert_allclose(other.score_samples(1e-6 * FRESH), detector.score_samples(FRESH))
    pretrainer = tiny_pretrainer(max_epochs=2, random_state=0)
    one, two = (
        SpectralNoveltyDetector(pretrainer, cv=2).fit(unit * X[:40])
        for unit in (1, 1024)
    )
    assert_allclose(two.offset_, one.offset_)
    assert_allclose(two.score_samples(1024 * FRESH), one.score_samples(FRESH))


def test_equal_spectra_are_all_that_is_known():
    detector = SpectralNoveltyDetector().fit(np.tile(X[0], (30, 1)))
    assert detector.n_components_ == 0
    assert_equal(detector.predict(X[:2]), [1, -1])


# --- Groups --------------------------------------------------------------------------


def repeated(spectra, n_times, rng):
    """Return spectra measured `n_times` each, with little noise, and their groups."""
    spectra = np.repeat(spectra, n_times, axis=0)
    noise = 1e-4 * rng.normal(size=spectra.shape)
    return spectra + noise, np.repeat(np.arange(len(spectra) // n_times), n_times)


def test_repeated_measurements_in_one_fold_only():
    rng = np.random.default_rng(0)
    spectra, sample = repeated(X[:25], 4, rng)
    shuffled = rng.permutation(len(spectra))
    spectra, sample = spectra[shuffled], sample[shuffled]
    kept = SpectralNoveltyDetector(n_components=15).fit(spectra, groups=sample)
    torn = SpectralNoveltyDetector(n_components=15).fit(spectra)
    assert torn.q_limit_ < kept.q_limit_ / 2
    assert flagged(torn, FRESH) > 0.5
    assert flagged(kept, FRESH) < 0.05 + fluctuation(0.05, 25, len(FRESH))
    splitter = SpectralNoveltyDetector(n_components=15, cv=GroupKFold(25))
    splitter.fit(spectra, groups=sample)
    assert splitter.q_limit_ > 2 * torn.q_limit_


@pytest.mark.parametrize("n_groups", [3, 10, 40])
def test_groups_count_as_one_spectrum_each(n_groups):
    rng = np.random.default_rng(0)
    reached = max(0.05, 1 / (n_groups + 1))
    part = []
    for _ in range(30):
        chosen = rng.permutation(len(X))[:n_groups]
        spectra, sample = repeated(X[chosen], 20, rng)
        detector = SpectralNoveltyDetector().fit(spectra, groups=sample)
        part.append(flagged(detector, FRESH))
        assert_allclose(detector.false_alarm_rate_, reached, rtol=0.03)
    assert np.mean(part) < reached + fluctuation(reached, n_groups * 30, len(FRESH))


def test_groups_reach_the_folds_of_a_pretrainer():
    groups = np.repeat([0, 1], 20)
    pretrainer = tiny_pretrainer(max_epochs=2, random_state=0)
    detector = SpectralNoveltyDetector(pretrainer).fit(X[:40], groups=groups)
    fold = tiny_pretrainer(max_epochs=2, random_state=0).fit(X[20:40])
    in_units = (fold.scale_ / detector.pretrainer_.scale_) ** 2
    expected = fold.score_samples(X[:20]) * in_units
    assert_allclose(detector.held_out_scores_[:20], expected)
    assert detector.encoder_origin_ == "fit"


@pytest.mark.parametrize(
    "groups, message",
    [(np.zeros(40), "at least 2 different groups"), ([1, 2], "inconsistent numbers")],
)
def test_bad_groups_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        SpectralNoveltyDetector().fit(X[:40], groups=groups)


# --- Pretrainers ---------------------------------------------------------------------


def test_a_frozen_pretrainer_is_trained_on_nothing(network):
    pretrainer = network.pretrainer.estimator
    assert network.encoder_origin_ == "frozen"
    assert network.n_components_ is network.mean_ is network.q_limit_ is None
    assert_equal(network.held_out_scores_, pretrainer.score_samples(X))
    assert_equal(network.score_samples(FRESH[:9]), pretrainer.score_samples(FRESH[:9]))
    assert not hasattr(network, "statistics")


def test_a_frozen_pretrainer_should_not_have_seen_the_spectra():
    pretrainer = tiny_pretrainer(max_epochs=1, random_state=0).fit(X[:30])
    detector = SpectralNoveltyDetector(FrozenEstimator(pretrainer))
    with pytest.warns(TransductiveWarning, match="Of the 40 spectra of fit, 30 were"):
        detector.fit(X[:40])
    detector.fit(X[30:60])  # a warning would be an error


def test_a_pretrainer_is_fitted_without_touching_its_checkpoint_twice(tmp_path):
    pretrainer = tiny_pretrainer(max_epochs=2, checkpoint_dir=tmp_path, random_state=0)
    detector = SpectralNoveltyDetector(pretrainer, cv=2)
    first = detector.fit(X[:40]).held_out_scores_
    assert_equal(detector.fit(X[:40]).held_out_scores_, first)


def test_random_state_seeds_a_pretrainer_without_a_seed():
    detector = SpectralNoveltyDetector(
        tiny_pretrainer(max_epochs=1), cv=2, random_state=3
    )
    scores = detector.fit(X[:40]).held_out_scores_
    assert_equal(detector.fit(X[:40]).held_out_scores_, scores)


@pytest.mark.parametrize("wrong", [PCA(), PCA, "pca", 3])
def test_other_pretrainers_are_refused(wrong):
    with pytest.raises(ValueError, match="'pretrainer' parameter of SpectralNovelty"):
        SpectralNoveltyDetector(wrong).fit(X)


# --- Tables, files -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["detector", "network"])
def test_what_comes_back_from_files_flags_the_same(kind, request, tmp_path):
    fitted = request.getfixturevalue(kind)
    save_model(fitted, tmp_path / "model")
    for again in (load_model(tmp_path / "model"), pickle.loads(pickle.dumps(fitted))):
        assert_equal(again.score_samples(FRESH[:9]), fitted.score_samples(FRESH[:9]))
        assert again.offset_ == fitted.offset_


@pytest.mark.parametrize(
    "attribute, value",
    [
        ("components_", np.ones((2, 80))),
        ("explained_variance_", np.zeros(3)),
        ("mean_", np.zeros(79)),
        ("offset_", np.nan),
        ("pretrainer_", PCA()),
    ],
)
def test_a_detector_that_was_tampered_with_is_not_kept(
    detector, attribute, value, tmp_path
):
    other = pickle.loads(pickle.dumps(detector))
    setattr(other, attribute, value)
    with pytest.raises(TypeError, match="cannot be saved"):
        save_model(other, tmp_path / "model")


def test_missing_channels_are_refused_with_their_place(detector):
    holes = FRESH[:5].copy()
    holes[3, 7] = np.nan
    for method in (detector.predict, SpectralNoveltyDetector().fit):
        with pytest.raises(ValueError, match=r"1 of 5 spectra.*row 3"):
            method(holes)


def test_a_network_may_miss_channels_and_still_tells(network):
    holes, foreign = FRESH[:60].copy(), FOREIGN["matrix"](FRESH[:60])
    holes[:, 16:20] = foreign[:, 16:20] = np.nan
    assert flagged(network, holes) < 0.05 + fluctuation(0.05, 200, 60)
    assert flagged(network, foreign) > 0.8
    again = SpectralNoveltyDetector(network.pretrainer).fit(
        np.concatenate([holes, FRESH[60:100]])
    )
    assert np.isfinite(again.held_out_scores_).all()


def test_a_spectrum_of_which_nothing_is_there_is_not_vouched_for(network):
    holes = FRESH[:3].copy()
    holes[1, 8:] = np.nan  # leaves one patch of eight channels
    holes[2] = np.nan
    scores = network.score_samples(holes)
    assert np.isfinite(scores[0])
    assert_equal(scores[1:], -np.inf)
    assert_equal(network.predict(holes)[1:], -1)
    again = SpectralNoveltyDetector(network.pretrainer)
    again.fit(np.concatenate([X[:40], holes[1:2]]))
    assert np.isnan(again.held_out_scores_[-1])
    assert np.isfinite(again.offset_)


def test_columns_that_are_another_axis_are_refused():
    axis = np.linspace(1000.0, 1800.0, 80)
    detector = SpectralNoveltyDetector().fit(pd.DataFrame(X, columns=axis))
    with pytest.raises(ValueError, match="the axis of SpectralNoveltyDetector"):
        detector.predict(pd.DataFrame(X, columns=axis[::-1]))
    pretrainer = tiny_pretrainer(max_epochs=0, x_axis=axis).fit(X)
    with pytest.raises(ValueError, match="the axis of SpectralNoveltyDetector"):
        SpectralNoveltyDetector(FrozenEstimator(pretrainer)).fit(
            pd.DataFrame(X, columns=axis + 5)
        )


# --- Real spectra --------------------------------------------------------------------


def test_meat_of_the_same_and_of_another_kind():
    """Lean meat as the kind: of fresh lean meat few are flagged, of fat meat all.

    Groups are those of tecator, which has spectra twice.
    """
    meat = load_tecator()
    fat = meat.target
    order = np.random.default_rng(0).permutation(np.unique(meat.groups))
    later = np.isin(meat.groups, order[: len(order) // 3])
    lean, rich = fat < 20, fat > 35
    detector = SpectralNoveltyDetector()
    detector.fit(meat.data[lean & ~later], groups=meat.groups[lean & ~later])
    fresh = meat.data[lean & later]
    n_alarms = np.sum(detector.predict(fresh) == -1)
    assert n_alarms <= binom.ppf(0.999, len(fresh), 0.05)
    assert flagged(detector, np.roll(fresh, 1, axis=1)) == 1
    assert flagged(detector, meat.data[rich]) > 0.5
