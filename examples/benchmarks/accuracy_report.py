"""What the table of accuracy.py tells: ratios to PLS, controls apart, figures."""

import numpy as np
import pandas as pd

from skspectra.evaluation import (
    plot_critical_difference,
    plot_ratios,
    summarise_ratios,
)

__all__ = ["controls", "modality", "report"]

_REFERENCE = "PLS"
_WITHOUT = "skspectra"
_SIGNAL = 0.1  # R2 of PLS with all labels, below which a task is a control
_TASK = ["dataset", "target"]
# The first that a technique's name contains: "FT-NIR" is NIR, and FTIR is MIR.
_MODALITIES = {
    "XRF": "XRF",
    "Raman": "Raman",
    "vis-NIR": "vis-NIR",
    "hyperspectral": "vis-NIR",
    "NIR": "NIR",
    "NIT": "NIR",
    "MIR": "MIR",
    "FTIR": "MIR",
}


def curvature(table):
    """Say of each row how much better curves fit its set than lines, all labels known.

    By the median ratio of kernel ridge regression to ridge regression: "bent" below
    0.95, "straight" above 1.05, "neither" between; "unknown" where one is missing.
    """
    full = table[table["budget"] == "all"]
    errors = full.groupby([*_TASK, "method"])["rmsep"].median().unstack("method")
    errors = errors.reindex(columns=["ridge", "kernel ridge"])
    ratio = errors["kernel ridge"] / errors["ridge"]
    kinds = pd.cut(
        ratio, [0, 0.95, 1.05, np.inf], labels=["bent", "neither", "straight"]
    )
    kinds = kinds.astype(object).fillna("unknown")
    kinds = kinds.reindex(pd.MultiIndex.from_frame(table[_TASK]))
    return kinds.set_axis(table.index)


def pool(table):
    """Say of each row how many spectra without reference values there were."""
    edges, names = [-1, 49, 199, np.inf], ["below 50", "50 to 199", "200 and more"]
    return pd.cut(table["n_pool"], edges, labels=names).astype(str)


def modality(technique):
    """Return the kind of spectroscopy that a technique belongs to, or "other"."""
    words = (kind for word, kind in _MODALITIES.items() if word in technique)
    return next(words, "other")


def controls(table):
    """Say of each row whether its task has no signal that PLS finds.

    A task without a PLS at all labels is none.
    """
    known = table[(table["method"] == _REFERENCE) & (table["budget"] == "all")]
    r2 = known.groupby(_TASK)["r2"].median()
    weak = r2.index[r2 < _SIGNAL]
    return pd.MultiIndex.from_frame(table[_TASK]).isin(weak)


def report(table, folder=None):
    """Print the summaries, and write them and the figures into a folder."""
    _say_failures(table)
    good = table[table["error"] == ""].astype({"rmsep": float, "r2": float})
    # Budgets by their size, and "all", which is no number, last.
    good = good.sort_values("budget", key=_number, kind="stable")
    if _REFERENCE not in set(good["method"]):
        print(f"No ratios: no trial of {_REFERENCE}.")
        return
    weak = controls(good)
    summaries = _summaries(good[~weak], good[weak])
    for title, summary in summaries.values():
        print(f"\n{title}\n\n{summary.round(3).to_string()}")
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (_, summary) in summaries.items():
            summary.round(3).to_csv(folder / f"{name}.csv")
        _draw(good[~weak], folder)


def _say_failures(table):
    errors = table[table["error"] != ""]
    if len(errors):
        print(f"{len(errors)} of {len(table)} trials failed:")
    for row in errors.itertuples():
        where = f"{row.dataset}/{row.target}, repeat {row.repeat}, {row.budget}"
        print(f"  {row.method}: {where}: {row.error}")


def _number(budgets):
    return pd.to_numeric(budgets, errors="coerce")


def _summaries(signal, weak):
    """Return titles and tables by the name of their file."""
    title = f"RMSEP divided by that of {_REFERENCE}"
    summaries = {}
    if len(signal):
        summaries["summary"] = f"{title}, all tasks", summarise_ratios(signal)
        few = signal[signal["budget"].isin(["20", "50"])]
        # Curvature is told by two of the methods: they would be judged by themselves.
        others = signal[~signal["method"].isin(["ridge", "kernel ridge"])]
        for column, part in {
            "budget": signal,
            "modality": signal,
            "curvature": others.assign(curvature=curvature(signal)[others.index]),
            "pool": few.assign(pool=pool(few)),
        }.items():
            if len(part):
                by = summarise_ratios(part, by=column)
                summaries[f"by_{column}"] = f"{title}, by {column}", by
        if _WITHOUT in set(signal["method"]):
            worth = _worth(signal[signal["method"].str.startswith("skspectra")])
            summaries["encoder"] = f"RMSEP divided by that of {_WITHOUT}", worth
    if len(weak):
        summaries["controls"] = (
            f"{title}, controls: {_REFERENCE} with all labels predicts nothing there "
            f"(R2 < {_SIGNAL}). A clear win asks for a look.",
            summarise_ratios(weak, by=_TASK).drop(columns=["ratio_low", "ratio_high"]),
        )
    times = pd.concat([signal, weak]).groupby("method", sort=False)
    times = times[["seconds", "cpu_seconds"]].agg(["median", "max"])
    times.columns = [" ".join(column) for column in times.columns]
    summaries["seconds"] = "Seconds of a fit and its predictions", times
    return summaries


def _worth(ours):
    """Return what the encoder changes, by budget and, at small budgets, by pool."""
    few = ours[ours["budget"].isin(["20", "50"])]
    parts = {"all": ours}
    parts |= {f"budget {value}": part for value, part in ours.groupby("budget")}
    parts |= {f"pool {size}": part for size, part in few.groupby(pool(few))}
    tables = {
        name: summarise_ratios(part, reference=_WITHOUT) for name, part in parts.items()
    }
    return pd.concat(tables, names=["part"])


def _draw(table, folder):
    """Write the ratios of each method, and the ranks at all labels, as PNG files."""
    for method in table["method"].unique():
        if method != _REFERENCE:
            name = method.lower().replace(",", "").replace(" ", "_").replace("-", "_")
            ax = plot_ratios(table, methods=[method])
            _save(ax, folder / f"ratios_{name}.png")
    # One task a set and one budget: rows of a set are not independent.
    first = table.groupby("dataset")["target"].transform("first")
    full = table[(table["budget"] == "all") & (table["target"] == first)]
    complete = full.groupby("dataset")["method"].nunique() == full["method"].nunique()
    if full["method"].nunique() > 2 and complete.sum() > 1:
        _save(plot_critical_difference(full), folder / "critical_difference.png")


def _save(ax, path):
    import matplotlib.pyplot as plt

    ax.figure.savefig(path, dpi=150)
    plt.close(ax.figure)
