"""
How many reference values does a network need to pass PLS?
==========================================================

RMSEP against the number of labelled spectra, for five real sets of a folder (format:
accuracy_protocol.py) and for simulated XRF scans of cores. Four methods get the same
rows: tuned PLS; a small network from random weights; the same network pretrained on all
training spectra, labelled or not; and SpectralStackingRegressor. The test rows are the
same for every number of labels, and whole groups (samples, cores) are tested, labelled
or hidden together.

Limits, so that it takes half an hour of one core: three folds, drawn once; sets of more
than 600 labelled rows are cut to that many, groups whole, and clover, which stands for
a large pool, to 1,300 (about 1,500 spectra). The network has 40 patches and two blocks,
is pretrained for 400 steps and fine-tuned for 60 epochs, and nothing of it was tuned to
a set. The pretraining of a fold is done once and kept for all its numbers of labels.

``--quick`` is for seeing that all works: one small real set, the cores, and networks
that are hardly trained. ``--table`` draws the results of an earlier run.
"""

import argparse
import copy
import warnings
from pathlib import Path
from typing import NamedTuple

import joblib
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from accuracy_protocol import Task, read_tasks
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralRegressor,
    SpectralStackingRegressor,
)
from skspectra.datasets import make_xrf_cores
from skspectra.evaluation import label_efficiency_curve, pls_baseline
from skspectra.exceptions import FewLabelsWarning


class About(NamedTuple):
    """What is taken of a set, and how it is written on a drawing."""

    target: str
    title: str
    unit: str
    most: int = 600


SETS = {
    "clover_starch_scans": About("starch_mg_g", "starch in clover", "mg/g", 1300),
    "diesel_swri": About("CN", "cetane number of diesel", "cetane number"),
    "mineral_composition_vnir": About(
        "OL_modal_vol", "olivine in minerals", "volume fraction"
    ),
    "nirsoil": About("Nt", "nitrogen in soil", "g/kg"),
    "wheat_kernels": About("protein", "protein in wheat", "%"),
    "xrf_cores": About("TOC", "organic carbon in cores (simulated)", "% of dry mass"),
}
STYLES = {
    "PLS": ("black", "o", "-"),
    "from scratch": ("#D55E00", "s", ":"),
    "pretrained": ("#0072B2", "^", "--"),
    "stacked": ("#009E73", "D", "-."),
}
SIZES = (20, 50, 100, 200)
N_FOLDS, N_STEPS, N_EPOCHS, BATCH = 3, 400, 60, 64
NEARLY_ALL = 0.8
QUICK = {"sets": ["wheat_kernels", "xrf_cores"], "most": 100, "steps": 20, "epochs": 5}


class KeptPretrainer(MaskedSpectralPretrainer):
    """Take over the last training where spectra, parameters and seed are the same."""

    _last = None, None

    def fit(self, X, y=None):
        """Pretrain, or remember."""
        key = joblib.hash((X, self.get_params()))
        if KeptPretrainer._last[0] != key:
            super().fit(X)
            KeptPretrainer._last = key, copy.deepcopy(vars(self))
        vars(self).update(copy.deepcopy(KeptPretrainer._last[1]))
        return self


def network(X, n_steps, n_epochs):
    """Return SNV and a small regressor; its encoder is pretrained for some steps."""
    n_batches = -(-len(X) // BATCH)
    pretrainer = KeptPretrainer(
        patch_size=-(-X.shape[1] // 40),
        embed_dim=64,
        depth=2,
        batch_size=BATCH,
        max_epochs=-(-n_steps // n_batches),
    )
    model = SpectralRegressor(pretrainer, max_epochs=n_epochs)
    return make_pipeline(InstanceNormalizer(), model)


def cores():
    """Return organic carbon in 60 simulated cores of 10 spectra."""
    scans = make_xrf_cores(60, 10, 1024, spacing=5.0, random_state=0)
    y = scans.target[:, scans.target_names.index("TOC")]
    return Task("xrf_cores", "TOC", "XRF", scans.data, y, scans.groups)


def cut(task, most):
    """Return the rows that are used, whole groups in a drawn order."""
    groups = np.arange(len(task.y)) if task.groups is None else task.groups
    rng = np.random.default_rng(0)
    rank = rng.permutation(groups.max() + 1)[groups]
    filled = np.cumsum(np.bincount(rank, weights=~np.isnan(task.y)))
    rows = np.flatnonzero(filled[rank] <= most)
    return task.X[rows], task.y[rows], groups[rows]


def folds(y, groups):
    """Return training and test rows; rows without a reference value always train."""
    known, unknown = np.flatnonzero(~np.isnan(y)), np.flatnonzero(np.isnan(y))
    splitter = GroupKFold(N_FOLDS, shuffle=True, random_state=0)
    return [
        (np.concatenate([known[train], unknown]), known[test])
        for train, test in splitter.split(known, groups=groups[known])
    ]


def measure(task, about, n_steps, n_epochs):
    """Return a row for each fold, number of labels and method."""
    X, y, groups = cut(task, about.most)
    splits = folds(y, groups)
    everything = min((~np.isnan(y[train])).sum() for train, _ in splits)
    sizes = [size for size in SIZES if size < NEARLY_ALL * everything]
    models = {
        "PLS": pls_baseline(),
        "from scratch": network(X, 0, n_epochs),
        "pretrained": network(X, n_steps, n_epochs),
        "stacked": SpectralStackingRegressor(random_state=0),
    }
    curve = label_efficiency_curve(
        models,
        X,
        y,
        train_sizes=[*sizes, everything],
        cv=splits,
        groups=groups,
        random_state=0,
        verbose=1,
    )
    rows = curve.results.assign(
        dataset=task.dataset,
        target=task.target,
        labels=curve.results["train_size"].replace({everything: "all"}),
    ).rename(columns={"estimator": "method"})
    figures = ["n_labelled", "n_unlabelled", "n_test", "rmsep", "bias", "r2"]
    return rows[["dataset", "target", "labels", "method", "fold", *figures]]


def run(args):
    """Measure set after set, writing the table after each."""
    names = args.only or (QUICK["sets"] if args.quick else list(SETS))
    wanted = [
        task
        for task in read_tasks(args.folder, 99, [*names, ""])
        if SETS[task.dataset].target == task.target
    ]
    wanted += [cores()] if "xrf_cores" in names else []
    n_steps, n_epochs = N_STEPS, N_EPOCHS
    if args.quick:
        n_steps, n_epochs = QUICK["steps"], QUICK["epochs"]
    tables = []
    for task in wanted:
        about = SETS[task.dataset]
        about = about._replace(most=QUICK["most"]) if args.quick else about
        tables.append(measure(task, about, n_steps, n_epochs))
        pd.concat(tables).to_csv(args.output, index=False, float_format="%.5g")
    return pd.read_csv(args.output)


def means(table):
    """Return mean RMSEP, sets and labels down in their order, methods across."""
    order = [str(size) for size in (*SIZES, "all")]
    found = table.assign(
        labels=pd.Categorical(table["labels"].astype(str), order, ordered=True)
    )
    return found.pivot_table(
        "rmsep", ["dataset", "labels"], "method", observed=True, sort=True
    )[[*STYLES]]


def passes(table):
    """Return the labels at which each method is first below PLS with all of them."""
    rows = []
    for dataset, part in means(table).groupby("dataset"):
        part = part.droplevel("dataset")
        goal = part.loc["all", "PLS"]
        counts = table[table["dataset"] == dataset].groupby("labels")["n_labelled"]
        counts = counts.mean().round().astype(int)
        about = SETS[dataset]
        row = {
            "set": f"{dataset}: {about.target}",
            "labels in all": counts["all"],
            "RMSEP of PLS with all": f"{goal:.3g} {about.unit}",
        }
        for method in [*STYLES][1:]:
            below = part.index[part[method] < goal]
            row[method] = counts[below[0]] if len(below) else "never"
        rows.append(row)
    return pd.DataFrame(rows)


def ratios(table):
    """Return RMSEP over that of PLS with as many labels: geometric means over sets."""
    found = means(table)
    logs = np.log(found.div(found["PLS"], axis=0).drop(columns="PLS"))
    by_labels = logs.groupby("labels", observed=True)
    n_sets = by_labels.size().rename("sets")
    better = (logs["pretrained"] < 0).groupby("labels", observed=True).sum()
    return pd.concat(
        [
            n_sets,
            np.exp(by_labels.mean()).round(2),
            better.rename("pretrained better than PLS, sets"),
        ],
        axis=1,
    )


def panel(axes, dataset, rows):
    """Draw one set: means, and bars from the lowest to the highest fold."""
    n_labelled = rows.groupby("labels")["n_labelled"].mean()
    spread = n_labelled.max() / n_labelled.min()
    for k, (method, (colour, marker, line)) in enumerate(STYLES.items()):
        found = rows[rows["method"] == method].groupby("labels")["rmsep"]
        found = found.agg(["mean", "min", "max"]).loc[n_labelled.sort_values().index]
        # Beside each other by a little, so that bars do not overlap.
        x = n_labelled[found.index] * spread ** (0.014 * (k - 1.5))
        bars = [found["mean"] - found["min"], found["max"] - found["mean"]]
        axes.errorbar(
            x,
            found["mean"],
            bars,
            color=colour,
            marker=marker,
            ls=line,
            markerfacecolor=colour if k % 2 == 0 else "white",
            capsize=2,
            lw=1.3,
            elinewidth=0.7,
            label=method,
        )
        if method == "PLS":
            axes.axhline(
                found["mean"].iloc[-1],
                color="0.6",
                lw=0.8,
                zorder=0,
                label="PLS with all labels",
            )
    about = SETS[dataset]
    axes.set(xscale="log", title=about.title, xlabel="labelled spectra")
    axes.set_ylabel(f"RMSEP, {about.unit}")
    axes.minorticks_off()
    counts = n_labelled.sort_values()
    crowded = (counts.shift(-1) / counts < 1.4).to_numpy()
    words = np.where(crowded, "", [f"{count:.0f}" for count in counts])
    axes.set_xticks(counts, words)
    axes.set_ylim(0, axes.get_ylim()[1])
    # What predicting the mean of the tested values would give, where it is in sight.
    axes.axhline(
        (rows["rmsep"] / np.sqrt(1 - rows["r2"])).mean(),
        color="0.6",
        ls=(0, (1, 2)),
        label="spread of the tested values",
    )
    axes.spines[["top", "right"]].set_visible(False)


def draw(table, path):
    """Write the figure."""
    names = table["dataset"].unique()
    n_rows = -(-len(names) // 3)
    figure, places = plt.subplots(
        n_rows,
        3,
        figsize=(10.5, 0.4 + 3.2 * n_rows),
        layout="constrained",
        squeeze=False,
    )
    for axes, name in zip(places.flat, names, strict=False):
        panel(axes, name, table[table["dataset"] == name])
    for axes in places.flat[len(names) :]:
        axes.remove()
    handles = places.flat[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)


def arguments(argv=None):
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, nargs="?", metavar="FOLDER", help="where the sets lie")
    add("--only", nargs="+", choices=list(SETS), metavar="SET", help=", ".join(SETS))
    add("--quick", action="store_true", help="see that all works")
    add("--table", type=Path, metavar="CSV", help="an earlier result, drawn again")
    add("--output", type=Path, default=Path("label_efficiency.csv"), metavar="CSV")
    args = parser.parse_args(argv)
    if not args.table and not args.folder:
        parser.error("FOLDER or --table is needed.")
    return args


def main(argv=None):
    """Measure or read, and write tables and figure beside the results."""
    args = arguments(argv)
    # Few labels are what is measured here.
    warnings.simplefilter("ignore", FewLabelsWarning)
    if args.table:
        table = pd.read_csv(args.table)
    else:
        with threadpool_limits(1):
            table = run(args)
    for name, found in {
        "passes": passes(table).set_index("set"),
        "ratios": ratios(table),
    }.items():
        print(found.to_string(), end="\n\n")
        found.to_csv(args.output.with_name(f"{args.output.stem}_{name}.csv"))
    draw(table, args.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
