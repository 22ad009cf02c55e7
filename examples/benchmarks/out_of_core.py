"""Pretraining on corpora that are read by rows: memory, speed, and how well they mix.

``memory`` pretrains for an epoch on memory maps in a process of its own, one of zeros
that takes no room on the disk (a sparse file) and one of random walks. ``speed`` times
epochs of the default network on one table in several stores, in turns, and reading
alone. ``shuffle`` looks at the batches of a corpus that lies sorted, and at what the
order does to a small pretraining. Writes docs/speed/corpora_*.csv; half an hour of two
cores and 23 GB of disk at most::

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python examples/benchmarks/out_of_core.py
"""

import argparse
import contextlib
import resource
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from time import perf_counter, process_time
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from skorch.callbacks import Callback

from skspectra import MaskedSpectralPretrainer
from skspectra import _row_blocks as row_blocks
from skspectra._corpus import Corpus, is_corpus
from skspectra._pretraining import training_rows
from skspectra._row_blocks import RowBlocks
from skspectra._survey import survey
from skspectra.datasets import make_nir_mixtures

OUTPUT = Path(__file__).parents[2] / "docs" / "speed"
SMALLEST = {
    "patch_size": 512,
    "embed_dim": 8,
    "depth": 1,
    "n_heads": 2,
    "decoder_dim": 8,
    "decoder_n_heads": 2,
    "max_epochs": 1,
    "batch_size": 1024,
    "random_state": 0,
}


class Clock(Callback):
    """When epochs began and ended."""

    def on_epoch_begin(self, net, **kwargs):
        self.began = process_time(), perf_counter()

    def on_epoch_end(self, net, **kwargs):
        self.processor = process_time() - self.began[0]
        self.seconds = perf_counter() - self.began[1]


# Memory


def resident():
    """Return what this process holds in MiB: in all, of its own, and of files."""
    status = Path("/proc/self/status").read_text()
    words = dict(line.split(":") for line in status.splitlines())
    return np.array(
        [int(words[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon", "RssFile")]
    )


def random_walks(path, n_samples, n_channels):
    """Write spectra, a part at a time."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, n_samples, 4096):
            n_rows = min(4096, n_samples - start)
            steps = rng.standard_normal((n_rows, n_channels), dtype=np.float32)
            file.write(steps.cumsum(axis=1).data)


def measure_memory(kind, path, n_samples, n_channels):
    """Print what a pretraining on a map took, in a fresh process."""
    before, most, done = resident(), np.zeros(3), threading.Event()

    def watch():
        while not done.wait(0.02):
            most[:] = np.maximum(most, resident())

    X = np.memmap(path, np.float32, "r", shape=(n_samples, n_channels))
    watcher, clock = threading.Thread(target=watch), Clock()
    watcher.start()
    start = perf_counter()
    MaskedSpectralPretrainer(**SMALLEST, callbacks=[clock]).fit(X)
    seconds = perf_counter() - start
    done.set()
    watcher.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    gigabytes = X.size * 4 / 1e9
    figures = [gigabytes, *before, *most, peak, seconds - clock.seconds, clock.seconds]
    print(kind, n_samples, *figures)


def memory(quick):
    """Measure both maps, each in a process of its own."""
    n_channels = 2048
    sizes = {"zeros": 100_000, "random walks": 50_000}
    if not quick:
        sizes = {"zeros": 2_441_407, "random walks": 244_141}
    table = []
    for kind, n_samples in sizes.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "X.raw"
            if kind == "zeros":
                with path.open("wb") as file:
                    file.truncate(n_samples * n_channels * 4)
            else:
                random_walks(path, n_samples, n_channels)
            given = [kind.split()[-1], str(path), str(n_samples), str(n_channels)]
            done = subprocess.run(
                [sys.executable, __file__, "--measure", *given],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
        _, n_samples, *figures = done.stdout.split()
        table.append([kind, int(n_samples), *map(float, figures)])
        print(table[-1], flush=True)
    told = ("resident", "its own", "of files")
    columns = ["values", "spectra", "file, GB", *(f"{what} before" for what in told)]
    columns += [*(f"{what} at most" for what in told), "resident ever"]
    columns += ["survey, s", "epoch, s"]
    table = pd.DataFrame(table, columns=columns).round()
    return table.drop(columns=["its own before", "of files before", "resident ever"])


# Speed


def stores(X, folder):
    """Return a table in all stores, by name."""
    import dask.array
    import datasets
    import h5py
    import zarr

    np.save(folder / "X.npy", X)
    chunks = (256, X.shape[1])
    shape = {"shape": X.shape, "dtype": X.dtype, "chunks": chunks}
    for name, compressors in (("X", "auto"), ("raw", None)):
        path = folder / f"{name}.zarr"
        zarr.create_array(path, compressors=compressors, **shape)[:] = X
    with h5py.File(folder / "X.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=chunks)
        file.create_dataset("gzip", data=X, chunks=chunks, compression="gzip")
    names = [f"{channel}" for channel in range(X.shape[1])]
    pd.DataFrame(X, columns=names).to_parquet(folder / "X.parquet")
    cache = {"cache_dir": str(folder / "cache")}
    columns = datasets.Dataset.from_parquet(str(folder / "X.parquet"), **cache)
    of_lists = pd.DataFrame({"spectrum": list(X)})
    of_lists.to_parquet(folder / "lists.parquet")
    lists = datasets.Dataset.from_parquet(str(folder / "lists.parquet"), **cache)
    return {
        "in memory": X,
        "memory map": np.load(folder / "X.npy", mmap_mode="r"),
        "zarr, uncompressed": zarr.open_array(folder / "raw.zarr", mode="r"),
        "zarr": zarr.open_array(folder / "X.zarr", mode="r"),
        "dask of zarr": dask.array.from_zarr(folder / "X.zarr"),
        "h5py": h5py.File(folder / "X.h5")["X"],
        "h5py, gzip": h5py.File(folder / "X.h5")["gzip"],
        "datasets, a column a channel": columns,
        "datasets, one of lists": lists,
    }


def time_epoch(X, **options):
    """Return the seconds of an epoch, of processor and of clock, and of the survey."""
    clock = Clock()
    options = {"max_epochs": 1, "random_state": 0} | options
    start = process_time()
    MaskedSpectralPretrainer(callbacks=[clock], **options).fit(X)
    return clock.processor, clock.seconds, process_time() - start - clock.processor


def time_reading(X):
    """Return the seconds of an epoch without a network, of processor and of clock."""
    X = Corpus(X) if is_corpus(X) else X
    rows = training_rows(X, survey(X[:512], 16), 16).to(torch.device("cpu"))
    started, start = process_time(), perf_counter()
    for _ in rows.batches(rows.draw(), 0, 128, slice(None)):
        pass
    return process_time() - started, perf_counter() - start


def speed(quick):
    """Time epochs from two stores, and reading from all, in turns."""
    n_samples, n_turns = (17_000, 1) if quick else (20_000, 3)
    smaller = SMALLEST if quick else {}
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, 1000), dtype=np.float32).cumsum(axis=1)
    epochs, read = [], []
    with tempfile.TemporaryDirectory() as folder:
        table = stores(X, Path(folder))
        for _ in range(n_turns):
            for name, stored in table.items():
                read.append((name, *time_reading(stored)))
                print(read[-1], flush=True)
            for name in ("in memory", "zarr"):
                epochs.append((name, *time_epoch(table[name], **smaller)))
                print(epochs[-1], flush=True)
    columns = ["store", "epoch", "epoch by the clock", "survey"]
    epochs = pd.DataFrame(epochs, columns=columns).set_index("store")
    print((epochs.loc["zarr"] / epochs.loc["in memory"].to_numpy()).describe())
    step = epochs.epoch["in memory"].median() / n_samples
    columns = ["store", "processor", "clock"]
    read = pd.DataFrame(read, columns=columns).groupby("store", sort=False).median()
    rows = [
        [
            name,
            round(n_samples / clock),
            1e6 * used / n_samples,
            used / n_samples / step,
        ]
        for name, used, clock in read.itertuples()
    ]
    columns = ["store", "spectra/s", "processor, µs a spectrum", "of a training step"]
    return epochs.reset_index().round(2), pd.DataFrame(rows, columns=columns).round(4)


# Shuffle


def mix(n_samples, n_channels, n_groups, batch_size=128):
    """Return how batches of a corpus sorted by group mix blocks and groups.

    Where a group has a share of 1/n_groups of the corpus, its share in a batch varies
    by chance. Returned is how much more it varies than if rows were permuted whole.
    """
    blocks = RowBlocks(n_samples, n_channels)
    group_of = np.arange(n_samples) * n_groups // n_samples

    def varies(order):
        whole = order[: len(order) // batch_size * batch_size].reshape(-1, batch_size)
        counts = [np.bincount(group_of[rows], minlength=n_groups) for rows in whole]
        return np.var(counts, axis=0).mean(), whole

    variance, batches = varies(np.concatenate(list(blocks.mixtures(0))))
    chance, permuted = varies(np.random.default_rng(0).permutation(n_samples))
    distinct = [
        np.median([len(np.unique(rows // blocks.n_in_block)) for rows in each])
        for each in (batches, permuted)
    ]
    return [n_samples, n_groups, *distinct, variance / chance]


@contextlib.contextmanager
def shuffled(how, n_channels):
    """Have small tables shuffled as large ones: 64 blocks of 8 rows at a time."""

    def permuted(self, seed, n_done=0):
        yield np.random.default_rng(seed).permutation(self.n_samples)[n_done:]

    def within(self, seed, n_done=0):
        rows = np.arange(self.n_samples)
        for at in self.slices():
            np.random.default_rng([seed, at.start]).shuffle(rows[at])
        yield rows[n_done:]

    mixtures = {"permuted": permuted, "not mixed": within}
    with contextlib.ExitStack() as stack:
        constants = {"_IN_BLOCK": 8 * n_channels, "_MIXED": 64 * 8 * n_channels}
        for name, value in constants.items():
            stack.enter_context(patch.object(row_blocks, name, value))
        if how in mixtures:
            stack.enter_context(patch.object(RowBlocks, "mixtures", mixtures[how]))
        yield


def effect(seed, quick):
    """Return the scores on other spectra after three ways of shuffling."""
    n_samples, n_channels = (1024, 50) if quick else (4096, 100)
    made = make_nir_mixtures(n_samples + 1000, n_channels, random_state=seed)
    pool, tests = made.data[:n_samples], made.data[n_samples:]
    pool = pool[np.argsort(made.target[:n_samples])]
    scores = []
    for how in ("permuted", "blocks", "not mixed"):
        model = MaskedSpectralPretrainer(
            patch_size=5,
            embed_dim=16,
            depth=1,
            n_heads=2,
            decoder_dim=16,
            decoder_n_heads=2,
            max_epochs=4 if quick else 20,
            batch_size=32,
            random_state=seed,
        )
        with shuffled(how, n_channels):
            scores.append(model.fit(pool).score(tests))
    print(seed, scores, flush=True)
    return scores


def shuffle(quick):
    """Look at the batches, and at what they do."""
    sizes = [(100_000, 1000, 10)] if quick else [(1_000_000, 1000, 10)]
    sizes += [] if quick else [(1_000_000, 1000, 100), (1_000_000, 1000, 1000)]
    columns = ["spectra", "groups", "blocks in a batch", "permuted", "variance ratio"]
    mixed = pd.DataFrame([mix(*size) for size in sizes], columns=columns)
    scores = np.array([effect(seed, quick) for seed in range(3 if quick else 10)])
    away = scores[:, 1:] - scores[:, :1]
    error = away.std(axis=0, ddof=1) / len(away) ** 0.5
    rows = [["permuted whole", scores[:, 0].mean(), 0, 0]]
    for number, name in enumerate(["blocks, 64 mixed", "not mixed"]):
        average = scores[:, number + 1].mean()
        rows.append([name, average, away[:, number].mean(), error[number]])
    columns = ["order", "R² of hidden channels", "difference", "its standard error"]
    return mixed.round(2), pd.DataFrame(rows, columns=columns).round(4)


def main():
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["memory", "speed", "shuffle"])
    parser.add_argument("--quick", action="store_true", help="small, nothing written")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.measure:
        kind, path, *shape = given.measure
        measure_memory(kind, path, *map(int, shape))
        return
    made = {}
    for what in given.what:
        if what == "memory":
            made["memory"] = memory(given.quick)
        if what == "speed":
            made["epochs"], made["reading"] = speed(given.quick)
        if what == "shuffle":
            made["mixing"], made["order"] = shuffle(given.quick)
    for name, table in made.items():
        print(table.to_string())
        if not given.quick:
            table.to_csv(OUTPUT / f"corpora_{name}.csv", index=False)


if __name__ == "__main__":
    main()
