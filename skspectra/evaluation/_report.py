"""The report of a comparison: what the page says, in the order of the page."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
from sklearn.utils import Bunch

from skspectra._versions import installed
from skspectra.evaluation._report_data import check_data, describe_data, note_data
from skspectra.evaluation._report_figures import draw_figures

__all__ = ["report"]

_TEMPLATE = "report.html.jinja"
_MANY = 5  # rivals, of which by chance one may well differ


def report(comparison, data, *, design, target, title, intro, about, notes):
    """Return the page.

    Parameters
    ----------
    comparison : Comparison
        What was found.
    data : dict
        `X`, `y`, `groups`, `x_axis`, `x_unit` as in `Comparison.to_html`.
    design : str
        The folds, as in "5 x 4 grouped folds".
    target, title, intro, about, notes : as in Comparison.to_html
        Words of the user.

    Returns
    -------
    str
        HTML, in which nothing that a user named can be more than text.
    """
    import jinja2

    data = check_data(comparison, **data)
    parts = _by_target(comparison, target)
    lines = [(name, str(text)) for name, text in (about or {}).items()]
    if data is not None:
        lines += describe_data(data, [part.name for part in parts])
    names = _list([part.name for part in parts])
    for column, part in enumerate(parts):
        part.rows = _rows(part.comparison)
        part.lead = _lead(part.comparison)
        part.verdicts = part.comparison.verdict.splitlines()
        part.figures = draw_figures(part.comparison, data, part.name, column)
    page = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    ).from_string(files("skspectra.evaluation").joinpath(_TEMPLATE).read_text("utf-8"))
    return page.render(
        title=title or _question(comparison, names),
        question=_question(comparison, names) if title else "",
        intro=intro,
        design=design,
        comparison=comparison,
        estimators=list(comparison.table.index.unique("estimator")),
        n_tested=comparison.predictions["row"].nunique(),
        interval=f"{100 * comparison.confidence:g} % interval",
        notes=[*notes, *_notes(comparison), *(note_data(data) if data else ())],
        parts=parts,
        data=lines,
        settings=comparison.settings or {"versions": installed("skspectra")},
    )


def _question(comparison, names):
    """Return what the comparison answers, in plain words."""
    own = comparison.reference
    if len(comparison.table.index.unique("estimator")) == 1:
        return f"How well does {own} predict {names}?"
    return f"Does anything predict {names} better than {own}?"


def _list(names):
    """Say what is predicted; many targets are named where their figures are."""
    if len(names) > 2:
        return f"{len(names)} reference values"
    return " and ".join(names)


def _by_target(comparison, target):
    """Return one comparison for each target, with its name."""
    if "target" not in comparison.predictions:
        name = "the reference values" if target is None else target
        return [Bunch(name=name, comparison=comparison)]
    parts = []
    for each in comparison.predictions["target"].unique():
        tables = {"table": comparison.table.xs(each, level="target")}
        for key in ("folds", "predictions"):
            whole = getattr(comparison, key)
            tables[key] = whole[whole["target"] == each].drop(columns="target")
        name = each if isinstance(each, str) else f"target {each}"
        parts.append(Bunch(name=name, comparison=replace(comparison, **tables)))
    return parts


def _rows(comparison):
    """Return the lines of the table as text."""
    rows = []
    for name, row in comparison.table.iterrows():
        own = name == comparison.reference
        low, high = row["ratio_low"], row["ratio_high"]
        unknown = not low <= high
        rows.append(
            Bunch(
                name=name,
                rmsep=_error(row["rmsep"]),
                ratio=f"{row['rmsep_ratio']:.3f}",
                interval="" if own or unknown else f"{low:.3f} to {high:.3f}",
                p="" if own or unknown else _p_value(row["p_value"]),
                finding="reference" if own else _finding(low, high),
                others=[
                    _bias(row),
                    _error(row["sep"]),
                    f"{row['r2']:z.3f}",
                    f"{row['rpd']:.2f}",
                    f"{row['rpiq']:.2f}",
                    f"{row['ccc']:z.3f}",
                    _seconds(row["fit_seconds"]),
                ],
            )
        )
    return rows


def _error(value):
    """Return four digits, zeros at the end too: they stand below each other."""
    return f"{value:#.4g}".rstrip(".")


def _bias(row):
    """Return the bias; what is rounding beside the error is no bias."""
    return f"{row['bias']:.2g}" if abs(row["bias"]) > 1e-9 * row["rmsep"] else "0"


def _seconds(value):
    return "<0.1" if value < 0.1 else f"{value:.2g}" if value < 100 else f"{value:.0f}"


def _p_value(p):
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _finding(low, high):
    """Say in a word or two what an interval of the ratio shows."""
    if not low <= high:
        return "no interval"
    if low <= 1 <= high:
        return "no difference shown"
    return "lower error" if high < 1 else "higher error"


def _lead(comparison):
    """Return the sentence that stands first."""
    best, own = comparison.table["rmsep"].idxmin(), comparison.reference
    error = comparison.table["rmsep"].map("{:.3g}".format)
    beside = "" if best == own else f", beside {error[own]} of {own}"
    return f"The smallest mean error was that of {best}: RMSEP {error[best]}{beside}."


def _notes(comparison):
    """Return sentences of what a reader of the figures has to know."""
    from skspectra._regressor import FEW_LABELS  # torch, which takes seconds

    folds, notes = comparison.folds, []
    once = folds[folds["repeat"] == folds["repeat"].min()]
    if "target" in once:
        once = once[once["target"] == once["target"].iloc[0]]
    counts = once.groupby("estimator", sort=False)[["n_seen", "n_test"]].sum()
    for name, (n_seen, n_test) in counts.iterrows():
        if n_seen:
            notes.append(
                f"{n_seen} of the {n_test} spectra that {name} was tested on had been "
                "seen in an earlier training (transductive). Errors on new spectra may "
                "be larger."
            )
    n_train = int(folds["n_train"].min())
    if n_train < FEW_LABELS:
        notes.append(
            f"Few labels: from {n_train} a fold. With fewer than about {FEW_LABELS} a "
            "fine-tuned network was mostly behind PLS on public sets."
        )
    if folds.groupby("repeat")["fold"].nunique().sum() < 2:
        notes.append("One fold alone gives no interval: nobody knows how sure this is.")
    n_intervals = int(np.isfinite(comparison.table["p_value"]).sum())
    if n_intervals >= _MANY:
        notes.append(
            f"{n_intervals} intervals at {100 * comparison.confidence:g} %: expect one "
            f"in {1 / (1 - comparison.confidence):.0f} to exclude 1 by chance."
        )
    return notes
