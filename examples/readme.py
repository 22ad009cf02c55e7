"""
What the README shows
=====================

Draws the README's figure and brings the output of its Python block up to date. Run it
after a change of defaults, from the root of the repository, with one thread::

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python examples/readme.py
"""

import argparse
import contextlib
import doctest
import io
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from sklearn.pipeline import make_pipeline

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer, SpectralRegressor
from skspectra.datasets import load_tecator
from skspectra.evaluation import label_efficiency_curve, pls_baseline
from skspectra.exceptions import FewLabelsWarning

ROOT = Path(__file__).parents[1]
FIGURE = ROOT / "docs" / "_static" / "label_efficiency.png"


def draw_figure(n_jobs):
    """Measure RMSEP at several numbers of labels, with default parameters."""
    scratch = MaskedSpectralPretrainer(max_epochs=0)
    estimators = {
        "PLS": pls_baseline(),
        "network from scratch": SpectralRegressor(scratch),
        "pretrained network": SpectralRegressor(),
    }
    for name in list(estimators)[1:]:
        estimators[name] = make_pipeline(InstanceNormalizer(), estimators[name])
    meat = load_tecator()
    curve = label_efficiency_curve(
        estimators,
        meat.data,
        meat.target,
        train_sizes=[20, 40, 80, 160],
        groups=meat.groups,
        random_state=0,
        n_jobs=n_jobs,
        verbose=1,
    )
    print(curve)
    print(curve.table[["rmsep_ratio", "ratio_low", "ratio_high"]].round(2).to_string())
    ax = curve.plot()
    ax.set_title("Fat in meat, 215 near-infrared spectra", fontsize="medium")
    ax.set_ylabel("RMSEP of fat, % of mass")
    ax.figure.savefig(FIGURE, dpi=110)


def update_outputs(page):
    """Run the examples of a page and write what they print below them."""
    text = page.read_text(encoding="utf-8")
    names = {}
    unfenced = text.replace("\n```", "\n\n```")
    for example in doctest.DocTestParser().get_examples(unfenced):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(example.source, page.name, "single"), names)
        shown = "".join(
            f"{line.rstrip()}\n" for line in printed.getvalue().splitlines()
        )
        first, *rest = example.source.splitlines()
        prompt = "\n".join([f">>> {first}", *(f"... {line}" for line in rest)])
        assert prompt in text, prompt
        text = text.replace(f"{prompt}\n{example.want}", f"{prompt}\n{shown}")
    page.write_text(text, encoding="utf-8")


def main():
    """Do both."""
    parser = argparse.ArgumentParser(description="Bring the README up to date.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-figure", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FewLabelsWarning)  # the figure shows what it says
    update_outputs(ROOT / "README.md")
    if not arguments.no_figure:
        draw_figure(arguments.jobs)


if __name__ == "__main__":
    main()
