"""Saliency maps: what they are equal to, and what they must not be blind to."""

import copy
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import logit
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralClassifier,
    SpectralRegressor,
    SpectralStackingRegressor,
)
from skspectra.datasets import make_nir_mixtures, make_xrf_cores
from skspectra.inspection import SaliencyDisplay, saliency_map

METHODS = ["gradient", "loss_gradient", "integrated_gradients", "smooth_gradient"]
NIR = make_nir_mixtures(n_samples=200, n_channels=50, random_state=0)
# Units that are not 1, so that a forgotten factor shows.
X, Y = 1000 * NIR.data + 300, 40 * NIR.concentrations[:, :2] + 7


def regressor(seed=0, pretraining=5, **parameters):
    pretrainer = MaskedSpectralPretrainer(
        patch_size=8, embed_dim=16, depth=1, max_epochs=pretraining, random_state=seed
    )
    settings = {"max_epochs": 10, "lr": 1e-3, "random_state": seed, **parameters}
    return SpectralRegressor(pretrainer, **settings)


def classifier():
    model = regressor()
    return SpectralClassifier(model.pretrainer, max_epochs=5, random_state=0)


@pytest.fixture(scope="module")
def model():
    return regressor().fit(X[:100], Y[:100, 0])


@pytest.fixture(scope="module")
def two_targets():
    return regressor().fit(X[:100], Y[:100])


def test_the_gradient_is_that_of_predict(model):
    # Spectra reach the network as float32: steps of a hundredth of their spread
    # leave an error of about 1e-5 in a central difference.
    step = 0.01 * model.pretrainer_.scale_
    found = saliency_map(model, X[:3]).saliency
    for channel in [0, 7, 8, 30, 49]:
        moved = np.zeros(50)
        moved[channel] = step
        rise = model.predict(X[:3] + moved) - model.predict(X[:3] - moved)
        expected = rise / (2 * step)
        np.testing.assert_allclose(
            found[:, channel], expected, rtol=1e-3, atol=1e-4 * np.abs(found).max()
        )


@pytest.mark.parametrize("baseline", ["mean", "zero", "array"])
def test_integrated_gradients_add_up_to_the_difference_of_predictions(model, baseline):
    given = X[150] if baseline == "array" else baseline
    found = saliency_map(
        model, X[:4], method="integrated_gradients", baseline=given, n_steps=100
    )
    start = {"mean": X[:100].mean(axis=0), "zero": np.zeros(50), "array": X[150]}
    np.testing.assert_allclose(found.baseline, start[baseline])
    difference = model.predict(X[:4]) - model.predict(found.baseline[None])
    # What the rule of 100 points misses is what the map says it misses.
    np.testing.assert_allclose(
        found.saliency.sum(axis=1) - found.completeness_error, difference, rtol=1e-5
    )
    assert np.abs(found.completeness_error).max() < 1e-3 * np.abs(difference).max()


def test_the_gradient_of_the_loss_follows_from_prediction_and_gradient(model):
    gradient = saliency_map(model, X[:5]).saliency
    found = saliency_map(model, X[:5], Y[:5, 0], method="loss_gradient")
    scale, spread = model.pretrainer_.scale_, model.y_scale_[0]
    residual = (model.predict(X[:5]) - Y[:5, 0])[:, None]
    expected = np.abs(2 * residual * gradient) * scale / spread**2
    np.testing.assert_allclose(found.saliency, expected, rtol=1e-9)


def test_a_smooth_gradient_without_noise_is_the_gradient(model):
    smooth = saliency_map(model, X[:3], method="smooth_gradient", noise=0.0)
    np.testing.assert_allclose(
        smooth.saliency, saliency_map(model, X[:3]).saliency, rtol=1e-9
    )


def test_noise_is_decided_by_random_state_alone(model):
    before = torch.random.get_rng_state()
    first, again, other = (
        saliency_map(
            model, X[:2], method="smooth_gradient", noise=0.5, random_state=seed
        ).saliency
        for seed in (0, 0, 1)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("method", METHODS)
def test_the_map_of_a_spectrum_does_not_depend_on_its_company(model, method):
    options = {"method": method, "random_state": 0, "n_steps": 20}
    together = saliency_map(model, X[:70], Y[:70, 0], **options).saliency
    alone = saliency_map(model, X[69:70], Y[69:70, 0], **options).saliency
    # float64 products in batches of other sizes differ by rounding.
    np.testing.assert_allclose(together[69:], alone, rtol=1e-8, atol=1e-12)


def test_averages_are_of_the_maps(model):
    found = saliency_map(model, X[:10])
    np.testing.assert_allclose(found.mean, found.saliency.mean(axis=0))
    np.testing.assert_allclose(found.mean_absolute, abs(found.saliency).mean(axis=0))
    np.testing.assert_allclose(found.spectrum, X[:10].mean(axis=0))
    assert (found.baseline, found.completeness_error, found.x_axis) == (None,) * 3


def test_normalized_averages_weigh_spectra_alike(model):
    found = saliency_map(model, X[:10], Y[:10, 0], method="loss_gradient")
    as_in_max = saliency_map(
        model, X[:10], Y[:10, 0], method="loss_gradient", normalize=True
    )
    np.testing.assert_array_equal(found.saliency, as_in_max.saliency)
    each = found.saliency / found.saliency.max(axis=1, keepdims=True)
    np.testing.assert_allclose(as_in_max.mean, each.mean(axis=0))


def test_each_target_has_its_own_map(two_targets):
    step = np.zeros(50)
    step[20] = 0.01 * two_targets.pretrainer_.scale_
    rise = two_targets.predict(X[:1] + step) - two_targets.predict(X[:1] - step)
    for target in (0, 1):
        found = saliency_map(two_targets, X[:1], target=target)
        assert found.target == target
        np.testing.assert_allclose(
            found.saliency[0, 20], rise[0, target] / (2 * step[20]), rtol=2e-3
        )


@pytest.mark.filterwarnings("ignore:y is constant:UserWarning")
def test_a_constant_target_has_an_empty_map():
    model = regressor().fit(X[:20], np.full(20, 3.0))
    for method in METHODS:
        found = saliency_map(model, X[:2], np.zeros(2), method=method)
        np.testing.assert_array_equal(found.saliency, 0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_map_of_a_class_is_of_its_log_odds(n_classes):
    edges = np.quantile(Y[:, 0], np.linspace(0, 1, n_classes + 1)[1:-1])
    classes = np.array(["low", "mid", "high"])[np.digitize(Y[:, 0], edges)]
    model = classifier().fit(X[:100], classes[:100])
    step = np.zeros(50)
    step[20] = 0.01 * model.pretrainer_.scale_

    def log_odds(X):
        odds = model.predict_proba(X)
        return np.log(odds / (1 - odds))

    rise = log_odds(X[:2] + step) - log_odds(X[:2] - step)
    for place, name in enumerate(model.classes_):
        found = saliency_map(model, X[:2], target=name)
        expected = rise[:, place] / (2 * step[20])
        np.testing.assert_allclose(found.saliency[:, 20], expected, rtol=2e-3)
        shares = saliency_map(
            model, X[:2], target=name, method="integrated_gradients", n_steps=100
        ).saliency.sum(axis=1)
        mean = X[:100].mean(axis=0, keepdims=True)
        difference = (log_odds(X[:2]) - log_odds(mean))[:, place]
        np.testing.assert_allclose(shares, difference, rtol=1e-3)


def test_two_classes_need_no_target_and_more_do():
    high = Y[:, 0] > np.median(Y[:, 0])
    model = classifier().fit(X[:60], high[:60])
    found, expected = (
        saliency_map(model, X[:2]),
        saliency_map(model, X[:2], target=True),
    )
    np.testing.assert_array_equal(found.saliency, expected.saliency)
    with pytest.raises(ValueError, match="must be one of the classes"):
        saliency_map(model, X[:2], target="high")
    with pytest.raises(ValueError, match="Got SpectralClassifier: use 'gradient'"):
        saliency_map(model, X[:2], high[:2], method="loss_gradient")
    three = classifier().fit(X[:60], np.arange(60) % 3)
    with pytest.raises(ValueError, match=r"\[.*0.*1.*2.*\]. Got None instead"):
        saliency_map(three, X[:2])


def test_each_label_has_its_own_map():
    labels = np.greater(Y, np.median(Y, axis=0)).astype(int)
    model = classifier().fit(X[:60], labels[:60])
    step = np.zeros(50)
    step[20] = 0.01 * model.pretrainer_.scale_
    rise = logit(model.predict_proba(X[:1] + step))
    rise = rise - logit(model.predict_proba(X[:1] - step))
    for label in (0, 1):
        found = saliency_map(model, X[:1], target=label).saliency[0, 20]
        assert found == pytest.approx(rise[0, label] / (2 * step[20]), rel=2e-3)


def test_a_pipeline_is_looked_into_at_its_last_step():
    pipeline = make_pipeline(InstanceNormalizer(), regressor()).fit(X[:60], Y[:60, 0])
    found = saliency_map(pipeline, X[:5])
    normalised = InstanceNormalizer().fit_transform(X[:5])
    direct = saliency_map(pipeline[-1], normalised)
    np.testing.assert_array_equal(found.saliency, direct.saliency)
    np.testing.assert_array_equal(found.spectrum, normalised.mean(axis=0))


def test_a_frozen_model_and_a_pipeline_of_one_step_are_looked_into(model):
    expected = saliency_map(model, X[:2]).saliency
    for wrapped in (FrozenEstimator(model), make_pipeline(model)):
        np.testing.assert_array_equal(saliency_map(wrapped, X[:2]).saliency, expected)


def test_a_frozen_pipeline_is_looked_into():
    pipeline = make_pipeline(InstanceNormalizer(), regressor()).fit(X[:60], Y[:60, 0])
    expected = saliency_map(pipeline, X[:2]).saliency
    found = saliency_map(FrozenEstimator(pipeline), X[:2]).saliency
    np.testing.assert_array_equal(found, expected)


def test_the_model_is_left_as_it_was(model):
    before = copy.deepcopy(model.module_.state_dict())
    for method in METHODS:
        saliency_map(model, X[:2], Y[:2, 0], method=method)
    assert all(torch.equal(before[k], v) for k, v in model.module_.state_dict().items())
    assert all(p.grad is None for p in model.module_.parameters())


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"method": "shap"}, "The 'method' parameter of saliency_map must be a str"),
        ({"target": 1}, r"of the targets that SpectralRegressor was fitted on, \[0\]"),
        ({"n_steps": 0}, "The 'n_steps' parameter of saliency_map must be an int"),
        ({"noise": -1.0}, "The 'noise' parameter of saliency_map must be a float"),
        ({"method": "loss_gradient"}, "needs y, the reference values of X"),
        ({"method": "loss_gradient", "y": Y[:3]}, "y has 2 targets, but"),
        ({"method": "loss_gradient", "y": Y[:2, 0]}, "inconsistent numbers of sample"),
        (
            {"method": "integrated_gradients", "baseline": [1.0]},
            r"one value for each of the 50 channels. Got shape \(1,\) instead",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(model, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        saliency_map(model, X[:3], **options)


def test_several_targets_ask_which(two_targets):
    remedy = r"on, \[0, 1\]. Got None instead: pass target=, which column of y\.$"
    with pytest.raises(ValueError, match=remedy):
        saliency_map(two_targets, X[:3])


def test_a_target_may_be_chosen_by_its_name(two_targets):
    expected = saliency_map(two_targets, X[:3], target=1)
    names = {"target_names": ["water", "fat"]}
    found = saliency_map(two_targets, X[:3], target="fat", **names)
    np.testing.assert_array_equal(found.saliency, expected.saliency)
    assert found.target == 1
    table = pd.DataFrame(Y[:3], columns=["water", "fat"])
    options = {"method": "loss_gradient", "target": "fat"}
    found = saliency_map(two_targets, X[:3], table, **options)
    expected = saliency_map(two_targets, X[:3], Y[:3], **options | {"target": 1})
    np.testing.assert_array_equal(found.saliency, expected.saliency)
    display = SaliencyDisplay.from_estimator(two_targets, X[:3], target="fat", **names)
    assert display.ax_.get_ylabel().endswith("of the prediction, fat")
    with pytest.raises(ValueError, match=r"\['water', 'fat'\]. Got 'salt' instead"):
        saliency_map(two_targets, X[:3], target="salt", **names)
    with pytest.raises(ValueError, match=r"each of the 2 targets .* Got \['fat'\]"):
        saliency_map(two_targets, X[:3], target="fat", target_names=["fat"])


@pytest.mark.parametrize("target", [True, np.True_, [0, 1], np.array([0, 1]), "0"])
def test_a_target_that_is_no_column_is_refused(two_targets, target):
    with pytest.raises(ValueError, match=r"must be the column of one .* Got "):
        saliency_map(two_targets, X[:3], target=target)


def test_classes_are_named_as_plain_values():
    names = np.array(["C=O", "C-N", "O-H"])[np.arange(60) % 3]
    model = classifier().fit(X[:60], names)
    with pytest.raises(ValueError, match=r"on, \['C-N', 'C=O', 'O-H'\]. Got 'x'"):
        saliency_map(model, X[:2], target="x")
    numbers = classifier().fit(X[:60], np.arange(60) % 2)
    with pytest.raises(ValueError, match=r"on, \[0, 1\]. Got True instead"):
        saliency_map(numbers, X[:2], target=True)


def test_spectra_of_another_length_are_refused(model):
    with pytest.raises(ValueError, match="49 features"):
        saliency_map(model, X[:, 1:])


def test_estimators_without_a_network_are_refused():
    linear = LinearRegression().fit(X, Y)
    stack = SpectralStackingRegressor(cv=2, random_state=0).fit(X[:20], Y[:20])
    for other in (linear, stack, make_pipeline(InstanceNormalizer(), linear)):
        with pytest.raises(TypeError, match="must be a SpectralRegressor"):
            saliency_map(other, X)


def test_unfitted_estimators_are_told_so():
    for unfitted in (regressor(), make_pipeline(InstanceNormalizer(), regressor())):
        with pytest.raises(NotFittedError):
            saliency_map(unfitted, X)


def test_without_captum_the_command_to_install_it_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    assert saliency_map(model, X[:2]).method == "gradient"
    with pytest.raises(ImportError, match=r"pip install 'skspectra\[inspection\]'"):
        saliency_map(model, X[:2], method="smooth_gradient")


def test_on_a_linear_task_the_map_recovers_the_coefficients():
    # White noise, for there the coefficients are determined: where channels rise and
    # fall together many sets of them predict alike.
    rng = np.random.default_rng(0)
    noise, coef = rng.normal(size=(300, 40)), rng.normal(size=40)
    model = regressor(pretraining=0, max_epochs=20).fit(noise, noise @ coef)
    for method in ("gradient", "smooth_gradient"):
        found = saliency_map(model, noise[:50], method=method, random_state=0)
        assert np.corrcoef(found.mean, coef)[0, 1] > 0.95
        # Not the shape alone: the units are those of y per unit of X.
        assert np.polyfit(coef, found.mean, 1)[0] == pytest.approx(1, abs=0.1)
    for method in ("loss_gradient", "integrated_gradients"):
        found = saliency_map(model, noise[:50], noise[:50] @ coef, method=method)
        assert np.corrcoef(found.mean_absolute, abs(coef))[0, 1] > 0.9


def shuffled(model, seed):
    """Return a model whose weights are at random places of the same tensors."""
    other = copy.deepcopy(model)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in other.module_.parameters():
            order = torch.randperm(weights.numel(), generator=rng)
            weights.copy_(weights.flatten()[order].reshape(weights.shape))
    return other


def test_random_weights_destroy_the_map_and_another_seed_does_not():
    # Noise of 0.02 determines how the weight is shared among channels: with next to
    # none, many sets of weights predict alike and two trainings agree less.
    noisy = make_nir_mixtures(n_samples=300, n_channels=50, noise=0.02, random_state=0)
    X, y = noisy.data, noisy.target
    models = [regressor(seed, 30, max_epochs=40).fit(X, y) for seed in range(2)]
    first, second = (saliency_map(model, X[:50]).mean for model in models)
    random = [
        spearmanr(first, saliency_map(shuffled(models[0], seed), X[:50]).mean).statistic
        for seed in range(5)
    ]
    # 50 channels: chance correlations have a standard deviation of 0.14.
    assert np.abs(random).max() < 0.45
    assert spearmanr(first, second).statistic > 0.7


def brightness(model, spectra, cores, method="gradient"):
    """Return the mean map at each element's line against that beside all lines."""
    found = saliency_map(model, spectra, method=method).mean_absolute
    near = {
        element: np.abs(cores.x_axis - line) < 0.1
        for element, line in cores.lines.items()
    }
    rest = found[~np.any(list(near.values()), axis=0)].mean()
    return {
        element: found[channels].mean() / rest for element, channels in near.items()
    }


def test_carbonate_lights_up_at_the_lines_of_calcium_and_strontium():
    cores = make_xrf_cores(
        n_cores=20, n_samples_per_core=25, n_shifted_cores=0, random_state=1
    )
    carbonate, train = cores.target[:, 0], cores.groups < 15
    # Each channel by its own spread: a count more means much at a weak line and
    # nothing at a strong one.
    counts = make_pipeline(FunctionTransformer(np.log1p), StandardScaler())
    spectra = counts.fit(cores.data[train]).transform(cores.data)
    model = regressor(pretraining=0, strategy="probe")
    model.set_params(pretrainer__patch_size=16, pretrainer__embed_dim=32)
    model.fit(spectra[train], carbonate[train])
    assert model.score(spectra[~train], carbonate[~train]) > 0.8
    found = brightness(model, spectra[~train], cores)
    # The controls: random weights, and values that belong to other spectra.
    controls = [shuffled(model, seed) for seed in range(3)]
    other = np.random.default_rng(0).permutation(carbonate[train])
    controls.append(clone(model).fit(spectra[train], other))
    for element in ("Ca", "Sr"):
        dark = [brightness(each, spectra[~train], cores)[element] for each in controls]
        assert found[element] > max(1.4, *dark)


def trained_on_carbonate(seed, scaler):
    """Return cores, a network pretrained and fine-tuned on 15 of them, and the others.

    Also one fine-tuned from the same start on values that belong to other spectra.
    """
    cores = make_xrf_cores(
        n_cores=20,
        n_samples_per_core=25,
        n_channels=512,
        n_shifted_cores=0,
        random_state=seed,
    )
    carbonate, train = cores.target[:, 0], cores.groups < 15
    spectra = scaler.fit(cores.data[train]).transform(cores.data)
    model = regressor(seed, 40, max_epochs=30)
    pretrainer = model.pretrainer.set_params(patch_size=16, embed_dim=32)
    model.set_params(pretrainer=FrozenEstimator(pretrainer.fit(spectra[train])))
    model.fit(spectra[train], carbonate[train])
    assert model.score(spectra[~train], carbonate[~train]) > 0.9
    other = np.random.default_rng(0).permutation(carbonate[train])
    other = clone(model).fit(spectra[train], other)
    return cores, model, other, spectra[~train][:50]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_of_a_pretrained_and_fine_tuned_network_calcium_passes_the_controls(seed):
    # The guide "Looking inside" states the figures that this prints.
    scaler = make_pipeline(FunctionTransformer(np.log1p), StandardScaler())
    cores, model, other, spectra = trained_on_carbonate(seed, scaler)
    controls = [other, *(shuffled(model, k) for k in range(3))]
    found = brightness(model, spectra, cores)
    dark = [brightness(each, spectra, cores) for each in controls]
    for element, margin in (("Ca", 1.2), ("Sr", 1.0), ("Si", 1.2)):
        brightest = max(each[element] for each in dark)
        print(f"{element} {found[element]:.2f}, controls up to {brightest:.2f}")
        assert found[element] > margin * brightest


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_integrated_gradients_of_normalized_cores_shine_at_calcium_anyway(seed):
    # The guide warns of it: the peak is one of the spectra and not of the network.
    cores, model, _, spectra = trained_on_carbonate(seed, InstanceNormalizer())
    found, *random = (
        brightness(each, spectra, cores, "integrated_gradients")["Ca"]
        for each in (model, *(shuffled(model, k) for k in range(3)))
    )
    print(f"Ca {found:.1f}, shuffled {min(random):.1f} to {max(random):.1f}")
    assert min(random) > 5
    assert max(random) > 0.9 * found
