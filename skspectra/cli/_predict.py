"""`skspectra predict`: what a calibration says of spectra, and how sure it is."""

from pathlib import Path

import click

from skspectra._whole_file import write_whole
from skspectra.cli._group import EXIT_STATUS, put, refusals, say
from skspectra.cli._model_folder import read_folder
from skspectra.cli._options import force
from skspectra.cli._places import check_file
from skspectra.cli._spectra import Spectra, read_files, spectra_table

__all__ = ["predict"]

_COLUMNS = ("prediction", "lower", "upper", "foreign")
_HELP = """Predict by a model that `skspectra fit` has written.

MODEL is its folder. TABLE are files or folders of any format that
`skspectra.io.read_spectra` knows, on the channels that the model was fitted on; what
else they tell of each spectrum is handed on. The result is CSV, on the standard output
unless --out names a file. Its new columns:

\b
  prediction    in the unit of the target
  lower, upper  where the value is to lie, for so many samples as --coverage says; as
                wide as the errors of rows or groups that were held out in the fit,
                infinite if these were too few
  foreign       True for a spectrum unlike those of the fit: do not trust what is
                predicted for it, nor its range. About 5 % of proper ones are flagged,
                more if fewer than 19 rows or groups were fitted.
                Empty where channels are missing: nobody knows

Ranges hold for samples like those of the fit.
"""
_EPILOG = """\b
Examples:
  skspectra predict fat new.csv > predicted.csv
  skspectra predict fat new.csv --coverage 0.95 --out predicted.csv
  skspectra predict fat monday.csv tuesday.csv | grep True
"""


@click.command(help=_HELP, epilog=f"{_EPILOG}\n{EXIT_STATUS}")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("table", nargs=-1, required=True, type=click.Path())
@click.option(
    "--coverage",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="X",
    default=0.9,
    show_default=True,
    help="Part of the samples whose value is to lie between lower and upper.",
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the table goes instead of the standard output.",
)
@click.option(
    "--resample",
    is_flag=True,
    help="Bring spectra on another axis to that of the model, by cubic polynomials; "
    "what a spectrum does not reach is missing, which the network alone can take.",
)
@force
def predict(**options):
    """Run `skspectra predict`.

    Parameters
    ----------
    **options : dict
        What the command line gave, by the names of the options.
    """
    out = options["out"]
    with refusals():
        if out is not None:
            check_file(out, force=options["force"])
        folder = read_folder(options["model"])
        spectra = _read(options, folder.settings)
        _check_names(spectra.others, options["table"])
        predicted = _predict(folder, spectra.X, options["coverage"])
    _tell(predicted, folder, options["coverage"])
    others = spectra.others
    if others.empty:
        others = others.assign(row=range(len(predicted)))
    text = others.join(predicted).to_csv(index=False)
    if out is None:
        put(text.rstrip("\n"))
    else:
        write_whole(out, text.encode())


def _read(options, settings):
    """Return the spectra, on the axis of the model if they are to be resampled."""
    import pandas as pd

    from skspectra import AxisResampler

    how = {"ignore": settings["options"]["ignore"], "channels": settings["channels"]}
    if not options["resample"]:
        return read_files(options["table"], **how)
    x_axis = settings["x_axis"]
    if x_axis is None:
        raise ValueError(
            "--resample needs a model whose channels are named by numbers."
        )
    X, others = [], []
    for path in options["table"]:
        spectra = read_files([path], **how)
        resampled = AxisResampler(x_axis).fit_transform(spectra.X)
        X.append(spectra_table(resampled, x_axis, None))
        others.append(spectra.others)
    X, others = (pd.concat(each, ignore_index=True) for each in (X, others))
    return Spectra(X, x_axis, others)


def _check_names(others, paths):
    for name in _COLUMNS:
        if name in others:
            raise ValueError(
                f"{paths[0]} has a column {name!r}, which is to be written. Rename it."
            )


def _predict(folder, X, coverage):
    """Return the new columns."""
    import numpy as np
    import pandas as pd

    from skspectra._ranges import quantile_of_groups

    try:
        values = folder.model.predict(X)
    except ValueError as error:
        raise ValueError(f"{error}{_hint(error, X)}") from error
    known = folder.held_out
    errors = np.abs(known["measured"] - known["predicted"]).to_numpy()
    units = known["group"] if "group" in known else known["row"]
    _, groups = np.unique(units, return_inverse=True)
    half = quantile_of_groups(errors, groups, coverage)
    columns = (values, values - half, values + half)
    table = {
        name: [f"{value:.8g}" for value in column]
        for name, column in zip(_COLUMNS, columns, strict=False)
    }
    whole = X.notna().all(axis=1)
    foreign = pd.Series(pd.NA, index=range(len(X)), dtype="boolean")
    if whole.any():
        foreign[whole.to_numpy()] = folder.detector.predict(X[whole]) == -1
    return pd.DataFrame(table | {"foreign": foreign})


def _hint(error, X):
    """Return what there is to do on the command line about spectra refused."""
    if "AxisResampler" in str(error) or "they are reversed" in str(error):
        return " Or add --resample to this command."
    gaps = X.isna().any()
    if gaps.any():
        where = [str(name) for name in X.columns[gaps]]
        return (
            f" Values are missing in {len(where)} channels, from {where[0]} to "
            f"{where[-1]}. `skspectra fit` on a table without these channels, or with "
            "--model network, makes a model that does without them."
        )
    return ""


def _tell(predicted, folder, coverage):
    """Say what a reader of the predictions should know."""
    n_foreign = predicted["foreign"].sum()
    if n_foreign:
        rate = 100 * folder.detector.false_alarm_rate_
        say(
            f"Note: {n_foreign} of {len(predicted)} spectra are foreign, unlike those "
            f"of the fit; {rate:.2g} % of proper ones are flagged too."
        )
    if predicted["foreign"].isna().any():
        n_gaps = predicted["foreign"].isna().sum()
        say(
            f"Note: {n_gaps} of {len(predicted)} spectra miss channels, and whether "
            "they are foreign is not known."
        )
    if "inf" in set(predicted["upper"]):
        say(
            f"Note: too few rows or groups were held out for ranges that hold "
            f"{coverage:g} of the samples, which are therefore infinite."
        )
