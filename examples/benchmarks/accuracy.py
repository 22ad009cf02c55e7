"""
How accurate the methods are, over many sets of spectra
=======================================================

A folder of sets is read, ``NAME.npz`` with ``NAME.json`` beside it. Each set gives
tasks (its first targets), and each task cells: about 35 % of the rows are tested, whole
groups; 20, 50, 100 or all of the others keep their reference values, and the rest are
the pool, spectra alone. accuracy_protocol.py says it exactly. Every method gets the
same cells, the labelled rows and, if it can learn from them, the pool; test rows reach
`predict` alone. accuracy_methods.py lists the methods. Seeds follow from the cell.

What is reported is the RMSEP divided by that of a tuned PLS in the same cell: medians
over repeats, geometric means over tasks and budgets, intervals by drawing sets. Tasks
that PLS with all labels does not predict either (median R2 below 0.1) are controls:
they are reported apart, and a clear win there asks for a look.

Each trial is kept in the cache, by the rows, the method, its parameters and the source
code that it rests on. A run that was cut off goes on where it was, and a second one
does what is new. Failed trials are listed in the end, and tried again next time.

``--quick`` is for seeing that all works: the first target, one repeat, the budgets 50
and all, 100 evenly spaced rows of each set, neighbouring channels averaged to at most
512, and methods that learn from the pool at one budget a set. Its figures are not those
of the protocol.
"""

import argparse
import json
import os
import sys
import warnings
import zlib
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
import pandas as pd
from accuracy_methods import METHODS, available
from accuracy_protocol import BUDGETS, Cell, cells, read_tasks
from accuracy_report import modality, report
from accuracy_rivals import fit
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.metrics import r2_score, root_mean_squared_error
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import skspectra
from skspectra.evaluation._trials import _last_step, _seeded
from skspectra.exceptions import FewLabelsWarning
from skspectra.metrics import bias

_CACHE = Path.home() / ".cache" / "skspectra" / "accuracy"
_PLS = ("_callbacks.py", "_normalizer.py", "_pickling.py", "_pls.py")
_PLS += ("_pls_path.py", "_treatments.py", "_tuned_pls.py")
_QUICK = {"targets": 1, "repeats": 1, "budgets": (50, "all")}
_QUICK_ROWS, _QUICK_CHANNELS = 100, 512


class Rows(NamedTuple):
    """The rows of a cell that a method gets."""

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None
    X_test: np.ndarray
    y_test: np.ndarray


class Trial(NamedTuple):
    """A method and a cell, and where the result is kept."""

    cell: Cell
    name: str
    model: object
    uses_pool: bool
    file: Path


def rows_of(cell, uses_pool):
    """Return the rows of a cell, without the pool or with it as y NaN."""
    task, rows = cell.task, cell.labelled
    if uses_pool:
        rows = np.sort(np.concatenate([rows, cell.pool]))
    y = np.where(np.isin(rows, cell.labelled), task.y[rows], np.nan)
    groups = None if task.groups is None else task.groups[rows]
    return Rows(task.X[rows], y, groups, task.X[cell.test], task.y[cell.test])


@cache
def rests_on(ours):
    """Return the source code and the versions that a method's errors follow from.

    `ours` are the estimators of the package itself: all of its code but the evaluation,
    where PLS as a baseline stands.
    """
    package, here = Path(skspectra.__file__).parent, Path(__file__).parent
    files = [here / "accuracy_methods.py", here / "accuracy_rivals.py"]
    packages = ["ikpls", "numpy", "scikit-learn", "scipy"]
    if ours:
        files += [*sorted(package.glob("*.py")), *sorted(package.glob("nn/*.py"))]
        packages += ["torch"]
    else:
        files += [package / name for name in _PLS]
    code = sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return code, [version(name) for name in packages]


def key(rows, name, model):
    """Return a digest of all that a trial's result follows from."""
    digest = sha256()
    for array in rows:
        if array is not None:
            digest.update(repr((array.shape, array.dtype)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    params = sorted(model.get_params(deep=True).items())
    homes = {kind.__module__ for kind in type(_last_step(model)[1]).__mro__}
    homes -= {f"skspectra.{name.removesuffix('.py')}" for name in _PLS}
    ours = any(home.startswith("skspectra._") for home in homes)
    digest.update(repr((name, params, rests_on(ours))).encode())
    return digest.hexdigest()


def shortened(task):
    """Return a task of few rows and channels, for a quick run."""
    n_samples, n_channels = task.X.shape
    picked = np.linspace(0, n_samples - 1, min(n_samples, _QUICK_ROWS)).astype(int)
    width = -(-n_channels // _QUICK_CHANNELS)
    n_kept = n_channels // width
    X = task.X[picked, : n_kept * width].reshape(len(picked), n_kept, width)
    groups = None
    if task.groups is not None:
        groups = np.unique(task.groups[picked], return_inverse=True)[1]
    return replace(task, X=X.mean(axis=2), y=task.y[picked], groups=groups)


def plan(args, methods):
    """Yield the trials, cell by cell."""
    for task in read_tasks(args.folder, args.targets, args.only):
        task = shortened(task) if args.quick else task
        for number, cell in enumerate(cells(task, args.repeats, args.budgets)):
            seed = zlib.crc32(f"{task.name} {cell.repeat} {cell.budget}".encode())
            for name, (make, uses_pool) in methods.items():
                if args.quick and uses_pool and number:
                    continue
                model = _seeded(make(), seed)
                rows = rows_of(cell, uses_pool)
                file = args.cache / f"{key(rows, name, model)}.json"
                yield Trial(cell, name, model, uses_pool, file)


def measure(rows, model, file):
    """Fit, predict, keep the figures; return the file and the figures, or the error."""
    start, start_cpu = perf_counter(), process_time()
    try:
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", FewLabelsWarning)  # that is measured here
            # A clone, so that the fitted model goes when its figures are known.
            model = fit(clone(model), rows.X, rows.y, rows.groups)
            predicted = np.asarray(model.predict(rows.X_test), dtype=float).ravel()
        figures = {
            "rmsep": root_mean_squared_error(rows.y_test, predicted),
            "r2": r2_score(rows.y_test, predicted),
            "bias": bias(rows.y_test, predicted),
            "seconds": perf_counter() - start,
            "cpu_seconds": process_time() - start_cpu,
        }
    except Exception as error:  # one method that fails must not cost the others
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return file, {"error": message}
    # Written beside and then moved: a killed run leaves no half a result.
    beside = file.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps({name: float(v) for name, v in figures.items()}))
    os.replace(beside, file)
    return file, figures


def run(trials, n_jobs):
    """Return the figures of each trial, those in the cache first."""
    found = {t.file: json.loads(t.file.read_text()) for t in trials if t.file.exists()}
    calls = (
        delayed(measure)(rows_of(t.cell, t.uses_pool), t.model, t.file)
        for t in trials
        if t.file not in found
    )
    bar = tqdm(total=len(trials), initial=len(found), unit="fit", file=sys.stderr)
    with bar, parallel_config("loky", inner_max_num_threads=1):
        new = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(calls)
        for file, figures in new:
            found[file] = figures
            bar.update()
    return [found[trial.file] for trial in trials]


def long_table(trials, figures):
    """Return one row a trial."""
    rows = []
    for (cell, name, *_), found in zip(trials, figures, strict=True):
        task = cell.task
        rows.append(
            {
                "dataset": task.dataset,
                "target": task.target,
                "technique": task.technique,
                "modality": modality(task.technique),
                "repeat": cell.repeat,
                "budget": str(cell.budget),
                "n_labelled": len(cell.labelled),
                "n_pool": len(cell.pool),
                "n_test": len(cell.test),
                "n_channels": task.X.shape[1],
                "method": name,
                **dict.fromkeys(["rmsep", "r2", "bias", "seconds", "cpu_seconds"]),
                "error": "",
                **found,
            }
        )
    return pd.DataFrame(rows)


def _budget(word):
    return word if word == "all" else int(word)


def arguments(argv=None):
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="where the sets lie")
    add("--quick", action="store_true", help="small cells of one target and repeat")
    add("--targets", type=int, default=1, help="of each set, 1 when left out")
    add("--repeats", type=int, default=5, help="5 when left out")
    add("--budgets", type=_budget, nargs="+", default=BUDGETS, metavar="LABELS")
    add("--only", nargs="+", metavar="SET", help="sets, all when left out")
    add(
        "--methods",
        nargs="+",
        choices=list(METHODS),
        default=list(METHODS),
        metavar="METHOD",
        help=f"of {', '.join(METHODS)}; all when left out",
    )
    add("--jobs", type=int, default=1, help="processes, of one thread each")
    add("--cache", type=Path, default=_CACHE, metavar="FOLDER")
    add("--output", type=Path, default=Path("results.csv"), help="table of trials")
    add("--docs", type=Path, metavar="FOLDER", help="for summary tables and figures")
    add("--tabicl-checkpoint", metavar="FILE", help="weights of TabICL")
    args = parser.parse_args(argv)
    if args.quick:
        vars(args).update(_QUICK)
    return args


def main(argv=None):
    """Run what is new, write the table and say what it tells."""
    args = arguments(argv)
    methods, missing = available(args.methods, args.tabicl_checkpoint)
    for line in missing:
        print(line, file=sys.stderr)
    args.cache.mkdir(parents=True, exist_ok=True)
    trials = list(plan(args, methods))
    if not trials:
        sys.exit(f"No trial: no set of {args.folder} has a cell, or no method is left.")
    table = long_table(trials, run(trials, args.jobs))
    table.to_csv(args.output, index=False)
    report(table, args.docs)


if __name__ == "__main__":
    main()
