"""`skspectra compare --report`: the page of a comparison."""

import shlex
import tempfile
from dataclasses import replace
from pathlib import Path

_INTRO = (
    "PLS has its spectral treatment and number of components tuned in each fold. The "
    "stack weighs PLS and Gaussian processes. The others are one neural network: "
    "scratch had no pretraining, the other two were pretrained on spectra alone, and "
    "then had a linear map put on top (probe) or were trained on (fine-tuned)."
)

__all__ = ["check_report", "write_report"]

_REPEATED = ("table", "dataset", "target", "groups", "ignore", "pool", "normalize")
_REPEATED += ("folds", "repeats", "pretrain_epochs", "epochs", "seed")


def check_report(path):
    """See that the page can be written before anything is fitted.

    Parameters
    ----------
    path : str or None
        What `--report` gave.

    Raises
    ------
    ValueError
        If it cannot.
    """
    if path is None:
        return
    if Path(path).is_dir():
        raise ValueError(f"--report {path} is a folder. Give the name of a file.")
    try:
        tempfile.TemporaryFile(dir=Path(path).parent).close()
    except OSError as error:
        raise ValueError(f"--report {path}: {error.strerror}.") from error


def write_report(comparison, samples, options):
    """Write the page, if one was asked for.

    Parameters
    ----------
    comparison : Comparison
        Its `row` counts the rows of the table.
    samples : Bunch
        Of `skspectra.io._samples.read_samples`.
    options : dict
        Of the command, those that were not given filled in.
    """
    if options["report"] is None:
        return
    import numpy as np
    import pandas as pd

    rows = np.searchsorted(samples.rows, comparison.predictions["row"])
    predictions = comparison.predictions.assign(row=rows)
    settings = {"command": _command(options)} | comparison.settings
    about = {"Source": samples.source}
    if samples.pool is not None:
        about["Pool"] = f"{len(samples.pool)} spectra without reference values"
    notes = [note for note in samples.notes if note not in samples.told_by_figures]
    if options["quick"]:
        notes.insert(0, "A first look: the networks were not trained to the end.")
    replace(comparison, predictions=predictions, settings=settings).to_html(
        options["report"],
        X=pd.DataFrame(samples.X, index=samples.rows),
        y=samples.y,
        groups=samples.groups,
        x_axis=samples.x_axis,
        x_unit=samples.x_unit,
        target=samples.target,
        intro=_INTRO,
        about=about,
        notes=notes,
    )


def _command(options):
    """Return the command that gives the same, defaults written out."""
    words = ["skspectra", "compare"]
    for key in _REPEATED:
        values = options[key] if isinstance(options[key], tuple) else [options[key]]
        for value in values:
            flag = [] if key == "table" else [f"--{key.replace('_', '-')}"]
            words += [] if value is None else [*flag, str(value)]
    return shlex.join(words)
