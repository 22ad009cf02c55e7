"""Which rows are tested, which labelled, which only seen: the protocol of accuracy.py.

A folder holds one set of spectra a file, ``NAME.npz``: `X` (n_samples, n_channels), `y`
(n_samples, n_targets) with NaN where there is no reference value, `target_names`,
optional `groups`, and beside it ``NAME.json`` with the `technique`.

- A task is one target of one set: the first ones of the file.
- In each repeat about 35 % of the rows, whole groups, are the test rows. A test row
  without a reference value is not used at all.
- Of the other rows with a reference value the budget says how many keep it: 20, 50, 100
  or all of them (at most 2,000), whole groups in a drawn order, the smaller budgets
  parts of the larger. A budget that holds 80 % of all labels or more is left out: it
  would be "all" again. So is one that large groups make equal to a smaller one.
- The remaining training rows are the pool: spectra without reference values.
- Everything follows from the set's name, the number of the repeat and the budget.
"""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["BUDGETS", "Cell", "Task", "cells", "read_tasks"]

BUDGETS = (20, 50, 100, "all")
_TEST_SHARE = 0.35
_MOST_LABELS = 2000
_NEARLY_ALL = 0.8


@dataclass(frozen=True, eq=False)
class Task:
    """One target of one set."""

    dataset: str
    target: str
    technique: str
    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None

    @property
    def name(self):
        """Set and target."""
        return f"{self.dataset}/{self.target}"


@dataclass(frozen=True, eq=False)
class Cell:
    """Row numbers of one task, repeat and budget."""

    task: Task
    repeat: int
    budget: int | str
    labelled: np.ndarray
    pool: np.ndarray
    test: np.ndarray


def read_tasks(folder, n_targets=1, only=None):
    """Yield the tasks of a folder, sets by name, targets in the order of the file."""
    for path in sorted(Path(folder).glob("*.npz")):
        if only and path.stem not in only:
            continue
        with np.load(path, allow_pickle=True) as arrays:
            if "y" not in arrays or not arrays["y"].size:
                continue
            X = arrays["X"].astype(np.float64)
            y = arrays["y"].astype(np.float64)
            names = [str(name) for name in arrays["target_names"]]
            groups = arrays.get("groups")
        if groups is not None:
            groups = np.unique(groups.astype(str), return_inverse=True)[1]
        about = path.with_suffix(".json")
        technique = json.loads(about.read_text())["technique"] if about.exists() else ""
        for number, name in enumerate(names[:n_targets]):
            yield Task(path.stem, name, technique, X, y[:, number], groups)


def cells(task, n_repeats=5, budgets=BUDGETS):
    """Yield the cells of a task."""
    known = ~np.isnan(task.y)
    groups = np.arange(len(task.y)) if task.groups is None else task.groups
    if len(np.unique(groups[known])) < 2:  # nothing can be held out
        return
    for repeat in range(n_repeats):
        seed = zlib.crc32(f"{task.dataset} {repeat}".encode())
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(np.unique(groups)))
        rank = order[groups]
        test = _first(rank, known, _TEST_SHARE * known.sum(), spare=1)
        train = ~test
        n_labels = (train & known).sum()
        everything = min(n_labels, _MOST_LABELS)
        # Groups are labelled from the other end of the order.
        backwards = len(order) - 1 - rank
        before = 0
        for budget in budgets:
            size = everything if budget == "all" else budget
            labelled = _first(backwards, train & known, size) & known
            nearly_all = labelled.sum() >= _NEARLY_ALL * everything
            if labelled.sum() == before or (budget != "all" and nearly_all):
                continue
            before = labelled.sum()
            yield Cell(
                task=task,
                repeat=repeat,
                budget=budget,
                labelled=np.flatnonzero(labelled),
                pool=np.flatnonzero(train & ~labelled),
                test=np.flatnonzero(test & known),
            )


def _first(rank, counted, size, spare=0):
    """Return a mask of the first groups whose counted rows are nearest to `size`.

    At least one group with counted rows is taken, and at least `spare` are not.
    """
    filled = np.cumsum(np.bincount(rank, weights=counted))
    held = np.flatnonzero(np.diff(filled, prepend=0))
    held = held[: len(held) - spare] if spare else held
    return rank <= held[np.abs(filled[held] - size).argmin()]
