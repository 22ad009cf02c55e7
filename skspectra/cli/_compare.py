"""`skspectra compare`: whether masked pretraining beats PLS on a table of spectra."""

import json
from pathlib import Path
from time import perf_counter

import click

from skspectra._drawing import plain
from skspectra._versions import installed
from skspectra.cli._compare_models import fit_all
from skspectra.cli._group import EXIT_STATUS, put, refusals, say
from skspectra.cli._options import column, count, fill, normalize, seed, table
from skspectra.cli._places import check_folder
from skspectra.cli._report import check_report, write_report

__all__ = ["compare"]

_TABLES = ("table.csv", "folds.csv", "predictions.csv", "settings.json")
_DRAWINGS = ("ratios.png", "predictions.png")
_PACKAGES = ("skspectra", "torch", "scikit-learn", "ikpls", "numpy")
_FULL = {"folds": 4, "repeats": 2}
_QUICK = {"folds": 4, "repeats": 1, "pretrain_epochs": 30, "epochs": 30}
_HELP = """Compare masked pretraining with PLS on the same folds.

Five models are fitted to every training set: PLS with its treatment and number of
components tuned; the stack, which is PLS and Gaussian processes, weighed; the network
from scratch; and the network pretrained on spectra alone, with a linear map on top
(probe) or fine-tuned. The table and the verdict go to the standard output. RMSEP, bias
and SEP are in the unit of the target; a ratio below 1 means a smaller error than that
of PLS.

TABLE is CSV, TSV (decimal commas too), Excel or Parquet, a spectrum a row. The columns
whose names are numbers (850 or, if there are none such, 850 nm or X850) are its
channels; if there are none, all numeric columns that no option names are. Rows with an
empty target are unlabelled: they are pretrained on and never tested on.

Without TABLE the fat content (% of mass) of 215 near-infrared spectra of meat is
predicted, whole meats held out: real spectra that come with the `data` extra.
"""
_EPILOG = """\b
Examples:
  skspectra compare --quick
  skspectra compare meat.csv --target fat --groups sample --report fat.html
  skspectra compare meat.csv --target fat --pool unlabelled.parquet --out fat

Files in --out: table.csv and folds.csv (figures), predictions.csv (its `row` counts
the rows of TABLE from 0), ratios.png, predictions.png, settings.json.
"""


@click.command(help=_HELP, epilog=f"{_EPILOG}\n{EXIT_STATUS}")
@table(required=False)
@column("--target", "Reference values, in any unit.")
@column("--groups", "What a row belongs to (sample, batch): held out as a whole.")
@column("--ignore", "A column that is no channel. Can be repeated.", multiple=True)
@click.option(
    "--pool",
    metavar="TABLE",
    type=click.Path(),
    help="Spectra without reference values on the same channels: the pretraining is "
    "done on these, once. Without it each fold pretrains on its own training spectra.",
)
@click.option(
    "--dataset",
    type=click.Choice(["tecator", "fermentation"]),
    help="Real spectra instead of TABLE: fat in meat, or glucose (g/L) from 21 "
    "samples and a pool of 1626 process spectra.  [default: tecator]",
)
@normalize
@count("--folds", "Parts that are held out in turn.  [default: 4]", 2)
@count("--repeats", "Times the folds are drawn anew.  [default: 2; 1 if quick]")
@count(
    "--pretrain-epochs",
    "Passes over the spectra without reference values.  [default: the "
    "pretrainer's; 30 if quick]",
)
@count(
    "--epochs",
    "Passes over the spectra with reference values.  [default: the regressor's; "
    "30 if quick]",
)
@click.option(
    "--quick",
    is_flag=True,
    help="A first look within a minute on two cores: folds drawn once, and networks "
    "that are not trained to the end.",
)
@count("--jobs", "Fits at once, a core each.  [default: the number of cores]")
@seed
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(),
    help="A page (HTML) with verdict, figures, data and settings, to read in a "
    "browser, to print or to pass on. It is overwritten if it is there.",
)
@click.option(
    "--out",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    default="skspectra-compare",
    show_default=True,
    help="Where the files go; those of an earlier run are overwritten.",
)
def compare(**options):
    """Run `skspectra compare`.

    Parameters
    ----------
    **options : dict
        What the command line gave, by the names of the options.
    """
    fill(options, _QUICK if options["quick"] else _FULL)
    samples = _read(options)
    start = perf_counter()
    comparison = fit_all(samples, options)
    _note_seen(comparison.folds, samples)
    comparison.predictions["row"] = samples.rows[comparison.predictions["row"]]
    _write(comparison, samples, options, perf_counter() - start)
    write_report(comparison, samples, options)
    put(comparison.to_string())


def _read(options):
    """Return the samples to compare on, described; refuse what cannot work."""
    from skspectra.io._samples import read_samples

    named = ("table", "dataset", "target", "groups", "ignore", "pool", "folds")
    with refusals():
        samples = read_samples(**{name: options[name] for name in named})
        check_report(options["report"])
        check_folder(options["out"], _TABLES + _DRAWINGS, force=True)
    say(", ".join(f"{key}: {value}" for key, value in samples.description.items()))
    for note in samples.notes:
        say(f"Note: {note}")
    if options["quick"]:
        say("Note: the networks of --quick are not trained to the end.")
    return samples


def _note_seen(folds, samples):
    """Say it if spectra were tested that are in the pool too, and put it on record."""
    once = folds[folds["repeat"] == 0].groupby("estimator")[["n_seen", "n_test"]].sum()
    n_seen, n_test = once.max()
    if n_seen:
        note = (
            f"{n_seen} of the {n_test} spectra tested are in the pool too: the "
            "pretrained networks had seen them without their reference values "
            "(transductive). For errors on new spectra take them out of --pool."
        )
        samples.notes.append(note)
        samples.told_by_figures.append(note)
        say(f"Note: {note}")


def _write(comparison, samples, options, seconds):
    """Write the files of `--out`."""
    import matplotlib

    matplotlib.use("Agg")  # no window, whatever the desktop offers
    from matplotlib import pyplot

    out = options["out"]
    comparison.table.to_csv(out / "table.csv")
    comparison.folds.to_csv(out / "folds.csv", index=False)
    comparison.predictions.to_csv(out / "predictions.csv", index=False)
    ratios, panels = comparison.plot(), comparison.plot_predictions()
    for panel in panels:
        panel.set_xlabel(f"Measured {plain(samples.target)}")
        panel.set_ylabel(f"Predicted {plain(samples.target)}")
    for name, axes in zip(_DRAWINGS, (ratios, panels[0]), strict=True):
        axes.figure.savefig(out / name, dpi=150)
        pyplot.close(axes.figure)
    settings = {
        "data": samples.description | {"notes": samples.notes},
        "options": options | {"out": str(out)},
        "versions": installed(*_PACKAGES),
        "seconds": round(seconds, 1),
    }
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    (out / "settings.json").write_text(text + "\n", encoding="utf-8")
    say(f"Figures, predictions and drawings are in {out}.")
