"""Files made to do harm, one by one: nothing runs, nothing hangs, all are refused.

The numbers are those of the list of attacks that the design began with. Most files have
a right SHA-256, as an attacker's would: it is the other checks that are tested.
"""

import copy
import io
import json
import os
import pickle
import re
import resource
import sys
import tarfile
import time
import warnings
import zipfile
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralRegressor,
    SpectralStackingRegressor,
    load_model,
    save_model,
)
from skspectra._model_file import FORMAT, MOST_HEADER, _digest, pack, unpack
from skspectra._model_writer import write
from skspectra.exceptions import ModelFileError

SKLEARN = version("scikit-learn")
MOST_SECONDS = 2.0  # of computing: the clock runs on while others compute
MOST_MEMORY = 200 * 2**20
GUARD = 2 * 2**30  # more than any may take, less than would hurt
RNG = np.random.default_rng(0)
X = 5 + RNG.normal(size=(24, 12)).cumsum(axis=1)
y = X[:, 3] - X[:, 8]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return the bytes of honest files, by name."""
    folder = tmp_path_factory.mktemp("honest")
    sizes = dict(patch_size=2, embed_dim=8, depth=1, n_heads=2, decoder_dim=8)
    sizes |= dict(decoder_n_heads=2, max_epochs=1, random_state=0)
    pretrainer = MaskedSpectralPretrainer(**sizes).fit(X)
    regressor = SpectralRegressor(FrozenEstimator(pretrainer), strategy="probe")
    fitted = {
        "pretrainer": pretrainer,
        "regressor": regressor.fit(X, y),
        "normaliser": InstanceNormalizer().fit(X),
        "pipeline": make_pipeline(StandardScaler(), Ridge()).fit(X, y),
        "stack": SpectralStackingRegressor(cv=2).fit(X, y),
    }
    for name, model in fitted.items():
        save_model(model, folder / name)
    return {name: (folder / name).read_bytes() for name in fitted}


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


# --- Files of other kinds ------------------------------------------------------------


def pickled(marker):
    return pickle.dumps(Payload(marker))


def torch_saved(marker, zipped=True):
    file = io.BytesIO()
    torch.save({"w": Payload(marker)}, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def joblib_dumped(marker):
    file = io.BytesIO()
    joblib.dump([np.zeros(3), Payload(marker)], file)
    return file.getvalue()


def zipped(entries, how=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(entries):
    """Return a tar of (name, data), or (name, None, link)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data, *link in entries:
            member = tarfile.TarInfo(name)
            member.size = len(data or b"")
            if link:
                member.type, member.linkname = tarfile.SYMTYPE, link[0]
            archive.addfile(member, io.BytesIO(data or b""))
    return file.getvalue()


def skops_of_a_net(marker):
    """Return a skops file whose net would unpickle what it carries."""

    def node(name, kind, **said):
        return {"__class__": name, "__module__": "builtins", "__loader__": kind, **said}

    carried = {
        "__cuda_dependent_attributes__": node("bytes", "BytesNode", file="x.bin"),
        "device": node("str", "JsonNode", content='"cpu"', is_json=True),
    }
    words = node("list", "ListNode", content=[node("str", "TypeNode") for _ in carried])
    net = {"__class__": "NeuralNet", "__module__": "skorch.net"}
    net |= {"__loader__": "ObjectNode", "protocol": 2, "_skops_version": "0.16.0"}
    net["content"] = node("dict", "DictNode", content=carried, key_types=words)
    return zipped({"schema.json": json.dumps(net), "x.bin": pickled(marker)})


def bomb(name):
    return zipped({name: bytes(2**26)})


def script(marker):
    return zipped(
        {
            "model/version": "3",
            "model/constants.pkl": pickled(marker),
            "model/data.pkl": pickled(marker),
            "model/code/__torch__.py": f"import os\nos.system('touch {marker}')\n",
        },
        zipfile.ZIP_STORED,
    )


# --- Files of this kind, put together by hand ----------------------------------------


def spoken(attributes):
    """Return the text of a file that holds a model of any attributes."""
    model = {"estimator": ["Normalizer", {}, {"n_features_in_": 3, **attributes}]}
    return json.dumps({"model": model, "versions": {"scikit-learn": SKLEARN}})


def saying(value):
    """Return a file whose model has an attribute that is said to be this."""
    return assembled(text=spoken({"x": "here"}).replace('"here"', value))


def assembled(entries=None, data=b"", text=None, header=None, **metadata):
    """Return a file of given parts whose digest is right.

    Without a text of its own it holds a model with the arrays as attributes, and is
    loaded if nothing is wrong with the other parts.
    """
    entries = {} if entries is None else entries
    if text is None:
        text = spoken({f"x{i}": {"array": name} for i, name in enumerate(entries)})
    said = {"format": FORMAT, "format_version": "1", "config": text}
    said |= {"sha256": _digest(text, entries, data)} | metadata
    if header is None:
        header = json.dumps({"__metadata__": said, **entries})
    header = header if isinstance(header, bytes) else header.encode()
    return len(header).to_bytes(8, "little") + header + data


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def million_arrays():
    one = '"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return assembled(header=f"{{{','.join(one % i for i in range(10**6))}}}")


def numbered(n_arrays):
    return {str(i): entry([0], 0, 0) for i in range(n_arrays)}


def said_twice():
    """Return a file that is whole but for an array that is described twice."""
    file = assembled({"a": entry([1], 0, 4)}, bytes(4))
    described = json.dumps({"a": entry([1], 0, 4)})[1:-1].encode()
    header = file[8:-4].replace(described, described + b", " + described)
    return assembled(header=header, data=bytes(4))


def two(first, second, n_bytes):
    return assembled({"a": first, "b": second}, bytes(n_bytes))


def parts(file):
    """Return the header and the data of a file."""
    start = 8 + int.from_bytes(file[:8], "little")
    return json.loads(file[8:start]), file[start:]


def renewed(file, change):
    """Return an honest file after a change of its config and arrays, digest right."""
    config, arrays = unpack(file)
    change(config["model"]["estimator"], arrays)
    return pack(config, arrays)


def with_text(file, old, new):
    """Return a file with a replacement in its config, the digest being right."""
    header, data = parts(file)
    metadata = header.pop("__metadata__")
    assert old in metadata["config"]
    return assembled(header, data, metadata["config"].replace(old, new, 1))


def with_weights(file, change, which="module_.head.weight"):
    """Return a file with other weights, the digest being right."""
    return renewed(file, lambda model, arrays: change(arrays, which))


def without(arrays, which):
    del arrays[which]


def extra(arrays, which):
    arrays[f"{which}2"] = arrays[which]


def elsewhere(arrays, which):
    arrays[f"{which}2"] = arrays.pop(which)


def set_to(value):
    def change(arrays, which):
        arrays[which] = arrays[which].copy()
        arrays[which].flat[0] = value

    return change


def retyped(dtype):
    def change(arrays, which):
        arrays[which] = arrays[which].astype(dtype)

    return change


def transposed(arrays, which):
    arrays[which] = arrays[which].T


def described(file, **sizes):
    """Return a file whose network is described otherwise."""

    def change(model, arrays):
        description = model[2]["module_"]["module"][0]
        for name, value in sizes.items():
            inside = description["encoder"] if name in description["encoder"] else {}
            (inside or description)[name] = value

    return renewed(file, change)


def flipped(file, bit):
    data = bytearray(file)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


FLOAT8 = assembled({"a": entry([8], 0, 8, "F8_E4M3")}, bytes(8))
NAMED = "no\nsuch\x00\x1b[31mred"

# number, what it is, and a function of the honest files and of the path of the marker.
ATTACKS = [
    (1, "pickle", lambda m, marker: pickled(marker)),
    (2, "torch file", lambda m, marker: torch_saved(marker)),
    (3, "old torch file", lambda m, marker: torch_saved(marker, zipped=False)),
    (4, "tar", lambda m, marker: tarred([(f"../{marker}", b"x")])),
    (5, "TorchScript", lambda m, marker: script(marker)),
    (6, "joblib", lambda m, marker: joblib_dumped(marker)),
    (7, "skops", lambda m, marker: skops_of_a_net(marker)),
    (8, "empty", lambda m, _: b""),
    (9, "7 bytes", lambda m, _: m["pretrainer"][:7]),
    (10, "header of 2^63", lambda m, _: (2**63).to_bytes(8, "little") + bytes(99)),
    (11, "header of 100,000,001", lambda m, _: (10**8 + 1).to_bytes(8, "little")),
    (12, "header longer than file", lambda m, _: (999).to_bytes(8, "little") + b"{}"),
    (13, "no UTF-8", lambda m, _: assembled(header=b'{"\xff\xfe":{}}')),
    (14, "cut JSON", lambda m, _: assembled(header='{"__metadata__":{"format"')),
    (15, "deep JSON", lambda m, _: assembled(header="[" * 100_000)),
    (15, "deep config", lambda m, _: assembled(text="[" * 100_000 + "]" * 100_000)),
    (16, "cut body", lambda m, _: m["pretrainer"][:-40]),
    (17, "zip behind it", lambda m, marker: m["pretrainer"] + script(marker)),
    (18, "overlap", lambda m, _: two(entry([2], 0, 8), entry([2], 4, 12), 12)),
    (18, "twice the same", lambda m, _: two(entry([2], 0, 8), entry([2], 0, 8), 8)),
    (19, "hole", lambda m, _: two(entry([2], 0, 8), entry([2], 12, 20), 20)),
    (20, "overflow", lambda m, _: assembled({"a": entry([2**33, 2**33], 0, 0)})),
    (
        21,
        "negative side",
        lambda m, _: assembled({"a": entry([-1, -2], 0, 8)}, bytes(8)),
    ),
    (
        22,
        "unknown dtype",
        lambda m, _: assembled({"a": entry([1], 0, 8, "O")}, bytes(8)),
    ),
    (23, "key twice", lambda m, _: said_twice()),
    (24, "metadata", lambda m, _: assembled(config=7)),
    (25, "path", lambda m, _: assembled({"../../x": entry([1], 0, 4)}, bytes(4))),
    (26, "(0, 2^60)", lambda m, _: assembled({"a": entry([0, 2**60], 0, 0)})),
    (
        26,
        "(0, 2^30, 2^30)",
        lambda m, _: assembled({"a": entry([0, 2**30, 2**30], 0, 0)}),
    ),
    (27, "a million arrays", lambda m, _: million_arrays()),
    (27, "10,001 arrays", lambda m, _: assembled(numbered(10_001))),
    (28, "NaN", lambda m, _: with_weights(m["regressor"], set_to(np.nan))),
    (28, "inf", lambda m, _: with_weights(m["regressor"], set_to(np.inf))),
    (
        28,
        "NaN where transform does not meet it",
        lambda m, _: with_weights(
            m["pretrainer"], set_to(np.nan), "module_.to_patch.bias"
        ),
    ),
    (
        28,
        "NaN of y",
        lambda m, _: with_weights(m["regressor"], set_to(np.nan), "y_mean_"),
    ),
    (29, "float64", lambda m, _: with_weights(m["regressor"], retyped("float64"))),
    (29, "int8", lambda m, _: with_weights(m["regressor"], retyped("int8"))),
    (29, "float8", lambda m, _: FLOAT8),
    (30, "missing", lambda m, _: with_weights(m["regressor"], without)),
    (30, "extra", lambda m, _: with_weights(m["regressor"], extra)),
    (30, "renamed", lambda m, _: with_weights(m["regressor"], elsewhere)),
    (
        30,
        "missing, of y",
        lambda m, _: with_weights(m["regressor"], without, "y_mean_"),
    ),
    (31, "transposed", lambda m, _: with_weights(m["regressor"], transposed)),
    (32, "10^9 channels", lambda m, _: described(m["regressor"], n_channels=10**9)),
    (
        32,
        "10^9 channels of nothing",
        lambda m, _: with_text(
            m["normaliser"], '"n_features_in_":12', '"n_features_in_":1000000000'
        ),
    ),
    (33, "depth 10^6", lambda m, _: described(m["regressor"], depth=10**6)),
    (34, "width and heads", lambda m, _: described(m["regressor"], n_heads=3)),
    (35, "NaN", lambda m, _: saying("NaN")),
    (35, "Infinity", lambda m, _: saying("-Infinity")),
    (35, "1e999", lambda m, _: saying("1e999")),
    (35, "key twice", lambda m, _: saying('1, "x": 2')),
    (35, "5000 digits", lambda m, _: saying("9" * 5000)),
    (35, "4000 digits", lambda m, _: saying("-" + "9" * 4000)),
    (
        36,
        "os.system",
        lambda m, _: with_text(m["normaliser"], "InstanceN", "os.systemN"),
    ),
    (
        36,
        "module",
        lambda m, _: with_text(
            m["normaliser"], '"InstanceNormalizer"', '"antigravity"'
        ),
    ),
    (37, "version 2", lambda m, _: assembled(format_version="2")),
    (38, "digest", lambda m, _: assembled(sha256="0" * 64)),
    (39, "a bit", lambda m, _: flipped(m["regressor"], 8 * len(m["regressor"]) - 99)),
    (40, "bomb .pt", lambda m, _: bomb("model/data.pkl")),
    (40, "bomb .npz", lambda m, _: bomb("w.npy")),
    (40, "bomb .skops", lambda m, _: bomb("schema.json")),
    (41, "zip, parents", lambda m, marker: zipped({f"../../{marker}": b"x"})),
    (41, "zip, absolute", lambda m, marker: zipped({f"{marker}": b"x"})),
    (42, "tar, link", lambda m, marker: tarred([("a", None, "/tmp"), ("a/b", b"x")])),
    # 43 to 45 and 50 are about what a path leads to, see below.
    (
        46,
        "case",
        lambda m, _: assembled(
            {"a": entry([1], 0, 4), "A": entry([1], 4, 8)}, bytes(8)
        ),
    ),
    (47, "names", lambda m, _: assembled({NAMED: entry([1], 0, 4)}, bytes(4))),
    (
        47,
        "names of classes",
        lambda m, _: with_text(
            m["normaliser"], "InstanceNormalizer", json.dumps(NAMED)[1:-1]
        ),
    ),
    (
        48,
        "history",
        lambda m, _: with_text(
            m["pretrainer"], '"loss_curve_":[', f'"loss_curve_":[{"0.5," * 300_000}'
        ),
    ),
    (49, "architecture", lambda m, _: described(m["regressor"], embed_dim=4)),
]
# What an attacker would try next.
BEYOND = [
    ("nothing", lambda m: assembled(text="{}")),
    ("a list", lambda m: assembled(text="[]")),
    ("a number", lambda m: assembled(text='{"model":3,"versions":{}}')),
    ("negative channels", lambda m: described(m["regressor"], n_channels=-1)),
    ("fewer channels", lambda m: described(m["regressor"], n_channels=11)),
    ("true channels", lambda m: described(m["regressor"], n_channels=True)),
    ("many targets", lambda m: described(m["regressor"], n_targets=10**6)),
    ("unknown encoder", lambda m: described(m["regressor"], encoder="os")),
    ("blocks without weights", lambda m: renewed(m["regressor"], many_blocks)),
    ("tokens without end", lambda m: renewed(m["regressor"], many_tokens)),
    ("heads without end", lambda m: renewed(m["pretrainer"], many_heads)),
    ("networks without end", lambda m: renewed(m["pipeline"], many_networks)),
    ("a long name", lambda m: renewed(m["pretrainer"], long_name)),
    ("pipelines in pipelines", lambda m: renewed(m["pipeline"], nested_pipelines)),
    ("columns without end", lambda m: renewed(m["pipeline"], many_columns)),
    ("a wide window", lambda m: renewed(m["stack"], wide_window)),
    ("no pretrainer", lambda m: renewed(m["regressor"], ridge_for_pretrainer)),
    (
        "an origin without rows",
        lambda m: with_text(m["pretrainer"], '"rows":', '"row":'),
    ),
    ("half true", lambda m: assembled({"a": entry([1], 0, 1, "BOOL")}, b"\2")),
    ("wide words", lambda m: renewed(m["pretrainer"], wide_words)),
    ("many words", lambda m: renewed(m["pipeline"], many_words)),
    ("channels one by one", lambda m: renewed(m["pipeline"], one_by_one)),
    ("a crowd", lambda m: renewed(m["pipeline"], crowd)),
    ("a method", lambda m: renewed(m["pipeline"], in_ridge("predict", 1))),
    ("a method not called", lambda m: renewed(m["pipeline"], in_ridge("score", 1))),
    (
        "constraints",
        lambda m: renewed(m["pipeline"], in_ridge("_parameter_constraints", {})),
    ),
    (
        "a false parameter",
        lambda m: with_text(m["pipeline"], '"alpha":1.0', '"alpha":"x"'),
    ),
    (
        "an array nobody needs",
        lambda m: assembled({"a": entry([1], 0, 4)}, bytes(4), spoken({})),
    ),
    ("three sides", lambda m: assembled({"a": entry([1, 1, 1], 0, 4)}, bytes(4))),
    ("a heap of estimators", lambda m: renewed(m["pipeline"], heap)),
    ("a dunder", lambda m: renewed(m["pipeline"], in_ridge("__class__", 1))),
    ("a parameter", lambda m: renewed(m["pipeline"], in_ridge("alpha", "x"))),
    ("a cube", lambda m: renewed(m["pipeline"], as_cube)),
    (
        "memory",
        lambda m: with_text(m["pipeline"], '"verbose"', '"memory":"/tmp","verbose"'),
    ),
    (
        "a tree",
        lambda m: with_text(m["pipeline"], '"Ridge"', '"DecisionTreeRegressor"'),
    ),
    (
        "a function",
        lambda m: with_text(m["pipeline"], '"Ridge"', '"FunctionTransformer"'),
    ),
    ("an array twice", lambda m: renewed(m["pipeline"], twice)),
    (
        "two words",
        lambda m: with_text(m["pipeline"], '{"array":', '{"tuple":[],"array":'),
    ),
    ("a far group", lambda m: renewed(m["stack"], far_group)),
    ("a record's fields", lambda m: with_text(m["stack"], '"pls_weight"', '"weight"')),
    ("a class as a record", lambda m: with_text(m["stack"], '["Curve"', '["Ridge"')),
    ("random numbers", lambda m: renewed(m["pretrainer"], far_position)),
    ("no curve", lambda m: with_text(m["pretrainer"], '"n_iter_":1', '"n_iter_":-1')),
    (
        "other channels",
        lambda m: with_text(
            m["pretrainer"], '"n_features_in_":12', '"n_features_in_":13'
        ),
    ),
    (
        "deep values",
        lambda m: with_text(m["normaliser"], "1e-12", "[" * 900 + "]" * 900),
    ),
    (
        "callbacks",
        lambda m: with_text(m["pretrainer"], '"compile"', '"callbacks":[],"compile"'),
    ),
]


def many_blocks(model, arrays):
    model[2]["module_"]["module"][0]["encoder"]["depth"] = 128
    for i in range(1, 128):
        arrays[f"module_.encoder.trunk.blocks.{i}.x"] = np.zeros(1, np.float32)


def many_tokens(model, arrays):
    """Describe a spectrum of 30,000 patches; the file is a megabyte, the work hours."""
    for part in (
        model,
        model[2]["pretrainer_"]["estimator"][1]["estimator"]["estimator"],
    ):
        description, where = part[2]["module_"]["module"]
        description["encoder"] |= {"n_channels": 60_000}
        for name in ("encoder.positions.table", "positions.table"):
            if f"{where}.{name}" in arrays:
                arrays[f"{where}.{name}"] = np.zeros((30_000, 8), np.float32)


def tokens_and_heads(state, arrays, n_tokens, n_heads):
    """Have the tiny pretrainer compare more tokens, by more heads."""
    description, where = state["module_"]["module"]
    description["encoder"] |= {"n_channels": 2 * n_tokens, "n_heads": n_heads}
    state |= {"n_features_in_": 2 * n_tokens, "n_tokens_": n_tokens}
    arrays[state["mean_"]["array"]] = np.zeros(2 * n_tokens)
    for name in ("encoder.positions.table", "positions.table"):
        arrays[f"{where}.{name}"] = np.zeros((n_tokens, 8), np.float32)


def many_heads(model, arrays):
    tokens_and_heads(model[2], arrays, 10_000, 8)


def many_networks(model, arrays):
    """Hide networks in attributes of a scaler, each of which takes half a second."""
    file = {}
    pretrainer = MaskedSpectralPretrainer(
        patch_size=2,
        embed_dim=8,
        depth=1,
        n_heads=2,
        decoder_dim=8,
        decoder_n_heads=2,
        max_epochs=0,
    )
    scaler = model[1]["steps"][0]["tuple"][1]["estimator"]
    for i in range(10):
        node, own, _ = write(pretrainer.fit(X))
        told = json.loads(
            json.dumps(node)
            .replace('{"array": "', f'{{"array": "n{i}.')
            .replace(', "module_"]', f', "n{i}.module_"]')
        )
        file |= {f"n{i}.{name}": array for name, array in own.items()}
        tokens_and_heads(told["estimator"][2], file, 6000, 2)
        scaler[2][f"network{i}"] = told
    arrays |= file


def long_name(model, arrays):
    description, where = model[2]["module_"]["module"]
    inside = {name for name in arrays if name.startswith(f"{where}.")}
    names = {name.removeprefix(f"{where}."): name for name in inside}
    names["x" * 200_000] = names.popitem()[1]
    model[2]["module_"]["module"] = [description, names]


def nested_pipelines(model, arrays):
    for _ in range(20):
        inside = {"tuple": ["again", {"estimator": copy.deepcopy(model)}]}
        model[:] = ["Pipeline", {"steps": [inside]}, {}]


def many_columns(model, arrays):
    """Ask for a frame of 10^8 columns."""
    of = {"n_features_in_": 12, "_max_components": 1, "_n_features_out": 10**8}
    arrays.clear()
    arrays |= {"xbar_": np.ones(12), "scalings_": np.ones((12, 1))}
    arrays |= {"classes_": np.arange(2), "coef_": np.ones((1, 12))}
    arrays |= {"intercept_": np.ones(1)}
    of |= {name: {"array": name} for name in arrays}
    of |= {"_sklearn_output_config": {"dict": {"transform": "pandas"}}}
    model[:] = ["LinearDiscriminantAnalysis", {}, of]


def wide_window(model, arrays):
    """Derive TunedPLS over all of 50,000 channels."""
    pls = model[2]["_targets"][0]["record"][1]["pls"]["estimator"]
    model[:] = json.loads(json.dumps(pls).replace(": 12", ": 50000"))
    model[1]["window"], model[2]["treatment_"] = 49_999, "sg1"
    told = json.dumps(model)
    for name, values in list(arrays.items()):
        if f'"{name}"' not in told:
            del arrays[name]
        elif 12 in values.shape:
            sides = [50_000 if side == 12 else side for side in values.shape]
            arrays[name] = np.resize(values, sides)


def ridge_for_pretrainer(model, arrays):
    frozen = model[2]["pretrainer_"]["estimator"]
    as_if = {"estimator": frozen[1]["estimator"], "mean_": 0.0, "scale_": 1.0}
    frozen[:] = ["Ridge", {}, as_if]


def wide_words(model, arrays):
    model[2]["feature_names_in_"] = {"words": ["x" * 200_000, *["y"] * 40_000]}


def many_words(model, arrays):
    scaler = model[1]["steps"][0]["tuple"][1]["estimator"]
    words = {"words": ["x" * 1000, *[""] * 1000]}  # 4 MB in memory
    scaler[2] |= {f"words{i}": words for i in range(100)}


def one_by_one(model, arrays):
    arrays.clear()
    arrays |= {f"l{i}": np.ones(2**15) for i in range(3)}
    model[1]["steps"] = [
        {"tuple": [name, {"estimator": ["PowerTransformer", {}, of]}]}
        for name in arrays
        for of in [{"n_features_in_": 2**15, "lambdas_": {"array": name}}]
    ]
    for step in model[1]["steps"]:
        step["tuple"][1]["estimator"][1]["standardize"] = False


def heap(model, arrays):
    scaler = model[1]["steps"][0]["tuple"][1]["estimator"]
    scaler[2] |= {f"x{i}": {"estimator": ["Ridge", {}, {}]} for i in range(500)}


def crowd(model, arrays):
    """Put 400 normalisers of 2^18 channels one behind the other."""
    normaliser = ["InstanceNormalizer", {}, {"n_features_in_": 2**18}]
    steps = [{"tuple": [f"{i}", {"estimator": normaliser}]} for i in range(400)]
    model[1]["steps"] = steps
    arrays.clear()


def in_ridge(key, value):
    def change(model, arrays):
        ridge = model[1]["steps"][1]["tuple"][1]["estimator"]
        ridge[2][key] = value

    return change


def as_cube(model, arrays):
    arrays["standardscaler.mean_"] = np.zeros((1000, 1, 12))


def twice(model, arrays):
    scaler = model[1]["steps"][0]["tuple"][1]["estimator"]
    scaler[2]["var_"] = scaler[2]["mean_"]
    del arrays["standardscaler.var_"]


def far_group(model, arrays):
    groups = model[2]["_errors"][0]["tuple"][1]["array"]
    arrays[groups] = arrays[groups].copy()
    arrays[groups][0] = 10**9


def far_position(model, arrays):
    arrays["key"] = np.zeros(624, np.uint32)
    model[1]["random_state"] = {"random_state": ["key", 10**6, 0, 0.0]}


def memory(field):
    """Return the memory that this process has (VmRSS) or had at most (VmHWM)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = re.search(rf"{field}:\s+(\d+) kB", status.read_text(encoding="ascii"))
    return 1024 * int(found[1])


def refuse(path, error=ModelFileError):
    """Assert that a path is refused, in time and memory; return the message."""
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5")  # begin the highest memory anew
    before, start = memory("VmRSS"), time.process_time()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory("VmSize") + GUARD, limits[1]))
    try:
        with pytest.raises(error) as caught:
            load_model(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert time.process_time() - start < MOST_SECONDS
    assert memory("VmHWM") - before < MOST_MEMORY
    assert not isinstance(caught.value.__cause__, MemoryError)
    message = str(caught.value)
    assert "antigravity" not in sys.modules
    assert message.isascii() and message.isprintable()
    assert len(message) < 2000
    return message


@pytest.fixture
def attack(tmp_path):
    """Return a function that has bytes refused and looks for what they have done."""

    def run(data):
        path = tmp_path / "model.safetensors"
        path.write_bytes(data)
        message = refuse(path)
        assert os.listdir(tmp_path) == ["model.safetensors"]
        assert path.read_bytes() == data
        assert "model.safetensors" in message
        return message

    return run


def test_the_list_is_complete():
    elsewhere = {43, 44, 45, 50}
    assert {number for number, *_ in ATTACKS} | elsewhere == set(range(1, 51))


@pytest.mark.parametrize(
    "make",
    [make for *_, make in ATTACKS],
    ids=[f"{n} {what}" for n, what, _ in ATTACKS],
)
def test_attacks_on_the_list_are_refused(make, models, attack, tmp_path):
    attack(make(models, tmp_path / "marker"))


@pytest.mark.parametrize("make", [m for _, m in BEYOND], ids=[w for w, _ in BEYOND])
def test_other_attacks_are_refused(make, models, attack):
    attack(make(models))


def test_honest_files_are_loaded(models, tmp_path):
    """So that the others are refused for what they are."""
    models = models | {
        "assembled": assembled({"a": entry([1], 0, 4)}, bytes(4)),
        "saying": saying("1.5"),
        "true": assembled({"a": entry([1], 0, 1, "BOOL")}, b"\1"),
    }
    for name, data in models.items():
        (tmp_path / name).write_bytes(data)
        load_model(tmp_path / name)
        (tmp_path / name).write_bytes(renewed(data, lambda model, arrays: None))
        load_model(tmp_path / name)


def test_the_payloads_work_where_they_are_believed(tmp_path):
    believers = {
        "pickle": lambda: pickle.loads(pickled(tmp_path / "pickle")),
        "torch": lambda: torch.load(
            io.BytesIO(torch_saved(tmp_path / "torch")), weights_only=False
        ),
        "old torch": lambda: torch.load(
            io.BytesIO(torch_saved(tmp_path / "old", zipped=False)), weights_only=False
        ),
        "joblib": lambda: joblib.load(io.BytesIO(joblib_dumped(tmp_path / "joblib"))),
        "skops": lambda: skops.io.loads(
            skops_of_a_net(tmp_path / "skops"), trusted=["skorch.net.NeuralNet"]
        ),
    }
    for believe in believers.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                believe()
            except Exception as error:  # it ran before it failed
                print(error)
    assert sorted(os.listdir(tmp_path)) == ["joblib", "old", "pickle", "skops", "torch"]


@pytest.mark.parametrize("lead", ["device", "pipe", "folder"])
def test_what_is_no_file_is_refused_at_once(lead, tmp_path):  # 43, 44
    path = tmp_path / "model"
    match lead:
        case "device":
            path.symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    assert "no file but" in refuse(path)


def test_a_file_replaced_after_loading_changes_nothing(models, tmp_path):  # 45
    path = tmp_path / "model"
    path.write_bytes(models["regressor"])
    model = load_model(path)
    expected = model.predict(X)
    with open(path, "r+b") as file:
        file.write(bytes(len(models["regressor"])))
    assert np.array_equal(model.predict(X), expected)
    os.truncate(path, 10)
    assert np.array_equal(model.predict(X), expected)
    refuse(path)


def test_an_unreadable_file_is_an_os_error(models, tmp_path):  # 50
    path = tmp_path / "model"
    path.write_bytes(models["pretrainer"])
    path.chmod(0o000)
    if not os.access(path, os.R_OK):  # nothing is unreadable for the superuser
        refuse(path, PermissionError)
    path.chmod(0o444)
    load_model(path)
    assert path.read_bytes() == models["pretrainer"]
    refuse(tmp_path / "missing", FileNotFoundError)


def test_messages_say_what_is_wrong(models, attack):
    told = attack(assembled(format_version="2"))
    assert "version '2'" in told and "version 1" in told
    told = attack(described(models["regressor"], embed_dim=4))
    assert "'encoder.project.bias': float32 of shape (4,) wanted, " in told
    assert "float32 of shape (8,) got" in told and " more" in told
    told = attack(assembled({NAMED: entry([1], 0, 4)}, bytes(4)))
    assert "no\\nsuch\\x00\\x1b[31mred" in told
    assert "SHA-256" in attack(assembled(sha256="0" * 64))
    assert "'os.systemNormalizer'" in attack(
        with_text(models["normaliser"], "InstanceN", "os.systemN")
    )


@pytest.mark.parametrize("name", ["regressor", "stack"])
def test_a_file_cut_off_anywhere_is_refused(name, models, attack):
    whole = models[name]
    n_header = int.from_bytes(whole[:8], "little")
    ends = [0, 1, 7, 8, 9, 8 + n_header // 2, 7 + n_header, 8 + n_header, 9 + n_header]
    for end in [*ends, len(whole) // 2, len(whole) - 1]:
        attack(whole[:end])


def test_every_flipped_bit_of_a_small_file_is_found(models, attack):
    whole = models["normaliser"]
    path_of_all = range(8 * len(whole))
    unfound = []
    for bit in path_of_all:
        try:
            config, _ = unpack(flipped(whole, bit))
        except ModelFileError:
            continue
        unfound.append((bit, config))
    assert unfound == []


def test_flipped_bits_are_found(models):
    rng = np.random.default_rng(0)
    unfound = []
    for name in ("regressor", "pipeline", "stack"):
        for bit in rng.integers(8 * len(models[name]), size=100):
            try:
                unpack(flipped(models[name], int(bit)))
            except ModelFileError:
                continue
            unfound.append((name, bit))
    assert unfound == []


def nodes_of(node, path=()):
    """Yield the path of every node of JSON."""
    yield path
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, each in items:
            yield from nodes_of(each, (*path, key))


STRANGE = [None, True, -1, 0, 2**40, 2**63, 1e308, -0.5, "", "x", "nan", [], {}, [[]]]
STRANGE += [{"array": "x"}, {"tuple": [1]}, {"float": "nan"}, {"number": ["int64", -1]}]
STRANGE += [{"words": ["a"]}, {"random_state": []}, {"estimator": ["Ridge", {}, {}]}]


@pytest.mark.filterwarnings("ignore:The model was saved with device")
@pytest.mark.parametrize("name", ["regressor", "pipeline", "stack", "normaliser"])
def test_whatever_a_file_says_it_gives_a_model_or_an_error(name, models, tmp_path):
    rng = np.random.default_rng(1)
    config, arrays = unpack(models[name])
    paths = [path for path in nodes_of(config["model"]) if path]
    path, outcomes = tmp_path / "model", []
    for _ in range(60):
        changed, others = copy.deepcopy(config), dict(arrays)
        *way, last = paths[rng.integers(len(paths))]
        node = changed["model"]
        for key in way:
            node = node[key]
        node[last] = copy.deepcopy(STRANGE[rng.integers(len(STRANGE))])
        if others and rng.random() < 0.2:
            which = list(others)[rng.integers(len(others))]
            others[which] = others[which][..., None] * np.float64(1e200)
        path.write_bytes(pack(changed, others))
        start = time.process_time()
        try:
            model = load_model(path)
        except ModelFileError:
            outcomes.append("refused")
        else:
            outcomes.append("loaded")
            say = "predict" if hasattr(model, "predict") else "transform"
            n_channels = getattr(model, "n_features_in_", 12)
            assert np.isfinite(getattr(model, say)(X[:, :n_channels])).all()
        assert time.process_time() - start < MOST_SECONDS
    assert outcomes.count("refused") > 30


def test_the_header_is_capped_before_it_is_read(tmp_path):
    path = tmp_path / "model"
    with open(path, "wb") as file:
        file.write((MOST_HEADER + 1).to_bytes(8, "little"))
        file.truncate(2**31)  # a file with a hole: nothing of it is read
    assert str(MOST_HEADER + 1) in refuse(path)
    path.write_bytes(assembled({"a": entry([1], 0, 4)}, bytes(4)))
    os.truncate(path, 2**33)
    assert f"{2**33} bytes" in refuse(path)
