"""How the error falls with the number of labelled rows, all estimators alike."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from skspectra._validation import generator, validate_parameters
from skspectra.evaluation._compare import CONSTRAINTS
from skspectra.evaluation._comparison import describe_folds
from skspectra.evaluation._plot import draw_curve
from skspectra.evaluation._splits import (
    check_estimators,
    check_samples,
    make_splits,
)
from skspectra.evaluation._statistics import summarise
from skspectra.evaluation._trials import run_trials

__all__ = ["LabelEfficiencyCurve", "label_efficiency_curve"]


_CONSTRAINTS = CONSTRAINTS | {"train_sizes": ["array-like"]}


def label_efficiency_curve(
    estimators,
    X,
    y,
    *,
    train_sizes,
    cv=5,
    n_repeats=1,
    groups=None,
    reference=None,
    n_jobs=None,
    random_state=None,
    confidence=0.95,
    verbose=0,
):
    """Compare estimators at several numbers of labelled training rows.

    In every fold some training rows keep their reference values and the others'
    are hidden, the same for every estimator. Hidden rows stay in the training set
    of an estimator that can use unlabelled ones, and leave that of the others. The
    smaller sets are parts of the larger ones, and the test rows are the same for
    all sizes.

    Parameters
    ----------
    estimators : dict of str to estimator, or list of (str, estimator)
        What is compared, by name, as in :func:`compare`.
    X : array-like of shape (n_samples, n_channels)
        Spectra, one a row, passed on as they are.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Reference values; a row with a NaN is unlabelled at every size.
    train_sizes : array-like of shape (n_sizes,)
        Numbers of labelled rows (int), or parts of the labelled rows of a fold's
        training set (float, in (0, 1]). With `groups`, whole groups are labelled,
        in a drawn order, as long as their rows do not exceed the size; the first
        group always is. `results` records the numbers.
    cv : int, splitter, iterable of (train, test) or None, default=5
        The folds, as in :func:`compare`.
    n_repeats : int, default=1
        How often the folds of an integer `cv` are drawn. Each fold of each repeat
        draws its own labelled rows.
    groups : array-like of shape (n_samples,), default=None
        What each row belongs to. No group is on both sides of a split, or labelled
        in part.
    reference : str, default=None
        Name of the estimator in the denominator of the ratio; None means the first.
    n_jobs : int, default=None
        How many fits run at once. The figures do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Decides the folds, the labelled rows and the seeds. None draws new ones
        each time.
    confidence : float, default=0.95
        Of the interval of the ratio, in (0, 1).
    verbose : int, default=0
        From 1 on, a bar on the standard error stream counts the fits.

    Returns
    -------
    curve : LabelEfficiencyCurve
        Tables and a drawing.

    Raises
    ------
    ValueError
        As in :func:`compare`; and if a size is not in (0, 1] or is larger than the
        labelled rows of the smallest training set.
    Exception
        Whatever an estimator raises, with a note of its name, fold and size.

    Warns
    -----
    UserWarning, TransductiveWarning
        As in :func:`compare`.

    See Also
    --------
    compare : All labels at once; its notes hold the formulas.
    sklearn.model_selection.learning_curve : For one estimator, and row by row: it
        cuts through groups.

    Notes
    -----
    Means, ratios and intervals are those of :func:`compare`, size by size. The n1
    of their correction is the number of labelled rows of the training set before
    any were hidden. With the shown size in its place the intervals at small sizes
    would be wider by far: take these for the narrow choice.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression, Ridge
    >>> from skspectra.evaluation import label_efficiency_curve
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 10))
    >>> y = X[:, 0] + rng.normal(size=100)
    >>> curve = label_efficiency_curve(
    ...     {"least squares": LinearRegression(), "ridge": Ridge()},
    ...     X, y, train_sizes=[12, 80], random_state=0,
    ... )
    >>> curve.table["rmsep_ratio"].unstack().round(2)
    estimator   least squares  ridge
    train_size
    12                    1.0   0.76
    80                    1.0   0.99
    """
    validate_parameters(_CONSTRAINTS, locals(), "label_efficiency_curve")
    estimators, reference = check_estimators(estimators, reference)
    samples = check_samples(X, y, groups)
    rng = generator(random_state)
    splits = make_splits(samples, cv, n_repeats, rng)
    sizes = _check_sizes(train_sizes, min(len(split.train) for split in splits))
    splits = [part for split in splits for part in _shrink(split, sizes, samples, rng)]
    trials = run_trials(estimators, samples, splits, n_jobs=n_jobs, verbose=verbose)
    results = pd.DataFrame([row for *_, trial in trials for row in trial.figures])
    keys = ["target", "train_size"] if len(samples.targets) > 1 else ["train_size"]
    if len(keys) == 1:
        results = results.drop(columns="target")
    table = summarise(results, reference, confidence, keys=keys, pool="n_pool")
    return LabelEfficiencyCurve(
        results=results.rename(columns={"n_train": "n_labelled"}),
        table=table.rename(columns={"n_train": "n_labelled"}),
        reference=reference,
        confidence=confidence,
        grouped=samples.groups is not None,
    )


@dataclass(eq=False, repr=False)
class LabelEfficiencyCurve:
    """What :func:`label_efficiency_curve` found.

    Parameters
    ----------
    results : DataFrame
        One row an estimator, fold and size: `estimator`, (`target`,) `repeat`,
        `fold`, `train_size` as asked for, `n_pool` labelled rows of the training
        set, `n_labelled` of them that kept their reference value, `n_unlabelled`
        rows that the estimator got without, `n_test`, `n_seen`, and the figures of
        :class:`Comparison`.
    table : DataFrame
        One row a size and estimator (a target, size and estimator): means over
        folds, `rmsep_se` (standard error, overlap of folds allowed for),
        `rmsep_ratio` to the reference at the same size with its bounds
        `ratio_low` and `ratio_high`, and `p_value`.
    reference : str
        The estimator in the denominator.
    confidence : float
        Of the bounds.
    grouped : bool
        Whether groups were kept whole.

    See Also
    --------
    label_efficiency_curve : Makes it.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.linear_model import Ridge
    >>> from skspectra.evaluation import label_efficiency_curve
    >>> X, y = make_regression(random_state=0)
    >>> curve = label_efficiency_curve({"ridge": Ridge()}, X, y, train_sizes=[0.5, 1.0])
    >>> curve.table["n_labelled"].to_list()
    [40.0, 80.0]
    """

    results: pd.DataFrame
    table: pd.DataFrame
    reference: str
    confidence: float
    grouped: bool

    def to_string(self):
        """Return mean RMSEP and ratios, sizes down and estimators across, as text.

        Returns
        -------
        text : str
            As wide as the estimators' names need.
        """
        several = "target" in self.results
        columns = {"rmsep": "{:.4g}", "rmsep_ratio": "{:.3f}"}
        order = self.table.index.unique("estimator")
        wide = [
            self.table[figure].unstack("estimator")[order].map(shape.format)
            for figure, shape in columns.items()
        ]
        wide[1] = wide[1].drop(columns=self.reference)
        wide = pd.concat(wide, axis=1, keys=["RMSEP", f"ratio to {self.reference!r}"])
        rows = self.table["n_labelled"].groupby(
            level=["target", "train_size"] if several else "train_size", sort=False
        )
        wide.insert(0, ("labelled", "rows"), rows.first().round().astype(int))
        wide.columns.names = [None, None]
        head = f"Means over {describe_folds(self.results, self.grouped)}"
        return f"{head}\n\n{wide.to_string()}"

    def __repr__(self):
        return self.to_string()

    def plot(self, ax=None, *, target=None):
        """Draw mean RMSEP and its standard error against the labelled rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        target : object, default=None
            Which of several targets; None means the first.

        Returns
        -------
        ax : matplotlib Axes
            One line an estimator.
        """
        table = self.table
        if "target" in self.results:
            target = self.results["target"].iloc[0] if target is None else target
            table = table.xs(target, level="target")
        return draw_curve(table, target=target, ax=ax)


def _check_sizes(train_sizes, n_smallest):
    """Return the sizes, ascending and each once, or raise ValueError."""
    sizes = np.unique(np.asarray(train_sizes))
    kind = sizes.dtype.kind
    low, high = ("(0", "1]") if kind == "f" else ("[1", f"{n_smallest}]")
    fits = kind in "iuf" and len(sizes) and sizes[0] > 0
    if not fits or sizes[-1] > (1 if kind == "f" else n_smallest):
        raise ValueError(
            "The 'train_sizes' parameter of label_efficiency_curve must hold numbers "
            f"in the range {low}, {high}: integers count labelled rows, of which the "
            f"smallest training set has {n_smallest}; floats are parts of them. "
            f"Got {train_sizes!r} instead."
        )
    return sizes.tolist()


def _shrink(split, sizes, samples, rng):
    """Yield the split at each size, the labels of the other training rows hidden."""
    ids = split.train if samples.groups is None else samples.groups[split.train]
    units, member = np.unique(ids, return_inverse=True)
    order = rng.permutation(len(units))
    filled = np.cumsum(np.bincount(member)[order])
    rank = np.empty(len(units), dtype=int)
    rank[order] = np.arange(len(units))
    for size in sizes:
        n_rows = (
            int(size * len(split.train) + 1e-9) if isinstance(size, float) else size
        )
        n_units = max(1, np.searchsorted(filled, n_rows, side="right"))
        kept = rank[member] < n_units
        yield replace(
            split,
            train=split.train[kept],
            unlabelled=np.concatenate([split.unlabelled, split.train[~kept]]),
            train_size=size,
            n_pool=len(split.train),
        )
