"""`skspectra fit`: a table with reference values becomes a calibration in a folder."""

from pathlib import Path
from time import perf_counter

import click

from skspectra._versions import installed
from skspectra.cli import _model_folder as folders
from skspectra.cli._group import EXIT_STATUS, aside, put, refusals, say
from skspectra.cli._models import build, fit_model, load_encoder, predict_held_out
from skspectra.cli._options import (
    column,
    count,
    device,
    fill,
    force,
    normalize,
    quiet,
    seed,
    table,
)
from skspectra.cli._places import check_folder
from skspectra.cli._spectra import spectra_table

__all__ = ["fit"]

_PACKAGES = ("skspectra", "torch", "scikit-learn", "ikpls", "numpy")
_HELP = """Fit a calibration, and say how far its predictions are off.

TABLE is one as `skspectra compare --help` describes it. Its rows with a value in the
target column are fitted to; a network is pretrained on the other rows too, unless it
gets an --encoder.

\b
  --model stack    PLS and Gaussian processes, weighed: the lowest error of the methods
                   compared over 39 public sets, and nothing to tune
  --model pls      PLS, its treatment and number of components tuned
  --model network  the network, fine-tuned; slow without --encoder

The error is that of rows, or whole groups, that were held out in turn while everything
was fitted anew to the rest. It goes to the standard output. The folder --out is all
that `skspectra predict` needs: the model, a detector of spectra unlike the labelled
ones, the predictions of held-out rows, which ranges are made of, and the settings.
"""
_EPILOG = """\b
Examples:
  skspectra fit meat.csv --target fat --groups sample --out fat
  skspectra fit meat.csv --target fat --model pls --out fat-by-pls
  skspectra fit meat.csv --target fat --encoder encoder.safetensors --out fat
"""


@click.command(help=_HELP, epilog=f"{_EPILOG}\n{EXIT_STATUS}")
@table()
@column("--target", "Reference values, in any unit.", required=True)
@column("--groups", "What a row belongs to (sample, batch): held out as a whole.")
@column("--ignore", "A column that is no channel. Can be repeated.", multiple=True)
@click.option(
    "--out",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where the model goes. One that is there is kept, without --force.",
)
@click.option(
    "--model",
    type=click.Choice(["stack", "pls", "network"]),
    default="stack",
    show_default=True,
    help="What is fitted.",
)
@click.option(
    "--encoder",
    metavar="FILE",
    type=click.Path(),
    help="What `skspectra pretrain` has written, for the network or as a member of the "
    "stack. Spectra are then normalised as it was done there.",
)
@normalize
@count("--folds", "Parts that are held out in turn.", 2, default=5, show_default=True)
@count(
    "--pretrain-epochs",
    "Of the network: passes over all spectra.  [default: the pretrainer's]",
)
@count(
    "--epochs",
    "Of the network: passes over the spectra with reference values.  [default: the "
    "regressor's]",
)
@count("--jobs", "Folds at once, a core each.", default=1, show_default=True)
@device
@seed
@force
@quiet
def fit(**options):
    """Run `skspectra fit`.

    Parameters
    ----------
    **options : dict
        What the command line gave, by the names of the options.
    """
    _check_usage(options)
    start = perf_counter()
    with refusals():
        check_folder(options["out"], folders.FILES, force=options["force"])
        samples, X, encoder = _read(options)
    for note in samples.notes:
        say(f"Note: {note}")
    with aside():
        folder = _fit(samples, X, encoder, options)
    folder.settings["seconds"] = round(perf_counter() - start, 1)
    folders.write_folder(folder, options["out"])
    put(_summary(folder.settings))
    say(f"The model is in {options['out']}.")


def _check_usage(options):
    """Refuse options that the model has no use for."""
    kind = options["model"]
    if kind == "pls" and options["encoder"]:
        raise click.UsageError("--encoder is for the models stack and network.")
    if kind != "network" and (options["epochs"] or options["pretrain_epochs"]):
        raise click.UsageError("Epochs are those of --model network.")


def _read(options):
    """Return the samples, their spectra as a table, and the encoder or None."""
    from skspectra.io._samples import read_samples

    named = ("table", "target", "groups", "ignore", "folds")
    samples = read_samples(**{name: options[name] for name in named})
    X = spectra_table(samples.X, samples.x_axis, samples.feature_names)
    encoder = None
    if options["encoder"] is not None:
        encoder = load_encoder(options["encoder"])
        for step in filter(None, encoder):  # each compares the axes
            step.transform(X.iloc[:1])
    return samples, X, encoder


def _fit(samples, X, encoder, options):
    """Return the fitted model and what belongs to it."""
    import numpy as np

    from skspectra import (
        MaskedSpectralPretrainer,
        SpectralNoveltyDetector,
        SpectralRegressor,
    )

    n_epochs = MaskedSpectralPretrainer().max_epochs, SpectralRegressor().max_epochs
    fill(options, {"pretrain_epochs": n_epochs[0], "epochs": n_epochs[1]})
    silent = build(options, samples.x_axis, encoder, verbose=0)
    held_out, n_seen = predict_held_out(silent, X, samples, options)
    _note_seen(n_seen, samples)
    verbose = int(not options["quiet"])
    model = fit_model(build(options, samples.x_axis, encoder, verbose), X, samples)
    labelled = ~np.isnan(samples.y)
    groups = None if samples.groups is None else samples.groups[labelled]
    detector = SpectralNoveltyDetector().fit(X[labelled], groups=groups)
    settings = {
        "target": samples.target,
        "x_axis": None if samples.x_axis is None else samples.x_axis.tolist(),
        "channels": None if samples.x_axis is not None else samples.feature_names,
        "cross_validation": _figures(held_out) | {"folds": options["folds"]},
        "data": samples.description | {"notes": samples.notes},
        "options": options | {"out": str(options["out"])},
        "versions": installed(*_PACKAGES),
    }
    return folders.ModelFolder(model, detector, held_out, settings)


def _note_seen(n_seen, samples):
    """Say it if the encoder had seen what was held out, and put it on record."""
    if n_seen:
        note = (
            f"{n_seen} of the {samples.description['labelled']} spectra held out are "
            "among those that the encoder was pretrained on, without their reference "
            "values (transductive). With spectra that come later the error may be "
            "larger, and ranges too narrow."
        )
        samples.notes.append(note)
        say(f"Note: {note}")


def _figures(held_out):
    """Return the figures of merit of held-out rows, all folds together."""
    from sklearn.metrics import r2_score, root_mean_squared_error

    from skspectra.metrics import bias

    pair = held_out["measured"], held_out["predicted"]
    figures = {"rmsecv": root_mean_squared_error, "bias": bias, "r2": r2_score}
    return {name: float(figure(*pair)) for name, figure in figures.items()}


def _summary(settings):
    """Return what is printed: a line for each thing that is known of the model."""
    data, found = settings["data"], settings["cross_validation"]
    whole = "whole groups" if "groups" in data else "rows"
    lines = {
        "model": settings["options"]["model"],
        "target": settings["target"],
        "labelled": data["labelled"],
        "unlabelled": data["unlabelled"],
        "groups": data.get("groups"),
        "channels": data["channels"],
        "axis": data.get("axis"),
        "RMSECV": f"{found['rmsecv']:.4g}",
        "bias": f"{found['bias']:.2g}",
        "R²": f"{found['r2']:.3f}",
        "estimated": f"on {whole} held out in {found['folds']} folds, all fitted anew",
    }
    lines = {name: value for name, value in lines.items() if value is not None}
    return "\n".join(f"{name:<12}{value}" for name, value in lines.items())
