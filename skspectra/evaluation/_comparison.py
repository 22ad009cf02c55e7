"""Comparison: what compare found, as tables, sentences and drawings."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skspectra._whole_file import write_whole
from skspectra.evaluation._plot import draw_predictions, draw_ratios

__all__ = ["Comparison", "describe_folds"]

_SHOWN = {
    "rmsep": ("RMSEP", "{:.4g}"),
    "bias": ("bias", "{:.2g}"),
    "sep": ("SEP", "{:.4g}"),
    "r2": ("R²", "{:.3f}"),
    "rpd": ("RPD", "{:.2f}"),
    "rpiq": ("RPIQ", "{:.2f}"),
    "ccc": ("CCC", "{:.3f}"),
    "rmsep_ratio": ("ratio", "{:.3f}"),
}


@dataclass(eq=False, repr=False)
class Comparison:
    """What :func:`compare` found.

    Parameters
    ----------
    folds : DataFrame
        One row an estimator and fold: `estimator`, (`target`,) `repeat`, `fold`,
        `n_train` labelled and `n_unlabelled` training rows, `n_test`, `n_seen` (test
        rows that a frozen part of the estimator was trained on before), `rmsep`,
        `bias`, `sep`, `r2`, `rpd`, `rpiq`, `ccc`, `fit_seconds`. RMSEP, bias and SEP
        are in the units of y, the bias being predicted minus measured.
    table : DataFrame
        One row an estimator, or a target and estimator: the means of the same over
        folds, `rmsep_se` (standard error of the mean, overlap of folds allowed
        for), `rmsep_ratio` to the reference with its bounds `ratio_low` and
        `ratio_high`, and `p_value` of no difference (two-sided; NaN for the
        reference).
    predictions : DataFrame
        One row a repeat and tested row: `row` of X, `repeat`, `fold`, (`target`,)
        (`group`,) `measured`, and a column for each estimator.
    reference : str
        The estimator in the denominator.
    confidence : float
        Of the bounds.
    grouped : bool
        Whether groups were kept whole.
    settings : dict, default=None
        What repeats it, by name: the arguments of :func:`compare`, `random_state` as
        the number that was drawn where None was given, all parameters of the
        `estimators` and the `versions` of packages. None where it was not made there.

    See Also
    --------
    compare : Makes it; its notes hold the formulas.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression, Ridge
    >>> from skspectra.evaluation import compare
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(30, 4)), rng.normal(size=30)
    >>> estimators = {"least squares": LinearRegression(), "ridge": Ridge()}
    >>> comparison = compare(estimators, X, y, random_state=0)
    >>> comparison.predictions.columns.to_list()
    ['row', 'repeat', 'fold', 'measured', 'least squares', 'ridge']
    """

    folds: pd.DataFrame
    table: pd.DataFrame
    predictions: pd.DataFrame
    reference: str
    confidence: float
    grouped: bool
    settings: dict | None = None

    @property
    def verdict(self):
        """One plain sentence a rival (and target): better, worse or not shown."""
        design = describe_folds(self.folds, self.grouped)
        sentences = [
            _sentence(_label(key), row, repr(self.reference), self.confidence, design)
            for key, row in self._rivals().iterrows()
        ]
        return "\n".join(sentences)

    def to_string(self):
        """Return the table and the verdict as text.

        Returns
        -------
        text : str
            About 90 characters wide.
        """
        shown = pd.DataFrame(
            {
                title: self.table[figure].map(style.format)
                for figure, (title, style) in _SHOWN.items()
            }
        )
        interval = f"{100 * self.confidence:g} % interval"
        bounds = zip(self.table["ratio_low"], self.table["ratio_high"], strict=True)
        shown[interval] = [f"{low:.3f} to {high:.3f}" for low, high in bounds]
        shown["p"] = self.table["p_value"].map(_p_value)
        own = self.table["p_value"].isna() & (self.table["rmsep_ratio"] == 1)
        shown.loc[own, [interval, "p"]] = ""
        shown = shown.rename_axis([None] * shown.index.nlevels)
        head = (
            f"Means over {describe_folds(self.folds, self.grouped)}, "
            f"{self.predictions['row'].nunique()} tested rows; "
            f"RMSEP ratio to {self.reference!r}"
        )
        return "\n".join([head, "", shown.to_string(), "", self.verdict]).rstrip()

    def __repr__(self):
        return self.to_string()

    def plot(self, ax=None):
        """Draw the RMSEP ratios with their intervals and their folds.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ax : matplotlib Axes
            One row a rival: a dot with its interval, filled where that excludes 1,
            and small dots for single folds.
        """
        rivals = self._rivals()
        keys = [key for key in ("target",) if key in self.folds]
        errors = self.folds.pivot(
            index=["repeat", "fold"], columns=[*keys, "estimator"], values="rmsep"
        )
        ratios = {}
        for key in rivals.index:
            at = (*key[:-1], self.reference) if keys else self.reference
            ratios[_label(key)] = errors[key] / errors[at]
        return draw_ratios(
            ratios,
            rivals,
            reference=self.reference,
            confidence=self.confidence,
            ax=ax,
        )

    def plot_predictions(self, ax=None):
        """Draw predicted against measured values, one panel an estimator.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One for each estimator (and target); None makes a figure.

        Returns
        -------
        axes : ndarray of matplotlib Axes
            In the order of `table`. Every repeat of a row is a dot.
        """
        panels = []
        for key, row in self.table.iterrows():
            part, target, name = self.predictions, None, key
            if "target" in part:
                target, name = key
                part = part[part["target"] == target]
            title = f"{_label(key)}\nRMSEP {row['rmsep']:.3g}, R² {row['r2']:.2f}"
            panels.append((title, part["measured"], part[name], target))
        return draw_predictions(panels, ax=ax)

    def to_html(
        self,
        path=None,
        *,
        X=None,
        y=None,
        groups=None,
        x_axis=None,
        x_unit=None,
        target=None,
        title=None,
        intro=None,
        about=None,
        notes=(),
    ):
        """Return a report of one page that needs nothing beside it, no network either.

        It holds the question, the verdict, the table, drawings, the data as far as
        they are given here, and the settings that repeat the comparison.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            Where the page is written, in UTF-8, whole or not at all. None writes none.
        X : array-like of shape (n_samples, n_channels), default=None
            The spectra that were compared on. Without them the page does not describe
            the data. Rows are called as the index of a DataFrame calls them.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Their reference values, as :func:`compare` got them. Needed with `X`.
        groups : array-like of shape (n_samples,), default=None
            What each row belongs to, as :func:`compare` got it.
        x_axis : array-like of shape (n_channels,), default=None
            Positions of the channels, in `x_unit`.
        x_unit : str, default=None
            Of `x_axis`, such as "nm" or "cm-1".
        target : str, default=None
            What is predicted, with its unit, where there is one target. Of several
            the names in `table` are used.
        title : str, default=None
            Of the page; None names the target and the reference.
        intro : str, default=None
            A paragraph below the title, such as what the estimators are.
        about : dict of str to str, default=None
            More lines about the data: where they are from, the instrument, the date.
        notes : sequence of str, default=()
            What a reader has to know, shown with the notes that the figures call for.

        Returns
        -------
        text : str
            HTML.

        Raises
        ------
        ValueError
            If `X` and `y` are not what was compared on, as far as that can be told.
        OSError
            If it cannot be written.
        """
        from skspectra.evaluation._report import report

        data = {"X": X, "y": y, "groups": groups, "x_axis": x_axis, "x_unit": x_unit}
        text = report(
            self,
            data,
            design=describe_folds(self.folds, self.grouped),
            target=target,
            title=title,
            intro=intro,
            about=about,
            notes=notes,
        )
        if path is not None:
            write_whole(path, text.encode("utf-8"))
        return text

    def _rivals(self):
        names = self.table.index.get_level_values("estimator")
        return self.table[names != self.reference]


def describe_folds(folds, grouped):
    """Say how the rows were split, as in "5 x 4 grouped folds"."""
    per_repeat = folds.groupby("repeat")["fold"].nunique()
    whole = "grouped " if grouped else ""
    if per_repeat.nunique() > 1:
        return f"{per_repeat.sum()} {whole}folds"
    repeats = f"{len(per_repeat)} x " if len(per_repeat) > 1 else ""
    n_folds = per_repeat.iloc[0]
    return f"{repeats}{n_folds} {whole}{'fold' if n_folds == 1 else 'folds'}"


def _label(key):
    """Name a row of the table: an estimator, or a target's estimator."""
    return key if isinstance(key, str) else f"{key[1]} ({key[0]})"


def _sentence(name, row, reference, confidence, design):
    """Say what a ratio and its interval mean."""
    ratio, low, high = row["rmsep_ratio"], row["ratio_low"], row["ratio_high"]
    interval = f"{100 * confidence:g} % interval"
    if not low <= high:
        return (
            f"The error of {name!r} is {ratio:.2f} times that of {reference}; {design} "
            "give no interval."
        )
    if low <= 1 <= high:
        return (
            f"No difference shown between the errors of {name!r} and {reference}: "
            f"ratio {ratio:.2f} ({interval} {low:.2f} to {high:.2f}; {design})."
        )
    word = "lower" if ratio < 1 else "higher"
    if ratio >= 2:
        return (
            f"The error of {name!r} is {ratio:.1f} times that of {reference} "
            f"({interval} {low:.1f} to {high:.1f}; {design})."
        )
    least, most = sorted((abs(1 - low), abs(1 - high)))
    return (
        f"The error of {name!r} is {_percent(abs(1 - ratio))} % {word} than that of "
        f"{reference} ({interval} {_percent(least)} to {_percent(most)} %; {design})."
    )


def _percent(share):
    return f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.1f}"


def _p_value(p):
    if np.isnan(p):
        return "nan"
    return "<0.001" if p < 0.001 else f"{p:.3f}"
