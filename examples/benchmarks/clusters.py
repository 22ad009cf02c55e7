"""What it costs to have the fits of a grid run by dask, against joblib's own way.

Everything is on one machine, so that only the cost of the way differs: two processes
of one thread each. In three rounds each way is started, runs a grid of networks that
take half a second or more each, and one of ridge regressions that take milliseconds;
medians are written to docs/speed/clusters.csv. Five minutes of two cores::

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python examples/benchmarks/clusters.py
"""

import contextlib
import os
import time
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import psutil
from distributed import Client, LocalCluster
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from skspectra import MaskedSpectralPretrainer, SpectralRegressor
from skspectra.datasets import make_nir_mixtures

OUTPUT = Path(__file__).parents[2] / "docs" / "speed" / "clusters.csv"
N_ROUNDS, N_LONG, N_SHORT, PAUSE = 3, 12, 120, 0.5


@contextlib.contextmanager
def one_process():
    """No workers at all."""
    with parallel_config("sequential"):
        yield


@contextlib.contextmanager
def loky():
    """Processes that joblib starts by itself where n_jobs is above 1."""
    with parallel_config("loky", n_jobs=2):
        yield
    get_reusable_executor().shutdown(wait=True)


@contextlib.contextmanager
def dask_as_it_is():
    """A cluster of two worker processes on this machine."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as here,
        Client(here),
        parallel_config("dask"),
    ):
        yield
    # Workers are told by the environment of this process, which stays as it was made.
    del os.environ["MALLOC_TRIM_THRESHOLD_"]


@contextlib.contextmanager
def dask_without_trimming():
    """The same, and workers keep freed memory as other processes do."""
    trimming = "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_"
    with (
        dask.config.set({trimming: None}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as here,
        Client(here),
        parallel_config("dask"),
    ):
        yield


WAYS = {
    "one process": one_process,
    "loky, n_jobs=2": loky,
    "dask, as it is": dask_as_it_is,
    "dask, trimming off": dask_without_trimming,
}


def network(max_epochs):
    """Return a pretrained network with a probe."""
    pretrainer = MaskedSpectralPretrainer(
        patch_size=25, max_epochs=max_epochs, random_state=0
    )
    return SpectralRegressor(pretrainer, strategy="probe", random_state=0)


def resident(pause):
    """Import what fits need, and return the megabytes that this process holds."""
    network(max_epochs=1).fit(np.eye(20), np.arange(20.0))
    time.sleep(pause)  # so that the other worker gets the other call
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def processor():
    """Return the seconds of processor that this process and all below it have had."""
    me = psutil.Process()
    total = sum(me.cpu_times()[:4])
    for process in me.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # with what it has seen ending
    return total


def seconds(function, *args):
    """Return how long a call takes, by the clock and of processors."""
    start, before = time.perf_counter(), processor()
    function(*args)
    return np.array([time.perf_counter() - start, processor() - before])


def on_both(pause):
    """Run `resident` on each worker; return the larger of the two."""
    return max(Parallel()(delayed(resident)(pause) for _ in range(2)))


def measure(way, long, short, X, y):
    """Return the figures of one way, started for this."""
    start = time.perf_counter()
    with way():
        on_both(PAUSE)
        ready = time.perf_counter() - start - PAUSE
        networks = seconds(long.fit, X, y)
        ridges = seconds(short.fit, X, y) / N_SHORT * 1000
        return {
            "start, s": ready,
            "networks, s": networks[0],
            "processor, s": networks[1],
            "a ridge, ms": ridges[0],
            "a worker, MB": on_both(PAUSE),
        }


def main():
    """Measure all ways by turns."""
    mixtures = make_nir_mixtures(n_samples=300, n_channels=500, random_state=0)
    X, y = mixtures.data, mixtures.target
    ratios = {"pretrainer__mask_ratio": np.linspace(0.3, 0.6, N_LONG // 3)}
    long = GridSearchCV(network(max_epochs=4), ratios, cv=3, refit=False)
    alphas = {"alpha": np.logspace(-3, 3, N_SHORT // 3)}
    short = GridSearchCV(Ridge(), alphas, cv=3, refit=False)
    found = []
    for _ in range(N_ROUNDS):
        for name, way in WAYS.items():
            found.append({"way": name} | measure(way, long, short, X, y))
            print(found[-1], flush=True)
    table = pd.DataFrame(found)
    rounds = table.groupby("way").cumcount()
    times = table.pivot_table(index=rounds, columns="way", values="networks, s")
    ratio = times.div(times["loky, n_jobs=2"], axis=0).median()
    table = table.groupby("way", sort=False).median().round(1)
    table.insert(2, "of loky's", ratio.round(2))
    table["a worker, MB"] = table["a worker, MB"].round(-1).astype(int)
    print(table)
    table.to_csv(OUTPUT)


if __name__ == "__main__":
    main()
