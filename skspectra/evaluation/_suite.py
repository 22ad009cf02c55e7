"""What the errors of many tasks say together: ratios, ranks and their drawings."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, studentized_range
from sklearn.utils import Bunch

from skspectra._validation import Interval, generator, validate_parameters
from skspectra.evaluation._plot import draw_critical_difference, draw_task_ratios

__all__ = [
    "critical_difference",
    "plot_critical_difference",
    "plot_ratios",
    "summarise_ratios",
]

_TASK = ["dataset", "task", "target"]
_PART = [Interval(Real, 0, 1, closed="neither")]


def summarise_ratios(
    results,
    *,
    reference="PLS",
    by=None,
    confidence=0.95,
    n_bootstrap=2000,
    random_state=0,
):
    """Say how methods compare with a reference over many tasks.

    The error of a method is divided by that of the reference on the same rows. The
    median over the repeats of a task at one budget is a task-cell; task-cells count
    alike, whatever their units and however many repeats they have.

    Parameters
    ----------
    results : DataFrame
        One row an error, with the columns

        - `task`, or `dataset` and `target`: what was predicted. Tasks of one `dataset`
          are drawn together;
        - `repeat`, `budget`: optional, which rows were tested and how many labelled;
        - `method`: its name;
        - `rmsep`: its error, NaN where it failed. Such rows are left out.
    reference : str, default="PLS"
        The method in the denominator.
    by : str or list of str, default=None
        Columns that get rows of their own, such as "budget".
    confidence : float, default=0.95
        Of the interval of the mean ratio, in (0, 1).
    n_bootstrap : int, default=2000
        How often the sets are drawn for it.
    random_state : int, RandomState instance or None, default=0
        Decides the draws.

    Returns
    -------
    table : DataFrame indexed by method, or by `by` and method
        Methods in the order of `results`:

        - `ratio`: geometric mean over task-cells, below 1 where errors are smaller;
        - `ratio_low`, `ratio_high`: bounds of its interval, NaN for a single set;
        - `wins`: part of the task-cells with a ratio below 1;
        - `worst`: highest ratio of a task-cell;
        - `n_cells`, `n_datasets`: how many task-cells and sets that was.

    Raises
    ------
    ValueError
        If a column is missing, an error is not positive, a method has two errors for
        the same rows, or no row is the reference's.

    See Also
    --------
    compare : For one set of spectra: folds and a corrected test.
    plot_ratios : The ratios one by one.

    Notes
    -----
    Targets of a set share its spectra, and budgets share their rows, so whole sets are
    drawn, with replacement, and the interval is that of the percentiles. It tells what
    other sets of the same kind might give, not whether one set shows a difference.

    A method counts on the task-cells that it and the reference have: compare
    `n_cells` before comparing two methods.

    Examples
    --------
    >>> import pandas as pd
    >>> from skspectra.evaluation import summarise_ratios
    >>> results = pd.DataFrame(
    ...     {
    ...         "task": ["fat", "fat", "starch", "starch"],
    ...         "method": ["PLS", "ridge", "PLS", "ridge"],
    ...         "rmsep": [2.0, 1.0, 30.0, 60.0],
    ...     }
    ... )
    >>> summarise_ratios(results)[["ratio", "wins", "worst", "n_cells"]]
            ratio  wins  worst  n_cells
    method
    PLS       1.0   0.0    1.0        2
    ridge     1.0   0.5    2.0        2
    """
    validate_parameters(
        {
            "results": [pd.DataFrame],
            "reference": [str],
            "by": [str, list, None],
            "confidence": _PART,
            "n_bootstrap": [Interval(Integral, 1, None, closed="left")],
            "random_state": ["random_state"],
        },
        locals(),
        "summarise_ratios",
    )
    by = [by] if isinstance(by, str) else list(by or [])
    ratios = _ratios(results, reference, by, "summarise_ratios")
    seed = generator(random_state).randint(2**31 - 1)
    rows = []
    for key, block in ratios.groupby(by, sort=False) if by else [((), ratios)]:
        for method, part in block.groupby("method", sort=False):
            sets = part["dataset" if "dataset" in part else "task"]
            logs = np.log(part["ratio"])
            interval = _interval(logs.groupby(sets), confidence, n_bootstrap, seed)
            wins, worst = (part["ratio"] < 1).mean(), part["ratio"].max()
            counts = len(part), sets.nunique()
            rows.append(
                [*key, method, np.exp(logs.mean()), *interval, wins, worst, *counts]
            )
    index = [*by, "method"]
    columns = ["ratio", "ratio_low", "ratio_high", "wins", "worst"]
    columns += ["n_cells", "n_datasets"]
    return pd.DataFrame(rows, columns=[*index, *columns]).set_index(index)


def plot_ratios(results, *, reference="PLS", methods=None, ax=None):
    """Draw the ratio of each task, sorted, on a logarithmic axis.

    Parameters
    ----------
    results : DataFrame
        As in :func:`summarise_ratios`. The ratios of a task at several budgets are
        averaged geometrically.
    reference : str, default="PLS"
        The method in the denominator: the line at 1.
    methods : list of str, default=None
        What is drawn, each with a marker of its own; tasks are sorted by the first.
        None means all but the reference.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a figure.

    Returns
    -------
    ax : matplotlib Axes
        One row a task, the best ratio on top.

    Raises
    ------
    ValueError
        As in :func:`summarise_ratios`; and if a method is not in `results`.

    See Also
    --------
    summarise_ratios : What is drawn, in numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from skspectra.evaluation import plot_ratios
    >>> results = pd.DataFrame(
    ...     {
    ...         "task": ["fat", "fat", "starch", "starch"],
    ...         "method": ["PLS", "ridge", "PLS", "ridge"],
    ...         "rmsep": [2.0, 1.0, 30.0, 60.0],
    ...     }
    ... )
    >>> ax = plot_ratios(results)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['fat', 'starch']
    """
    validate_parameters(
        {"results": [pd.DataFrame], "reference": [str], "methods": [list, None]},
        {"results": results, "reference": reference, "methods": methods},
        "plot_ratios",
    )
    ratios = _ratios(results, reference, [], "plot_ratios")
    names = [name for name in ratios["method"].unique() if name != reference]
    for method in names if methods is None else methods:
        _check_method(method, "methods", ratios["method"], "plot_ratios")
    ratios["task"] = _labels(ratios)
    logs = np.log(ratios["ratio"]).groupby([ratios["task"], ratios["method"]])
    table = np.exp(logs.mean().unstack("method")[methods or names]).dropna(how="all")
    table = table.sort_values(table.columns[0])
    return draw_task_ratios(table, reference=reference, ax=ax)


def plot_critical_difference(results, *, alpha=0.05, ax=None):
    """Draw the mean ranks of methods and which of them are not told apart.

    Parameters
    ----------
    results : DataFrame
        As in :func:`summarise_ratios`; task-cells that lack a method are left out.
    alpha : float, default=0.05
        Chance of telling apart any two of equal methods, in (0, 1).
    ax : matplotlib Axes, default=None
        Where to draw; None makes a figure.

    Returns
    -------
    ax : matplotlib Axes
        Mean ranks on a line, 1 being the smallest error. A bar joins methods whose
        ranks differ by less than the critical difference.

    Raises
    ------
    ValueError
        As in :func:`summarise_ratios`; and if there are fewer than three methods, or
        two task-cells that have them all.

    See Also
    --------
    summarise_ratios : By how much, which ranks do not tell.

    Notes
    -----
    Friedman's test asks whether the k methods rank alike over the N task-cells; the
    title has its p-value. Nemenyi's critical difference is
    q sqrt(k (k + 1) / (6 N)) with q the quantile of the studentised range divided by
    sqrt(2) [1]_. Both take the task-cells as independent. Targets and budgets of one
    set are not: with several of them the difference is too small, and one row a set
    gives the honest one.

    References
    ----------
    .. [1] J. Demšar, "Statistical Comparisons of Classifiers over Multiple Data
       Sets", Journal of Machine Learning Research 7 (2006) 1-30.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skspectra.evaluation import plot_critical_difference
    >>> results = pd.DataFrame(
    ...     {
    ...         "task": np.repeat(["fat", "starch", "water"], 3),
    ...         "method": ["PLS", "ridge", "mean"] * 3,
    ...         "rmsep": [1, 2, 3, 1, 2, 3, 2, 1, 3],
    ...     }
    ... )
    >>> plot_critical_difference(results).get_title()
    'Mean ranks over 3 task-cells (Friedman: p = 0.097)'
    """
    validate_parameters(
        {"results": [pd.DataFrame], "alpha": _PART},
        {"results": results, "alpha": alpha},
        "plot_critical_difference",
    )
    return draw_critical_difference(critical_difference(results, alpha), ax=ax)


def critical_difference(results, alpha):
    """Return mean ranks, Friedman's test and Nemenyi's critical difference.

    Parameters
    ----------
    results : DataFrame
        Of :func:`plot_critical_difference`.
    alpha : float
        Of the critical difference.

    Returns
    -------
    Bunch
        `ranks` (Series, ascending), `statistic`, `p_value`, `difference`, `n_cells`.
    """
    table, cell = _check_results(results, [], "plot_critical_difference")
    errors = table.groupby([*cell, "method"], sort=False)["rmsep"].median()
    errors = errors.unstack("method").dropna()
    n_cells, n_methods = errors.shape
    if n_methods < 3 or n_cells < 2:
        raise ValueError(
            "plot_critical_difference needs at least 3 methods and 2 task-cells that "
            f"have them all. Got {n_methods} methods and {n_cells} task-cells."
        )
    statistic, p_value = friedmanchisquare(*errors.to_numpy().T)
    quantile = studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return Bunch(
        ranks=errors.rank(axis=1).mean().sort_values(),
        statistic=statistic,
        p_value=p_value,
        difference=quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_cells)),
        n_cells=n_cells,
    )


def _check_results(results, by, owner):
    """Return the rows that have an error, and the columns that name a task-cell."""
    wanted = ["task"] if "task" in results else ["dataset", "target"]
    missing = [c for c in [*wanted, "method", "rmsep", *by] if c not in results]
    if missing:
        raise ValueError(
            f"The 'results' parameter of {owner} must have the columns 'method', "
            "'rmsep', either 'task' or 'dataset' and 'target', and those of 'by'. "
            f"Got a table without {missing}."
        )
    table = results.dropna(subset="rmsep")
    errors = table["rmsep"]
    if table.empty or not (np.isfinite(errors).all() and errors.min() > 0):
        raise ValueError(
            f"The column 'rmsep' of the results of {owner} must hold positive finite "
            "numbers, or NaN where a method failed. "
            f"Got {len(table)} numbers from {errors.min()} to {errors.max()}."
        )
    cell = [c for c in [*_TASK, "budget"] if c in table]
    cell += [c for c in by if c not in cell]
    rows = table[[*cell, *(c for c in ["repeat"] if c in table), "method"]]
    if rows.duplicated().any():
        twice = rows[rows.duplicated()].iloc[0].to_dict()
        raise ValueError(
            f"The 'results' parameter of {owner} must have one row a task, repeat, "
            f"budget and method. Got two of {twice}."
        )
    return table, cell


def _ratios(results, reference, by, owner):
    """Return the ratio of each method and task-cell, medians over repeats."""
    table, cell = _check_results(results, by, owner)
    _check_method(reference, "reference", table["method"], owner)
    rows = [*cell, "repeat"] if "repeat" in table else cell
    below = table.loc[table["method"] == reference, [*rows, "rmsep"]]
    table = table.merge(below, on=rows, suffixes=("", "_reference"))
    table["ratio"] = table["rmsep"] / table["rmsep_reference"]
    groups = table.groupby([*cell, "method"], sort=False, dropna=False)
    return groups["ratio"].median().reset_index()


def _check_method(method, parameter, known, owner):
    if method not in set(known):
        raise ValueError(
            f"The {parameter!r} parameter of {owner} must name methods of 'results': "
            f"{known.unique().tolist()}. Got {method!r} instead."
        )


def _interval(logs, confidence, n_bootstrap, seed):
    """Return the bounds of the geometric mean, whole sets being drawn."""
    sums, counts = logs.sum().to_numpy(), logs.count().to_numpy()
    n_sets = len(sums)
    if n_sets < 2:
        return np.nan, np.nan
    rng = np.random.RandomState(seed)
    drawn = rng.multinomial(n_sets, np.full(n_sets, 1 / n_sets), size=n_bootstrap)
    means = (drawn @ sums) / (drawn @ counts)
    return np.exp(np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2]))


def _labels(ratios):
    """Return the names of tasks: the set, and the target where it has several."""
    if "dataset" not in ratios or "target" not in ratios:
        return ratios["task"]
    several = ratios.groupby("dataset")["target"].transform("nunique") > 1
    names = ratios["dataset"].astype(str)
    return names.where(~several, names + ", " + ratios["target"].astype(str))
