"""save_model and load_model: what comes back is what was saved."""

import json
import os
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version as metadata_version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors
import torch
from numpy.testing import assert_allclose, assert_equal
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    PLSRegressionCV,
    SpectralClassifier,
    SpectralNoveltyDetector,
    SpectralRegressor,
    SpectralStackingRegressor,
    load_model,
    save_model,
)
from skspectra._model_file import pack, unpack
from skspectra._model_kinds import SKLEARN, find
from skspectra._modules import _ENCODER
from skspectra.evaluation import TunedPLS

RNG = np.random.default_rng(0)
X = 5 + RNG.normal(size=(24, 12)).cumsum(axis=1)
y = X[:, 3] - X[:, 8]
GRADE = np.where(y > 0, "high", "low")
LABELS = np.column_stack([y > 0, X[:, 2] > 5]).astype(int)


def tiny_pretrainer(**parameters):
    sizes = dict(patch_size=2, embed_dim=8, depth=1, n_heads=2)
    sizes |= dict(decoder_dim=8, decoder_n_heads=2, max_epochs=1, random_state=0)
    return MaskedSpectralPretrainer(**sizes | parameters)


def tiny_regressor(pretrainer=None, **parameters):
    defaults = dict(strategy="probe", random_state=0)
    return SpectralRegressor(pretrainer or tiny_pretrainer(), **defaults | parameters)


def frozen(**parameters):
    return FrozenEstimator(tiny_pretrainer(**parameters).fit(X))


AXIS = np.linspace(900.0, 1700.0, 12)
FITTED = {
    "normaliser": InstanceNormalizer("area").fit(X),
    "normaliser, never fitted": InstanceNormalizer("robust"),
    "pretrainer": tiny_pretrainer(max_epochs=20).fit(X),  # a curve of 20 epochs
    "replacing": tiny_pretrainer(
        hidden_tokens="replace", decoder_depth=0, positions="learned"
    ).fit(X),
    "state space": tiny_pretrainer(
        encoder="state_space", mask_ratio=(0.3, 0.6), x_axis=AXIS.tolist()
    ).fit(X),
    "narrow": tiny_pretrainer(embed_dim=1, n_heads=1, patch_size=5).fit(X),
    "regressor": tiny_regressor(
        strategy="fine_tune", max_epochs=2, early_stopping=True, pooling="mean"
    ).fit(X, y),
    "two targets": tiny_regressor(frozen(x_axis=AXIS)).fit(X, np.c_[y, X[:, 0]]),
    "classes": SpectralClassifier(frozen(), strategy="probe").fit(X, GRADE),
    "labels": SpectralClassifier(tiny_pretrainer(), strategy="probe").fit(X, LABELS),
    "words as objects": SpectralClassifier(frozen(), strategy="probe").fit(
        X, GRADE.astype(object)
    ),
    "stack": SpectralStackingRegressor(cv=2, random_state=0).fit(X, y),
    "stack of two": SpectralStackingRegressor(frozen(), cv=2).fit(
        X, np.c_[y, np.where(X[:, 5] > 5, X[:, 0], np.nan)]
    ),
    "stack of groups": SpectralStackingRegressor(tiny_pretrainer(), cv=2).fit(
        X, y, groups=np.arange(24) // 2
    ),
    "PLS": PLSRegressionCV(3, cv=ShuffleSplit(3, random_state=0)).fit(X, y),
    "PLS of two": PLSRegressionCV(3, scale=True, cv=None).fit(X, np.c_[y, X[:, 0]]),
    "tuned PLS": TunedPLS(3, window=5).fit(X, y),
    "tuned PLS, splits": TunedPLS(
        3, window=5, cv=list(GroupKFold(2).split(X, y, np.arange(24) // 2))
    ).fit(X, np.c_[y, X[:, 0]]),
    "novelty": SpectralNoveltyDetector(cv=ShuffleSplit(2, random_state=0)).fit(X),
    "novelty, nothing in common": SpectralNoveltyDetector(n_components=0).fit(X),
    "novelty by a network": SpectralNoveltyDetector(tiny_pretrainer(), cv=2).fit(X),
    "pipeline": make_pipeline(
        StandardScaler(), InstanceNormalizer(), tiny_regressor()
    ).fit(X, y),
    "frozen": frozen(),
}
ALL = pytest.mark.parametrize("name", FITTED)


def answers(model, X):
    """Return all that a model says of spectra, by method."""
    methods = ["predict", "predict_proba", "decision_function", "predict_interval"]
    methods += ["transform", "score_samples"]
    said = {each: getattr(model, each)(X) for each in methods if hasattr(model, each)}
    if hasattr(model, "reconstruct"):
        hidden = np.arange(X.shape[1]) < 3
        said["reconstruct"] = model.reconstruct(X, hidden)["reconstruction"]
    return said


def assert_same(one, other):
    """Compare what two models are: parameters, attributes, answers to the last bit."""
    assert type(one) is type(other)
    if hasattr(one, "get_params"):
        assert_same(one.get_params(deep=False), other.get_params(deep=False))
        assert_same(vars(one), vars(other))
    elif isinstance(one, torch.nn.Module):
        assert_same(one.architecture, other.architecture)
        assert_same({**one.state_dict()}, {**other.state_dict()})
        assert not other.training
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif hasattr(one, "split") and not isinstance(one, str):
        assert repr(one) == repr(other)  # a splitter
    else:
        assert_equal(other, one)
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None)


@ALL
def test_what_is_loaded_is_what_was_saved(name, tmp_path):
    model, path = FITTED[name], tmp_path / "model.safetensors"
    before = answers(model, X)
    save_model(model, path)
    loaded = load_model(str(path))
    assert_same(model, loaded)
    assert_same(answers(loaded, X), before)
    assert_same(answers(model, X), before)
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize("name", ["regressor", "stack", "PLS", "pipeline"])
def test_a_loaded_model_can_be_fitted_again(name, tmp_path):
    save_model(FITTED[name], tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    expected = clone(FITTED[name]).fit(X, y).predict(X)
    assert_equal(clone(loaded).fit(X, y).predict(X), expected)
    assert_equal(loaded.fit(X, y).predict(X), expected)


@pytest.mark.filterwarnings("ignore:n_quantiles", "ignore:lbfgs failed")
@pytest.mark.parametrize(
    "name", sorted(set(SKLEARN) - {"FrozenEstimator", "LabelBinarizer", "Pipeline"})
)
def test_parts_of_scikit_learn_come_back(name, tmp_path):
    part = find(SKLEARN, name)()
    part.fit(X, GRADE if is_classifier(part) else y)
    save_model(part, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert_same(part, loaded)
    assert_same(answers(part, X), answers(loaded, X))


def test_names_of_channels_and_their_check_come_back(tmp_path):
    words, numbers = (
        pd.DataFrame(X, columns=names) for names in ([*"abcdefghijkl"], AXIS)
    )
    model = tiny_regressor().fit(words, y)
    save_model(model, tmp_path / "words")
    loaded = load_model(tmp_path / "words")
    assert_equal(loaded.predict(words), model.predict(words))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(words[words.columns[::-1]])
    save_model(FITTED["state space"], tmp_path / "numbers")
    with pytest.raises(ValueError, match="the axis of"):
        load_model(tmp_path / "numbers").transform(numbers[numbers.columns[::-1]])


def test_an_axis_of_any_kind_is_kept(tmp_path):
    for axis in (range(900, 912), pd.Series(AXIS), pd.Index(AXIS)):
        model = tiny_pretrainer(x_axis=axis, max_epochs=0).fit(X)
        save_model(model, tmp_path / "model", overwrite=True)
        loaded = load_model(tmp_path / "model")
        assert_equal(loaded.x_axis, np.asarray(axis))
        assert_equal(clone(loaded).fit(X).x_axis_, model.x_axis_)


def test_a_state_of_random_numbers_is_kept(tmp_path):
    model = tiny_pretrainer(random_state=np.random.RandomState(3)).fit(X)
    model.random_state.normal()  # leaves half of a pair behind
    save_model(model, tmp_path / "model")
    drawn = load_model(tmp_path / "model").random_state.normal(size=5)
    assert_equal(drawn, model.random_state.normal(size=5))


def test_output_of_frames_is_kept(tmp_path):
    model = make_pipeline(StandardScaler(), tiny_pretrainer())
    model.set_output(transform="pandas").fit(X)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model").transform(X)
    pd.testing.assert_frame_equal(loaded, model.transform(X))


def test_parameters_may_come_from_numpy(tmp_path):
    whole = dict(patch_size=2, embed_dim=8, depth=1, n_heads=2, max_epochs=1)
    parameters = {name: np.int64(value) for name, value in whole.items()}
    parameters |= dict(encoder=np.str_("transformer"), lr=np.float32(1e-3))
    model = tiny_pretrainer(**parameters, compile=np.bool_(False)).fit(X)
    save_model(model, tmp_path / "model")
    twins = load_model(tmp_path / "model"), pickle.loads(pickle.dumps(model))
    for twin in twins:
        assert_equal(twin.transform(X), model.transform(X))
        assert twin.get_params() == model.get_params()


def test_what_set_params_changes_after_the_fit_is_kept_and_harmless(tmp_path):
    model = tiny_pretrainer().fit(X)
    expected = model.transform(X)
    save_model(model.set_params(embed_dim=16, depth=3), tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.depth == 3
    assert_equal(loaded.transform(X), expected)


def test_callbacks_are_left_out_with_a_warning(tmp_path):
    model = tiny_pretrainer().fit(X).set_params(callbacks=[lambda: None])
    with pytest.warns(UserWarning, match="callbacks of MaskedSpectralPretrainer"):
        save_model(model, tmp_path / "model")
    assert load_model(tmp_path / "model").callbacks is None


def test_metadata_routing_is_left_out_with_a_warning(tmp_path):
    with config_context(enable_metadata_routing=True):
        model = Ridge().set_fit_request(sample_weight=True).fit(X, y)
    with pytest.warns(UserWarning, match="metadata routing of Ridge"):
        save_model(model, tmp_path / "model")


def test_a_folder_that_a_file_names_is_not_written_to(tmp_path):
    model = Pipeline([("scale", StandardScaler()), ("pls", PLSRegressionCV())])
    model.set_params(memory=str(tmp_path / "cache")).fit(X, y)
    save_model(model, tmp_path / "model")
    assert load_model(tmp_path / "model").memory is None


class Subclass(PLSRegressionCV):
    pass


@pytest.mark.parametrize(
    "model, message",
    [
        (
            make_pipeline(FunctionTransformer(np.cbrt), PLSRegressionCV(2)),
            "'functiontransformer', a FunctionTransformer.*StandardScaler",
        ),
        (make_pipeline(StandardScaler(), SVR()), "'svr', a SVR"),
        (Subclass(2), "a Subclass"),
        (GridSearchCV(Ridge(), {"alpha": [1, 2]}), "Save its best_estimator_"),
        (
            PLSRegressionCV(2, cv=type("Own", (ShuffleSplit,), {})()),
            "cv, which is .*Own",
        ),
    ],
    ids=["function", "native code", "subclass", "search", "splitter"],
)
def test_what_cannot_be_kept_safely_is_refused_with_its_name(model, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        save_model(model.fit(X, y), tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_a_model_that_could_not_be_loaded_is_not_saved(tmp_path):
    model = PLSRegressionCV(2).fit(X, y)
    model.coef_ = model.coef_ * np.nan
    with pytest.raises(TypeError, match="PLSRegressionCV cannot be saved: coef_"):
        save_model(model, tmp_path / "model")
    many = PLSRegressionCV(2).fit(X, y).set_params(cv=[(np.arange(2),)] * 10000)
    with pytest.raises(TypeError, match="10012 arrays"):
        save_model(many, tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_unfitted_models_and_other_things_are_refused(tmp_path):
    for model in (tiny_regressor(), PLSRegressionCV(), make_pipeline(StandardScaler())):
        with pytest.raises(NotFittedError):
            save_model(model, tmp_path / "model")
    with pytest.raises(TypeError, match="Got dict"):
        save_model({}, tmp_path / "model")


def test_nothing_is_overwritten_unless_asked_for(tmp_path):
    path, first, second = tmp_path / "model", FITTED["PLS"], FITTED["PLS of two"]
    save_model(first, path)
    with pytest.raises(FileExistsError, match="model' exists already"):
        save_model(second, path)
    assert_same(load_model(path), first)
    save_model(second, path, overwrite=True)
    assert_same(load_model(path), second)
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "dangling", "folder", "pipe"):
        for overwrite in (False, True):
            with pytest.raises(FileExistsError, match=name):
                save_model(first, tmp_path / name, overwrite=overwrite)
    assert_same(load_model(path), second)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(FileNotFoundError, match="missing"):
        save_model(first, tmp_path / "missing" / "model")
    assert_same(load_model(tmp_path / "link"), second)  # reading through one is fine


FULL_DISK = """
import os, resource, sys
from skspectra import load_model, save_model
path = sys.argv[1]
model = load_model(path)
assert "torch" not in sys.modules  # which takes seconds, and PLS needs none
before = open(path, "rb").read()
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # as if no more fitted
for target in (path, path + ".new"):
    try:
        save_model(model, target, overwrite=True)
    except OSError as error:
        assert error.filename == target, error
    else:
        raise AssertionError("nothing was raised")
assert open(path, "rb").read() == before
assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
"""


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path):
    save_model(FITTED["PLS"], tmp_path / "model")
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "model")]
    subprocess.run(command, check=True)


def test_equal_models_have_equal_files_of_this_format(tmp_path):
    paths = [tmp_path / name for name in ("one", "two")]
    for path in paths:
        save_model(FITTED["regressor"], path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with safetensors.safe_open(paths[0], "numpy") as file:  # any reader will do
        metadata = file.metadata()
        weight = file.get_tensor("module_.head.weight")
    head = FITTED["regressor"].module_.head.weight.detach().numpy()
    assert weight.dtype == np.float32
    assert_equal(weight, head)
    assert metadata["format"] == "skspectra model"
    versions = json.loads(metadata["config"])["versions"]
    assert versions["torch"] == torch.__version__.partition("+")[0] or "+" in str(
        versions
    )
    assert {"python", "numpy", "scikit-learn", "skspectra"} < versions.keys()


def test_the_origin_of_a_model_is_saved_with_it(tmp_path):
    save_model(FITTED["pretrainer"], tmp_path / "model")
    origin = load_model(tmp_path / "model").provenance_
    assert origin.versions["torch"] == metadata_version("torch")
    assert {"seed", "device", "n_threads", "data", "rows"} < origin.keys()
    assert origin.rows.dtype == np.uint64


def changed(path, change):
    """Write a file again, with a right digest, after a change of what it says."""
    config, arrays = unpack(path.read_bytes())
    change(config, arrays)
    path.write_bytes(pack(config, arrays))


def test_parts_of_another_scikit_learn_are_told(tmp_path):
    path = tmp_path / "model"
    save_model(FITTED["pipeline"], path)

    def pretend(config, arrays):
        config["versions"]["scikit-learn"] = "1.2.3"

    changed(path, pretend)
    with pytest.warns(InconsistentVersionWarning, match=r"1\.2\.3") as told:
        load_model(path)
    assert {each.message.estimator_name for each in told} == {
        "Pipeline",
        "StandardScaler",
    }
    save_model(FITTED["PLS"], path, overwrite=True)
    changed(path, pretend)
    load_model(path)  # nothing of scikit-learn in it


def test_a_device_that_is_not_here_becomes_auto(tmp_path):
    model = tiny_regressor().fit(X, y).set_params(device="cuda:9")
    model.pretrainer_.device = "cuda:9"
    save_model(model, tmp_path / "model")
    with pytest.warns(UserWarning, match="cuda:9"):
        loaded = load_model(tmp_path / "model")
    assert loaded.device == loaded.pretrainer_.device == "auto"
    assert_equal(loaded.predict(X), model.set_params(device="auto").predict(X))


def test_a_file_may_be_read_only_and_stays_as_it_is(tmp_path):
    path = tmp_path / "model"
    save_model(FITTED["PLS"], path)
    path.chmod(0o444)
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert_same(load_model(path), FITTED["PLS"])
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_others_may_read_what_is_saved(tmp_path):
    save_model(FITTED["PLS"], tmp_path / "model")
    (tmp_path / "plain").write_text("")
    modes = [(tmp_path / name).stat().st_mode for name in ("model", "plain")]
    assert modes[0] == modes[1]


def test_threads_may_save_and_load_at_once(tmp_path):
    expected = FITTED["regressor"].predict(X)

    def work(number):
        save_model(FITTED["regressor"], tmp_path / f"{number}")
        return load_model(tmp_path / f"{number}").predict(X)

    with ThreadPoolExecutor(4) as pool:
        for predicted in pool.map(work, range(8)):
            assert_equal(predicted, expected)


def test_threads_that_load_do_not_silence_each_other_for_good(tmp_path):
    path, before = tmp_path / "model", warnings.filters[:]
    save_model(FITTED["PLS"], path)
    usual = sys.getswitchinterval()
    try:
        sys.setswitchinterval(1e-5)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: load_model(path), range(80)))
    finally:
        sys.setswitchinterval(usual)
    assert warnings.filters == before


DATA = Path(__file__).parent / "data"


@pytest.mark.filterwarnings(  # they may have been written by another scikit-learn
    "ignore::sklearn.exceptions.InconsistentVersionWarning"
)
@pytest.mark.parametrize("name", ["pipeline", "stack"])
def test_files_of_earlier_versions_stay_loadable(name):
    # Written by version 0.1.0.dev0: spectra, and in the last column what the model
    # that was saved said of them.
    table = np.loadtxt(DATA / f"{name}_0.1.csv", delimiter=",")
    model = load_model(DATA / f"{name}_0.1.safetensors")
    assert_allclose(model.predict(table[:, :-1]), table[:, -1], rtol=1e-6)


def test_files_may_hold_every_encoder():
    (words,) = MaskedSpectralPretrainer._parameter_constraints["encoder"]
    assert words.options == _ENCODER["encoder"]
