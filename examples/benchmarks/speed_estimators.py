"""
The rows of speed.py that use estimators
========================================

Cross-validation, embedding and prediction, grids in several processes, importing and
simulating. What depends on the start of a process runs in one of its own.
"""

import os
import subprocess
import sys
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
import pls_cross_validation as pls
import simulators
from plain import embed_plainly, plain_encoder
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from steps import MIDDLE, Measured, in_turns, seconds, torch_threads
from threadpoolctl import threadpool_limits

from skspectra import MaskedSpectralPretrainer, SpectralRegressor
from skspectra.datasets import make_nir_mixtures

OMP = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY")


def cross_validate_pls(args):
    """Cross-validate PLS, against scikit-learn's grid search."""
    X, y = pls.make_spectra(500, 700)
    grid, path = pls.compared(30, 10)
    grid.fit(X, y), path.fit(X, y)
    chosen = path.n_components_, grid.best_params_["n_components"]
    assert chosen[0] == chosen[1], chosen
    timed = (partial(seconds, partial(one.fit, X, y)) for one in (path, grid))
    return Measured(*in_turns(args.runs, *timed), f"both choose {chosen[0]} components")


def transform(precision, args):
    """Embed spectra, against the plain model in float32."""
    X = make_nir_mixtures(args.samples, 2048, random_state=0).data
    pretrainer = MaskedSpectralPretrainer(
        **MIDDLE, max_epochs=0, precision=precision, random_state=0
    ).fit(X[:200])
    plain = plain_encoder(pretrainer.module_.encoder)
    settings = plain, X, pretrainer.mean_, pretrainer.scale_
    one, other = (
        pretrainer.transform(X[:200]),
        embed_plainly(plain, X[:200], *settings[2:]),
    )
    rms = np.sqrt(np.mean((one - other) ** 2, dtype=float))
    relative = rms / np.sqrt(np.mean(other**2, dtype=float))
    spread = rms / np.sqrt(np.mean(other.var(axis=0, dtype=float)))
    assert relative < 0.05, relative
    ours = partial(pretrainer.transform, X)
    timed = partial(seconds, ours), partial(seconds, partial(embed_plainly, *settings))
    note = f"rms difference / rms {relative:.0e}, / spread between spectra {spread:.0e}"
    return Measured(*in_turns(args.runs, *timed), f"{args.samples} rows; {note}")


def in_process(function, *args, **environment):
    """Call a function in a process of its own, with OMP settings as given or none."""
    kept = {name: os.environ[name] for name in os.environ if name not in OMP}
    changed = patch.dict(os.environ, kept | environment, clear=True)
    with changed, get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


def transform_peak(n_rows):
    """Return the megabytes that embedding takes at most, beside input and output."""
    rng = np.random.default_rng(0)
    pretrainer = MaskedSpectralPretrainer(embed_dim=32, depth=1, max_epochs=0)
    pretrainer.fit(rng.standard_normal((100, 2048)))
    X = np.empty((n_rows, 2048))
    for row in X:  # row by row, so that drawing them is not the peak
        rng.standard_normal(out=row)
    with suppress(OSError):  # forget what was the peak until here, where Linux can
        Path("/proc/self/clear_refs").write_text("5")
    embedding = pretrainer.transform(X)
    return simulators.peak_memory() * 2**20 / 1e6 - (X.nbytes + embedding.nbytes) / 1e6


def transform_memory(args):
    """Embed 8,000 spectra, against the memory of 1,000."""
    few, many = (in_process(transform_peak, n_rows) for n_rows in (1000, 8000))
    note = f"process beyond arrays: {few:.0f} MB at 1,000 rows, {many:.0f} at 8,000"
    return Measured([many - few], note=note, unit="MB")


def predict_milliseconds(n_channels):
    """Return how long each of 200 predictions of one spectrum takes, in ms."""
    data = make_nir_mixtures(40, n_channels, random_state=0)
    pretrainer = MaskedSpectralPretrainer(max_epochs=1, random_state=0)
    model = SpectralRegressor(pretrainer, max_epochs=1, random_state=0)
    model.fit(data.data, data.target)
    timed = partial(seconds, partial(model.predict, data.data[:1]))
    return [1e3 * timed() for _ in range(220)][20:]


def predict_row(n_channels, args):
    """Predict one spectrum."""
    # Threads that spin while another process holds their core take a hundred times as
    # long, and say nothing about the package.
    waiting = in_process(predict_milliseconds, n_channels, OMP_WAIT_POLICY="PASSIVE")
    one = in_process(predict_milliseconds, n_channels, OMP_NUM_THREADS="1")
    note = f"one thread; all threads, passive {median(waiting):.2f} ms"
    return Measured(one, note=note, unit="ms")


def grid(args):
    """Search a grid of 8 fits in two processes, against one."""
    data = make_nir_mixtures(400, 200, random_state=0)
    pretrainer = MaskedSpectralPretrainer(max_epochs=10, random_state=0)
    model = SpectralRegressor(pretrainer, max_epochs=10, random_state=0)
    split = ShuffleSplit(2, test_size=0.25, random_state=0)
    found = {}

    def search(n_jobs):
        values = {"lr": [1e-4, 2e-4, 5e-4, 1e-3]}
        searched = GridSearchCV(model, values, cv=split, n_jobs=n_jobs, refit=False)
        searched.fit(data.data, data.target)
        found[n_jobs] = searched.cv_results_["mean_test_score"]

    # Two workers and one thread each; the first turn starts and warms them up.
    pinned = patch.dict(os.environ, dict.fromkeys(OMP[:2], "1"))
    with torch_threads(1), threadpool_limits(1), pinned:
        timed = (partial(seconds, partial(search, n_jobs)) for n_jobs in (2, 1))
        runs = in_turns(min(args.runs, 5), *timed)
    difference = np.abs(found[2] - found[1]).max()
    assert difference < 0.01, difference  # of R²; bfloat16 magnifies a last digit
    note = f"{median(runs[1]) / 8:.1f} s a fit; scores differ by {difference:.0e}"
    return Measured(*runs, note)


def run_python(code):
    """Run code in a fresh interpreter."""
    subprocess.run([sys.executable, "-c", code], check=True)


def import_ours(args):
    """Import the package and its estimators, against what they are built on."""
    ours = "from skspectra import MaskedSpectralPretrainer, SpectralRegressor"
    codes = (
        f"import skspectra; {ours}, InstanceNormalizer",
        "import torch, sklearn, skorch",
    )
    timed = (partial(seconds, partial(run_python, code)) for code in codes)
    return Measured(*in_turns(max(7, args.runs), *timed))


def import_alone(args):
    """Import the bare package."""
    timed = partial(seconds, partial(run_python, "import skspectra"))
    (runs,) = in_turns(max(7, args.runs), timed)
    return Measured(runs, unit="s")


def simulator(simulate, args):
    """Simulate 50,000 spectra of 2048 channels."""
    runs = [
        in_process(simulators.measured, simulate, 50_000, 2048)
        for _ in range(min(args.runs, 5))
    ]
    note = f"process at most {runs[0][2]:.0f} MiB, spectra {runs[0][1]:.0f} MiB"
    return Measured([run[0] for run in runs], note=note, unit="s")
