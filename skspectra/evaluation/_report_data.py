"""What a report says about the spectra that were compared on."""

import numpy as np
from sklearn.utils import Bunch, check_array, check_consistent_length

from skspectra._inputs import check_groups, check_targets
from skspectra._validation import check_x_axis
from skspectra.evaluation._report_outliers import describe_outliers
from skspectra.inspection._axis import written

__all__ = ["check_data", "describe_data", "note_data"]


def check_data(comparison, *, X, y, groups, x_axis, x_unit):
    """Return the checked data of a comparison, or None where there are none.

    Parameters
    ----------
    comparison : Comparison
        Whose `predictions` hold the reference values that `y` has to have.
    X, y, groups, x_axis, x_unit : as in Comparison.to_html
        What the user gave.

    Returns
    -------
    data : Bunch or None
        `X` (n_samples, n_channels) and `y` (n_samples, n_targets) in float64, `groups`,
        `x_axis`, `x_unit`, `rows`, what the rows are called, and `labelled`, True
        where every target is known.
    """
    if X is None:
        given = {"y": y, "groups": groups, "x_axis": x_axis}
        stray = [name for name, value in given.items() if value is not None]
        if stray:
            raise ValueError(
                f"The '{stray[0]}' parameter of Comparison.to_html describes X. "
                "Got X=None instead."
            )
        return None
    if y is None:
        raise ValueError(
            "Comparison.to_html needs y beside X, to tell the labelled spectra and to "
            "see that they are those that were compared on. Got y=None instead."
        )
    rows = getattr(X, "index", None)
    X = check_array(X, dtype=np.float64, ensure_all_finite="allow-nan", input_name="X")
    y = check_targets(y).astype(np.float64)
    groups = None if groups is None else check_groups(groups, y)
    check_consistent_length(X, y, groups)
    y = y.reshape(len(y), -1)
    _check_reference_values(comparison.predictions, y)
    return Bunch(
        X=X,
        y=y,
        groups=groups,
        x_axis=check_x_axis(x_axis, X.shape[1], "Comparison.to_html"),
        x_unit=x_unit,
        rows=range(len(X)) if rows is None else rows,
        labelled=~np.isnan(y).any(axis=1),
    )


def _check_reference_values(predictions, y):
    """Refuse reference values that are not those of the tested rows."""
    rows, column = predictions["row"].to_numpy(), 0
    if "target" in predictions:
        column, targets = predictions["target"].factorize()
        fits = y.shape[1] == len(targets)
    else:
        fits = y.shape[1] == 1
    fits = fits and rows.max() < len(y)
    if not fits or not (y[rows, column] == predictions["measured"]).all():
        raise ValueError(
            "The 'y' parameter of Comparison.to_html must hold the reference values "
            "that were compared on, in the same order of rows. Got others."
        )


def describe_data(data, targets):
    """Return names and texts of what there is to know about the data.

    Parameters
    ----------
    data : Bunch
        Of `check_data`.
    targets : list of str
        Names of the columns of `y`.

    Returns
    -------
    list of (str, str)
        Lines of a table.
    """
    X, labelled = data.X, data.labelled
    n_labelled = int(labelled.sum())
    lines = [
        (
            "Spectra",
            f"{len(X)}, {'all' if labelled.all() else f'{n_labelled} of them'} with "
            "reference values",
        ),
        ("Channels", f"{X.shape[1]}{_span(data)}"),
    ]
    incomplete = np.isnan(X).any(axis=1).sum()
    if incomplete:
        lines.append(("Missing channels", f"in {incomplete} spectra"))
    for name, values in zip(targets, data.y.T, strict=True):
        known = values[~np.isnan(values)]
        lines.append(
            (
                f"Measured {name}",
                f"{known.min():.4g} to {known.max():.4g}, mean {known.mean():.4g}, "
                f"standard deviation {known.std():.4g}",
            )
        )
    lines.append(("Groups", _describe_groups(data.groups)))
    lines.append(("Exact copies", _describe_copies(data)))
    outliers = describe_outliers(X, data.groups, data.rows)
    lines.append(("Unlike the others", outliers))
    lines.append(("SHA-256 of the data", _fingerprint(data)))
    return lines


def _span(data):
    if data.x_axis is None:
        return "; positions not given"
    first, last = data.x_axis[[0, -1]]
    unit = f" {written(data.x_unit)}" if data.x_unit else "; unit not given"
    return f", from {first:g} to {last:g}{unit}"


def _describe_groups(groups):
    if groups is None:
        return "none: rows were held out one by one"
    _, sizes = np.unique(groups, return_counts=True)
    rows = f"{sizes.min()} to {sizes.max()} rows"
    if sizes.min() == sizes.max():
        rows = f"{sizes[0]} rows" if sizes[0] > 1 else "one row"
    return f"{len(sizes)} of {rows}, each held out as a whole"


def _copies(data):
    """Return how many spectra equal an earlier one, and how many have a stray twin.

    A twin is stray where it is not in the same group, so that one may train while the
    other is tested.
    """
    known = {}  # by bytes, for which NaN is NaN; there is no -0.0 after adding 0
    spectrum = [known.setdefault(row.tobytes(), len(known)) for row in data.X + 0.0]
    owner = np.arange(len(spectrum)) if data.groups is None else data.groups
    _, owner = np.unique(owner, return_inverse=True)
    owners = np.unique(np.column_stack([spectrum, owner]), axis=0)[:, 0]
    stray = np.bincount(owners)[spectrum] > 1
    return len(spectrum) - len(known), int(stray.sum())


def _describe_copies(data):
    n_copies, n_stray = _copies(data)
    if not n_copies:
        return "none"
    where = "all within their group"
    if n_stray:
        where = f"{n_stray} have a copy that is not kept on their side of a fold"
    return f"{n_copies} spectra equal an earlier one; {where}"


def _fingerprint(data):
    from skspectra._provenance import fingerprint  # torch, which takes seconds

    return fingerprint(data.X, data.y)


def note_data(data):
    """Return sentences of what may be wrong with the errors because of the data."""
    _, n_stray = _copies(data)
    if not n_stray:
        return []
    return [
        f"{n_stray} spectra have an exact copy that may train while they are tested. "
        "Errors come out too small then: leave the copies out, or give groups that "
        "keep them together."
    ]
