"""How much memory fitting and predicting take, beside the table of spectra.

Each row runs in a process of its own, which says how much larger than before it became
at most, and how many seconds of processor it took. Spectra are random walks of 1,000
channels. Writes docs/speed/memory.csv; five minutes of one core::

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python examples/benchmarks/memory.py
"""

import argparse
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from skspectra import (
    MaskedSpectralPretrainer,
    SpectralRegressor,
    SpectralStackingRegressor,
)

OUTPUT = Path(__file__).parents[2] / "docs" / "speed" / "memory.csv"
N_CHANNELS = 1000
ROWS = [
    ("pretraining, one epoch", (2_000, 10_000, 40_000)),
    ("transform", (10_000,)),
    ("predict", (10_000,)),
    ("probe", (500, 2_000)),
    ("fine-tuning, one epoch", (2_000,)),
    ("stack", (500, 1_000, 2_000)),
]


def resident():
    """Return the memory that this process holds, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def task(name, X, y):
    """Return what is to be measured, everything before it done."""
    untrained = MaskedSpectralPretrainer(max_epochs=0, random_state=0)
    probe = SpectralRegressor(untrained, strategy="probe", random_state=0)
    if name == "pretraining, one epoch":
        model = MaskedSpectralPretrainer(max_epochs=1, random_state=0)
        return lambda: model.fit(X)
    if name == "transform":
        untrained.fit(X[:256])
        return lambda: untrained.transform(X)
    if name == "predict":
        probe.fit(X[:256], y[:256])
        return lambda: probe.predict(X)
    if name == "probe":
        return lambda: probe.fit(X, y)
    if name == "stack":
        return lambda: SpectralStackingRegressor(random_state=0).fit(X, y)
    tuned = SpectralRegressor(untrained, max_epochs=1, random_state=0)
    return lambda: tuned.fit(X, y)


def measure(name, n_samples):
    """Print the megabytes and the seconds of one row."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, N_CHANNELS)).cumsum(axis=1)
    y = X[:, 500] - X[:, 250] + rng.standard_normal(n_samples)
    run = task(name, X, y)
    before, most, done = resident(), 0.0, threading.Event()

    def watch():
        nonlocal most
        while not done.wait(0.005):
            most = max(most, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.process_time()
    run()
    seconds = time.process_time() - start
    done.set()
    watcher.join()
    print(X.nbytes / 2**20, most - before, seconds)


def main():
    """Measure all rows, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", nargs="*", help="name and number of spectra of one row")
    given = parser.parse_args().row
    if given:
        measure(given[0], int(given[1]))
        return
    table = []
    for name, sizes in ROWS:
        for size in sizes:
            command = [sys.executable, __file__, name, str(size)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            figures = [round(float(word)) for word in done.stdout.split()]
            table.append([name, size, *figures])
            print(table[-1], flush=True)
    columns = ["what", "spectra", "table, MB", "beside it, MB", "processor, s"]
    pd.DataFrame(table, columns=columns).to_csv(OUTPUT, index=False)


if __name__ == "__main__":
    main()
