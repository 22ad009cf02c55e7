"""What a comparison runs on: labelled spectra, unlabelled ones, and no copies."""

import numpy as np
from sklearn.utils import Bunch

from skspectra import datasets
from skspectra.io._table import read_table

__all__ = ["read_samples"]

_GLUCOSE = (900.0, 1780.0)  # cm-1; beyond, the fermentation's probe shows noise


def read_samples(
    *, table=None, dataset=None, target=None, groups=None, ignore=(), pool=None, folds
):
    """Read what is to be compared on, and see that no pretraining spectrum is tested.

    Parameters
    ----------
    table : str, default=None
        Path of a table for :func:`skspectra.io.read_table`, as is `pool`.
    dataset : {"tecator", "fermentation"}, default=None
        Taken if there is no `table`; None means Tecator.
    target, groups : str, default=None
        Names of columns of `table`.
    ignore : sequence of str, default=()
        Names of columns of `table` that hold no channel.
    pool : str, default=None
        Path of a table of spectra without reference values.
    folds : int
        How many folds the labelled rows must suffice for.

    Returns
    -------
    samples : Bunch
        - X : ndarray of shape (n_samples, n_channels); y : ndarray of shape
          (n_samples,), NaN where unlabelled; groups : ndarray of shape (n_samples,)
          or None
        - rows : ndarray of int of shape (n_samples,), which rows of the table
        - pool : ndarray of shape (n_pool, n_channels) or None; with a pool, the
          table's unlabelled rows are part of it
        - x_axis : ndarray of shape (n_channels,) or None; x_unit : str or None
        - feature_names : list of str, the names of the channels; None of a data set
        - source, target : str, what it is called
        - description : dict, names and numbers that JSON can hold
        - notes : list of str, what a reader of the figures should know;
          told_by_figures : those of them that figures and spectra tell by themselves

    Raises
    ------
    ImportError
        If what reads the table, or holds the data set, is not installed.
    OSError
        If a file cannot be read.
    ValueError
        If arguments do not go together; as in :func:`skspectra.io.read_table`; if
        the pool is on another axis; if there are too few reference values.
    """
    if table is not None and dataset is not None:
        raise ValueError("Give a TABLE or --dataset, not both.")
    if table is None:
        named = {"target": target, "groups": groups, "ignore": ignore, "pool": pool}
        stray = [f"--{key}" for key, value in named.items() if value]
        if stray:
            raise ValueError(f"{stray[0]} needs a TABLE, but none was given.")
        samples = _from_dataset(dataset or "tecator")
    else:
        samples = _from_table(table, target, groups, ignore, pool)
    _leave_out_copies(samples)
    _tell_of_copies(samples)
    _move_unlabelled(samples)
    _check_reference_values(samples, folds)
    samples.description = _describe(samples)
    return samples


def _from_dataset(name):
    """Return one of the real sets that installed packages carry."""
    data = getattr(datasets, f"load_{name}")()
    used, pool = slice(None), data.get("pool")
    if name == "fermentation":
        used = (data.x_axis >= _GLUCOSE[0]) & (data.x_axis <= _GLUCOSE[1])
    return Bunch(
        source=name,
        target=f"{data.target_names[0]} in {data.target_unit}",
        X=data.data[:, used],
        y=data.target,
        groups=data.get("groups"),
        x_axis=data.x_axis[used],
        x_unit=data.x_unit,
        feature_names=None,
        pool=None if pool is None else pool[:, used],
        notes=[],
        told_by_figures=[],
    )


def _from_table(path, target, groups, ignore, pool):
    """Return a table and its pool."""
    if target is None:
        raise ValueError(f"{path} needs --target, the column of reference values.")
    table = read_table(path, target=target, groups=groups, ignore=ignore)
    for name in ignore:
        if name not in table.other_names:
            raise ValueError(f"{path} has no column {name!r} to ignore.")
    samples = Bunch(
        source=path,
        target=target,
        X=table.data,
        y=table.target,
        groups=table.groups,
        x_axis=table.x_axis,
        x_unit=None,
        feature_names=table.feature_names,
        pool=None,
        notes=[],
        told_by_figures=[],
    )
    names = table.feature_names
    if table.x_axis is None:
        samples.notes.append(
            f"no column name of {path} is a number, so {len(names)} numeric columns "
            f"are the channels, from {names[0]!r} and {names[1]!r} to {names[-1]!r}; "
            "--ignore leaves one out."
        )
    if pool is not None:
        named = names if table.x_axis is None else None
        other = read_table(pool, ignore=[target, groups, *ignore], channels=named)
        _check_same_axis(other, pool, table, path)
        samples.pool = other.data
        if groups is not None:
            _leave_out_tested_groups(samples, pool, groups, ignore, target, named)
    return samples


def _leave_out_tested_groups(samples, path, groups, ignore, target, named):
    """Leave out spectra of a pool that belong to a group that is tested."""
    try:
        pool = read_table(path, groups=groups, ignore=[target, *ignore], channels=named)
    except ValueError:
        samples.notes.append(
            f"{path} has no column {groups!r}, so it is for you to know that it holds "
            "no spectrum of a tested group."
        )
        return
    tested = np.isin(pool.groups, samples.groups[~np.isnan(samples.y)])
    samples.pool = samples.pool[~tested]
    if tested.any():
        samples.notes.append(
            f"{tested.sum()} spectra of the pool belong to labelled groups and were "
            "left out: pretraining on what is tested would be transductive."
        )


def _check_same_axis(pool, pool_path, table, path):
    """Refuse a pool whose channels are not where the table's are."""
    if table.x_axis is None:
        return  # the channels were read by name
    here = f"{path} has {_span(table.x_axis)}"
    if pool.x_axis is None:
        raise ValueError(f"No column name of {pool_path} is a number, while {here}.")
    if pool.x_axis.shape == table.x_axis.shape:
        distance = np.abs(pool.x_axis - table.x_axis).max()
        if distance <= 0.01 * np.abs(np.diff(table.x_axis)).min():
            return
        here = f"{here}; the largest difference is {distance:g}"
    raise ValueError(
        f"{pool_path} has {_span(pool.x_axis)}, while {here}. Bring both onto one axis."
    )


def _span(x_axis):
    return f"{len(x_axis)} channels from {x_axis[0]:g} to {x_axis[-1]:g}"


def _bytes(X):
    """Return the spectra as objects that are equal where the spectra are."""
    return [row.tobytes() for row in np.ascontiguousarray(X) + 0.0]  # no -0.0


def _leave_out_copies(samples):
    """Leave out spectra to pretrain on that are copies of labelled ones."""
    labelled = ~np.isnan(samples.y)
    known = set(_bytes(samples.X[labelled]))
    keep = labelled.copy()
    keep[~labelled] = [
        spectrum not in known for spectrum in _bytes(samples.X[~labelled])
    ]
    n_copies = (~keep).sum()
    samples.rows = np.arange(len(keep))
    _keep(samples, keep)
    if samples.pool is not None:
        kept = [spectrum not in known for spectrum in _bytes(samples.pool)]
        n_copies += kept.count(False)
        samples.pool = samples.pool[kept]
    if n_copies:
        samples.notes.append(
            f"{n_copies} unlabelled spectra are copies of labelled ones and were left "
            "out: pretraining on spectra that are tested would be transductive."
        )


def _tell_of_copies(samples):
    """Note labelled spectra whose copies may be on the other side of a split."""
    labelled = ~np.isnan(samples.y)
    owners, where = samples.rows, ""
    if samples.groups is not None:
        owners, where = samples.groups, " in another group"
    spectra = _bytes(samples.X[labelled])
    owned = set(zip(spectra, owners[labelled], strict=True))
    n_copies = len(owned) - len(set(spectra))
    if n_copies:
        note = (
            f"{n_copies} labelled spectra are copies of others{where}. A copy may "
            "train while the other is tested, and errors come out too small: --groups "
            "should name a column that keeps them together."
        )
        samples.notes.append(note)
        samples.told_by_figures.append(note)


def _move_unlabelled(samples):
    """With a pool, unlabelled rows join it, but for those of a tested group."""
    unlabelled = np.isnan(samples.y)
    if samples.pool is None or not unlabelled.any():
        return
    if samples.groups is not None:
        tested = np.isin(samples.groups, samples.groups[~unlabelled])
        n_tested = (unlabelled & tested).sum()
        if n_tested:
            samples.notes.append(
                f"{n_tested} unlabelled rows share a group with labelled ones and did "
                "not join the pool."
            )
    else:
        tested = ~unlabelled
    samples.pool = np.concatenate([samples.pool, samples.X[unlabelled & ~tested]])
    _keep(samples, ~unlabelled)


def _keep(samples, rows):
    """Keep some rows of the table."""
    for key in ("X", "y", "groups", "rows"):
        if samples[key] is not None:
            samples[key] = samples[key][rows]


def _check_reference_values(samples, folds):
    """Refuse what no comparison can be made of."""
    labelled = ~np.isnan(samples.y)
    known = samples.y[labelled]
    of = f"of {samples.target!r} in {samples.source}"
    units, what = labelled.sum(), "reference values"
    if samples.groups is not None:
        units, what = len(np.unique(samples.groups[labelled])), "groups with values"
    if units < max(folds, 3):
        raise ValueError(
            f"{folds} folds need at least {max(folds, 3)} {what} {of}. Got {units}."
        )
    if np.ptp(known) == 0:
        raise ValueError(f"All {len(known)} values {of} are {known[0]:g}.")
    if samples.pool is not None and len(samples.pool) < 2:
        raise ValueError(
            "The pool must hold at least 2 spectra that are no copies of labelled "
            f"ones. Got {len(samples.pool)}."
        )


def _describe(samples):
    """Return what the samples are, by words."""
    labelled, x_axis = ~np.isnan(samples.y), samples.x_axis
    known = {"source": samples.source, "target": samples.target}
    known |= {"labelled": int(labelled.sum()), "unlabelled": int((~labelled).sum())}
    if samples.pool is not None:
        known["pool"] = len(samples.pool)
    if samples.groups is not None:
        known["groups"] = len(set(samples.groups[labelled]))
    known["channels"] = samples.X.shape[1]
    if x_axis is not None:
        known["axis"] = f"{x_axis[0]:g} to {x_axis[-1]:g}"
    return known
