"""Pickles of estimators: numbers and names of classes, no torch, no pickle inside."""

import contextlib
import copy
import io
import pickle
import pickletools
import zipfile
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    PLSRegressionCV,
    SpectralClassifier,
    SpectralNoveltyDetector,
    SpectralRegressor,
    SpectralStackingRegressor,
)
from skspectra.evaluation import TunedPLS
from skspectra.exceptions import ModelVersionWarning


def tiny_pretrainer(**parameters):
    sizes = dict(patch_size=2, embed_dim=8, depth=1, n_heads=2)
    sizes |= dict(decoder_dim=8, decoder_n_heads=2, max_epochs=1, random_state=0)
    return MaskedSpectralPretrainer(**sizes | parameters)


RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 12)).cumsum(axis=1)
y = X[:, 3] - X[:, 8]
GRADE = np.where(y > 0, "high", "low")
FROZEN = FrozenEstimator(tiny_pretrainer(encoder="state_space").fit(X))
FITTED = {
    "InstanceNormalizer": InstanceNormalizer().fit(X),
    "MaskedSpectralPretrainer": tiny_pretrainer(hidden_tokens="replace").fit(X),
    "SpectralNoveltyDetector": SpectralNoveltyDetector(
        tiny_pretrainer(), cv=2, random_state=0
    ).fit(X),
    "SpectralRegressor": SpectralRegressor(
        tiny_pretrainer(), max_epochs=2, random_state=0
    ).fit(X, y),
    "SpectralClassifier": SpectralClassifier(
        FROZEN, strategy="probe", random_state=0
    ).fit(X, GRADE),
    "SpectralStackingRegressor": SpectralStackingRegressor(
        FROZEN, cv=2, random_state=0
    ).fit(X, y),
    "PLSRegressionCV": PLSRegressionCV(3).fit(X, y),
    "TunedPLS": TunedPLS(3, window=5).fit(X, y),
}
ALL = pytest.mark.parametrize("name", FITTED)


def answer(model, X):
    """Return what a model says of spectra."""
    say = "predict" if hasattr(model, "predict") else "transform"
    return getattr(model, say)(X)


@ALL
@pytest.mark.parametrize(
    "remade",
    [
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: pickle.loads(pickle.dumps(model, protocol=2)),
        copy.copy,
        copy.deepcopy,
        lambda model: skops.io.loads(
            skops.io.dumps(model),
            trusted=skops.io.get_untrusted_types(data=skops.io.dumps(model)),
        ),
    ],
    ids=["pickle", "protocol 2", "copy", "deepcopy", "skops"],
)
def test_a_copy_is_the_same_model_and_owns_its_weights(name, remade):
    model = FITTED[name]
    before = answer(model, X)
    twin = remade(model)
    assert np.array_equal(answer(twin, X), before)
    assert repr(twin) == repr(model)
    if hasattr(model, "module_"):
        assert not twin.module_.training
        assert all(weight.requires_grad for weight in twin.module_.parameters())
        with torch.no_grad():
            for weight in twin.module_.parameters():
                weight.zero_()
        assert np.array_equal(answer(model, X), before)
        clone(twin).fit(X, *([] if name == "MaskedSpectralPretrainer" else [y > 0]))


def called_by(pickled):
    """Return the modules of the classes and functions that a pickle calls."""
    modules = set()

    class Watching(pickle.Unpickler):
        def find_class(self, module, name):
            modules.add(module.partition(".")[0])
            return super().find_class(module, name)

    Watching(io.BytesIO(pickled)).load()
    return modules


def holds_a_pickle(pickled):
    for _, argument, _ in pickletools.genops(pickled):
        if isinstance(argument, bytes) and len(argument) > 4:
            if zipfile.is_zipfile(io.BytesIO(argument)):  # what torch.save writes
                return True
            with contextlib.suppress(ValueError):
                return len(list(pickletools.genops(argument))) > 1
    return False


@ALL
def test_a_pickle_calls_no_torch_and_holds_no_pickle(name):
    pickled = pickle.dumps(FITTED[name])
    assert called_by(pickled) <= {"skspectra", "sklearn", "numpy"}
    assert not holds_a_pickle(pickled)


def test_what_is_looked_for_in_pickles_is_found_in_those_of_modules():
    pickled = pickle.dumps(FITTED["MaskedSpectralPretrainer"].module_)
    assert "torch" in called_by(pickled)
    assert holds_a_pickle(pickled)


def test_skops_asks_about_plain_classes_alone():
    asked = {
        name: skops.io.get_untrusted_types(data=skops.io.dumps(model))
        for name, model in FITTED.items()
    }
    assert asked["PLSRegressionCV"] == ["skspectra._pls.PLSRegressionCV"]
    assert asked["MaskedSpectralPretrainer"] == [
        "sklearn.utils._bunch.Bunch",  # the provenance
        "skspectra._pretrainer.MaskedSpectralPretrainer",
    ]
    for types in asked.values():
        known = ("skspectra._", "sklearn.utils._bunch.Bunch")
        assert all(each.startswith(known) for each in types), types


@ALL
def test_a_pickle_of_another_version_is_told(name):
    state = FITTED[name].__getstate__()
    state["_skspectra_version"] = "0.0.1"
    twin = type(FITTED[name]).__new__(type(FITTED[name]))
    with pytest.warns(ModelVersionWarning, match=rf"{name} was pickled .* 0\.0\.1"):
        twin.__setstate__(state)
    assert np.array_equal(answer(twin, X), answer(FITTED[name], X))
    del state["_skspectra_version"]
    with pytest.warns(ModelVersionWarning, match="unknown version"):
        twin.__setstate__(state)


def test_joblib_may_map_the_weights(tmp_path):
    model = FITTED["SpectralRegressor"]
    joblib.dump(model, tmp_path / "model.joblib")
    for mode in (None, "r"):
        twin = joblib.load(tmp_path / "model.joblib", mmap_mode=mode)
        assert np.array_equal(twin.predict(X), model.predict(X))


def test_pickling_draws_no_random_number():
    state = torch.get_rng_state()
    pickle.loads(pickle.dumps(FITTED["SpectralRegressor"]))
    assert torch.equal(torch.get_rng_state(), state)


def test_threads_may_pickle_and_predict_with_one_model():
    model = FITTED["SpectralRegressor"]
    expected = model.predict(X)

    def work(_):
        twin = pickle.loads(pickle.dumps(model))
        return np.array_equal(twin.predict(X), model.predict(X))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(12)))
    assert np.array_equal(model.predict(X), expected)


def test_what_set_params_changes_after_the_fit_does_not_change_the_network():
    model = copy.deepcopy(FITTED["MaskedSpectralPretrainer"])
    expected = model.transform(X)
    model.set_params(embed_dim=16, depth=3, patch_size=5)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).transform(X), expected)
