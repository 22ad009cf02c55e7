"""
What bfloat16 does to predictions
=================================

``precision="bfloat16"`` computes the products of a training with 8 significant bits and
keeps weights, sums and optimizer in float32; predictions are made in float64 whatever
the training was. Here the same model is trained in float32, with the pretraining alone
in bfloat16, and with both trainings in bfloat16, on the same splits and from the same
seeds; tuned PLS and the same network from scratch stand beside it. What another seed
changes tells how much of a difference is noise.

``--embedding`` instead asks for embeddings in float32 and in bfloat16 of one encoder,
which was pretrained in float32, and predicts from them by ridge regression.

The spectra come from a folder of ``.npz`` files with ``X``, ``y``, ``target_names``
and, where rows belong together, ``groups``.
"""

import argparse
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeCV
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer, SpectralRegressor
from skspectra.evaluation import pls_baseline

SETS = ["tecator:fat", "diesel_swri:CN", "wheat_kernels:protein"]


def read(folder, name, n_most):
    """Return spectra, values and groups of one target, at most `n_most` rows."""
    file, target = name.split(":")
    with np.load(Path(folder) / f"{file}.npz", allow_pickle=False) as data:
        column = list(data["target_names"]).index(target)
        X, y = data["X"].astype(float), data["y"][:, column].astype(float)
        groups = data["groups"] if "groups" in data else np.arange(len(y))
    rows = np.flatnonzero(~np.isnan(y))
    rows = np.random.RandomState(0).permutation(rows)[:n_most]
    return X[rows], y[rows], groups[rows]


def models(patch_size, seed):
    """Return the compared models by name."""

    def ours(pretraining, fine_tuning, seed=seed, max_epochs=200):
        pretrainer = MaskedSpectralPretrainer(
            patch_size=patch_size,
            max_epochs=max_epochs,
            precision=pretraining,
            random_state=seed,
        )
        regressor = SpectralRegressor(
            pretrainer, precision=fine_tuning, random_state=seed
        )
        return make_pipeline(InstanceNormalizer(), regressor)

    return {
        "float32": ours("float32", "float32"),
        "float32, another seed": ours("float32", "float32", seed + 1000),
        "pretraining in bfloat16": ours("bfloat16", "float32"),
        "both in bfloat16": ours("bfloat16", "bfloat16"),
        "from scratch, float32": ours("float32", "float32", max_epochs=0),
        "tuned PLS": pls_baseline(),
    }


def embeddings(patch_size, seed, spectra):
    """Return pipelines that predict from embeddings in either precision."""
    pretrainer = MaskedSpectralPretrainer(
        patch_size=patch_size, precision="float32", random_state=seed
    ).fit(spectra)

    def ours(precision):
        encoder = FrozenEstimator(deepcopy(pretrainer).set_params(precision=precision))
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-6, 4, 21)))
        return make_pipeline(encoder, ridge)

    return {name: ours(name) for name in ("float32", "bfloat16")}


def rmsep(model, X, y, train, test):
    """Fit on some rows and return the error on others."""
    model = clone(model).fit(X[train], y[train])
    return root_mean_squared_error(y[test], model.predict(X[test]))


def one_split(name, args, seed):
    """Return the error of every model on one split of one set."""
    X, y, groups = read(args.folder, name, args.samples)
    splitter = GroupShuffleSplit(1, test_size=0.3, random_state=seed)
    train, test = next(splitter.split(X, y, groups))
    if args.embedding:
        compared = embeddings(args.patch_size, seed, X[train])
    else:
        compared = models(args.patch_size, seed)
    rows = []
    for label, model in compared.items():
        error = rmsep(model, X, y, train, test)
        rows.append({"set": name, "split": seed, "model": label, "rmsep": error})
    return pd.DataFrame(rows)


def table(runs):
    """Return each model's error and its ratio to float32, over the splits."""
    errors = runs.pivot(index=["set", "split"], columns="model", values="rmsep")
    logs = np.log(errors.div(errors["float32"], axis=0))
    # The geometric mean of the splits, and twice the standard error of the logarithm.
    shown = []
    for name, log in logs.groupby("set"):
        mean, half = log.mean(), 2 * log.sem()
        for model in runs["model"].unique():
            row = {
                "set": name,
                "model": model,
                "rmsep": errors.loc[name, model].mean(),
                "ratio": np.exp(mean[model]),
                "low": np.exp(mean[model] - half[model]),
                "high": np.exp(mean[model] + half[model]),
            }
            shown.append(row)
    return pd.DataFrame(shown).set_index(["set", "model"])


def main():
    """Run all splits and print and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", required=True, help="folder of .npz files")
    parser.add_argument("--sets", nargs="+", default=SETS, help="FILE:TARGET")
    parser.add_argument("--splits", type=int, default=6, help="of each set")
    parser.add_argument("--samples", type=int, default=240, help="at most, of a set")
    parser.add_argument("--patch-size", type=int, default=16, help="in channels")
    parser.add_argument("--embedding", action="store_true", help="see above")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--runs", help="CSV file for the error of every split")
    parser.add_argument("--table", help="CSV file for what is printed")
    args = parser.parse_args()
    tasks = (
        delayed(one_split)(name, args, seed)
        for name in args.sets
        for seed in range(args.splits)
    )
    runs = pd.concat(Parallel(args.jobs)(tasks))
    if args.runs:
        runs.to_csv(args.runs, index=False, float_format="%.5g")
    shown = table(runs)
    if args.table:
        shown.to_csv(args.table, float_format="%.3f")
    print(shown.to_string(float_format="%.3f"))


if __name__ == "__main__":
    main()
