"""
What training costs against the size of everything
==================================================

Time and memory of pretraining against the number of spectra, of patches (tokens), the
width of the network and the number of processes, and what ``transform`` takes. Every
point is a process of its own with one thread; points are measured in turns and medians
reported. Spectra are random walks in float32. Tables of more than 16.8 million numbers
are memory maps, so that what is measured there is a corpus that is read from a file.

Seconds are those of the processor, all threads of the process together, because other
work may run beside it; seconds of the clock stand beside them. The law ``seconds = a +
b n`` is fitted to the numbers of spectra that were measured. Without the largest it has
to foretell that one; what it says of more is extrapolated, and says so.

Writes the tables scaling*.csv and costs*.csv into docs/speed and draws scaling.png and
costs.png into docs/_static; ten minutes of one core. ``--quick`` sees in half a minute
that all works, ``--again`` makes the other tables and the drawings from the scaling.csv
of before. ``--spectra-per-second 5000 --network "256 wide"`` measures
nothing and says what corpora cost on a machine that trains on 5,000 spectra a second::

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python examples/benchmarks/scaling.py
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import scaling_chart as chart
import scaling_costs as costs
import torch
from skorch.callbacks import Callback

from skspectra import MaskedSpectralPretrainer
from skspectra._corpus import Corpus, blocks_of
from skspectra._pretraining import training_rows
from skspectra._survey import survey

DOCS = Path(__file__).parents[2] / "docs"
IN_MEMORY = 2**24  # numbers; larger tables are memory maps here
MARK = "MEASURED "  # begins the line of a process that was launched with others
SINGLE = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
PRECISIONS = ["float32", "bfloat16"]
KEY = ["against", "size", "precision", "n_spectra", "n_channels", "batch_size"]
QUICK = {"embed_dim": 16, "n_heads": 2, "depth": 1, "decoder_dim": 16}


def task(against, size, n_spectra, n_channels, most=9, **more):
    """Return what is measured, and in how many turns at most."""
    settings = more.pop("settings", {})
    named = {"against": against, "size": str(size), "n_spectra": n_spectra}
    named |= {"n_channels": n_channels, "most": most, "precisions": ["auto"]}
    return named | {"n_embedded": 0, "count": 1, "settings": settings} | more


def tasks(quick=False):
    """Yield all that is measured."""
    small = QUICK if quick else {}
    for n in (100, 200, 400, 800) if quick else (1000, 3000, 10_000, 30_000, 100_000):
        most = 1 if n > 30_000 else 2 if n > 10_000 else 9
        width = 100 if quick else 250  # 10^5 of 1,000 would take as long as all else
        yield task("n_spectra", n, n, width, most, settings=small)
    for n in (4, 8) if quick else (8, 16, 32, 64, 128, 256, 512):
        both = {"precisions": PRECISIONS, "settings": small}
        yield task("n_tokens", n, 384, 16 * n, **both, n_embedded=128)
    for width in (16, 32) if quick else (32, 64, 128, 256, 512):
        both = {"precisions": PRECISIONS, "settings": small | {"embed_dim": width}}
        yield task("embed_dim", width, 384, 1000, **both, n_embedded=128)
    for name, network in costs.NETWORKS.items():
        batch, n_channels = network.batch, 64 if quick else network.n_channels
        settings = (small or network.sizes) | {"batch_size": batch}
        whole = {"settings": settings, "n_embedded": 32}
        yield task("network", name, 3 * batch, n_channels, **whole)
    for count in (1, 2):  # the same steps, in one process or divided among two
        settings = small | {"batch_size": 128 // count}
        divided = {"settings": settings, "count": count}
        yield task("processes", count, 512 if quick else 3000, 1000, **divided)


def spectra(path, n_spectra, n_channels):
    """Return random walks, in memory or as a map of a file."""
    if n_spectra * n_channels <= IN_MEMORY:
        X = np.empty((n_spectra, n_channels), np.float32)
    else:
        X = np.lib.format.open_memmap(path, "w+", "f4", (n_spectra, n_channels))
    rng = np.random.default_rng(0)
    for start in range(0, n_spectra, 4096):
        rows = X[start : start + 4096]
        rng.standard_normal(rows.shape, np.float32).cumsum(axis=1, out=rows)
    if isinstance(X, np.memmap):
        X.flush()
        return np.load(path, mmap_mode="r")
    return X


def resident():
    """Return the memory that this process holds, all of it and without files, in MB."""
    path = Path("/proc/self/status")
    if not path.exists():
        return np.full(2, np.nan)
    lines = path.read_text().splitlines()
    kb = {line.split(":")[0]: line.split()[1] for line in lines if line.endswith("kB")}
    return np.array([int(kb["VmRSS"]), int(kb["RssAnon"])]) * 1024 / 1e6


class Watch:
    """Note how much memory a process takes at most, since its imports."""

    def __init__(self):
        self.before = resident()

    def __enter__(self):
        self.most, self.done = resident(), threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def _look(self):
        while not self.done.wait(0.01):
            self.most = np.maximum(self.most, resident())

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()
        growth = self.most - self.before
        self.growth = dict(zip(["rss_mb", "anonymous_mb"], growth, strict=True))


def now():
    """Return seconds of the processor and of the clock."""
    return np.array([time.process_time(), time.perf_counter()])


class Clock(Callback):
    """Note when a training begins, each step and the epoch end."""

    def on_train_begin(self, net, **kwargs):
        self.begin, self.steps = now(), []

    def on_batch_end(self, net, **kwargs):
        self.steps.append(now())

    def on_epoch_end(self, net, **kwargs):
        self.end = now()


def fit(task, X, precision):
    """Pretrain for one epoch and return what it took."""
    settings = {"batch_size": 128, "max_epochs": 1, "random_state": 0}
    settings |= task["settings"] | {"precision": precision}
    clock = Clock()
    model = MaskedSpectralPretrainer(callbacks=[clock], **settings)
    model.fit(np.array(X[: settings["batch_size"]]))  # warms up
    begin = now()
    model.fit(X)
    found = {"precision": precision, "batch_size": settings["batch_size"]}
    if not hasattr(clock, "begin"):  # the first process alone is told, and looks first
        return found | {"epoch_s": (now() - begin)[0]}
    before, epoch = clock.begin - begin, clock.end - clock.begin
    step = np.median(np.diff(clock.steps, axis=0), axis=0)
    found |= {"before_s": before[0], "epoch_s": epoch[0], "step_s": step[0]}
    found |= {"epoch_clock_s": epoch[1]}
    if n_embedded := task["n_embedded"]:
        model.transform(X[:16])
        begin = now()
        model.transform(X[:n_embedded])
        found["embedding_us"] = 1e6 * (now() - begin)[0] / n_embedded
    return found


def reading(X):
    """Return what it takes to read a corpus as a training does, without a network.

    The first pass, and then an epoch: blocks that are mixed, scaled and cut in batches.
    """
    corpus, begin = Corpus(X), now()
    seen = survey(corpus, 16)
    surveyed = now()
    rows = training_rows(corpus, seen, 16).to(torch.device("cpu"))
    rows.blocks = blocks_of(corpus)  # also of what is small and would be permuted
    n_read = sum(n for _, n in rows.batches(rows.draw(), 0, 128, slice(None)))
    processor, clock = 1e6 * (now() - surveyed) / n_read
    found = {"reading_us": processor, "reading_clock_us": clock}
    return found | {"first_pass_s": (surveyed - begin)[0]}


def measure(task):
    """Return what one point takes, in this process, a dict for each precision."""
    warnings.simplefilter("ignore")
    watch, found = Watch(), []
    with tempfile.TemporaryDirectory() as folder:
        X = spectra(Path(folder, "X.npy"), task["n_spectra"], task["n_channels"])
        for precision in task["precisions"]:
            with watch:
                found.append(fit(task, X, precision))
            found[-1] |= watch.growth
        if task["against"] == "n_spectra":
            found[-1] |= reading(X)
    return found


def launch(task):
    """Return what several processes take together, with seconds of them added up."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={task['count']}", __file__]
    command += ["--launched", json.dumps(task)]
    done = subprocess.run(
        command, env=os.environ | SINGLE, capture_output=True, text=True
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or len(lines) != task["count"]:
        raise RuntimeError(f"{task} failed: {done.stderr}")
    every = pd.DataFrame([json.loads(line.removeprefix(MARK)) for line in lines])
    first = every[every["step_s"].notna()].iloc[0].to_dict()
    return [first | every[["epoch_s", "rss_mb", "anonymous_mb"]].sum().to_dict()]


def run(n_turns, path, quick=False):
    """Measure all points in turns, the largest in fewer, and write their medians."""
    os.environ |= SINGLE
    rows = []
    # A process for each, forked off one that has imported all and done nothing.
    apart = multiprocessing.get_context("forkserver" if os.name != "nt" else "spawn")
    with ProcessPoolExecutor(1, mp_context=apart, max_tasks_per_child=1) as pool:
        for turn in range(n_turns):
            for each in tasks(quick):
                if turn >= each["most"]:
                    continue
                one = each["against"] != "processes"
                found = pool.submit(measure, each).result() if one else launch(each)
                names = ["against", "size", "n_spectra", "n_channels"]
                which = {"turn": turn} | {name: each[name] for name in names}
                rows += [which | row for row in found]
                said = {key: rows[-1][key] for key in ("turn", "against", "size")}
                print(*said.values(), f"{rows[-1]['epoch_s']:.3g} s", flush=True)
            # After each turn, so that a run that is cut off leaves those before.
            write(medians(pd.DataFrame(rows)), path)


def medians(turns):
    """Return a row for each point, with medians of its turns."""
    points = turns.groupby(KEY, sort=False)
    table = points.median(numeric_only=True).drop(columns="turn")
    table.insert(0, "turns", points.size())
    return table.reset_index()


def write(table, path):
    """Write a table with three digits, and print it."""
    shown = table.copy()
    for name in shown.select_dtypes("float"):
        shown[name] = [f"{v:.3g}" if np.isfinite(v) else "" for v in shown[name]]
        shown[name] = [f"{float(v):.10g}" if v else "" for v in shown[name]]
    shown.to_csv(path, index=False)
    print(f"\n{path.name}\n{shown.to_string(index=False)}")


def report(points, folder, figures):
    """Write and print what follows from the points, and draw it."""
    rates = costs.rates(points)
    write(costs.laws(points), folder / "scaling_law.csv")
    write(costs.powers(points), folder / "scaling_powers.csv")
    write(costs.processes(points), folder / "scaling_processes.csv")
    write(rates, folder / "costs_rates.csv")
    write(costs.costs(rates), folder / "costs.csv")
    law = costs.law_of(points, "epoch_s")
    chart.draw_growth(points, law, figures / "scaling.png")
    chart.draw_costs(rates, figures / "costs.png")


def arguments(argv=None):
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="tiny sizes, to see that all works")
    add("--turns", type=int, default=2, help="2 when left out")
    add("--again", action="store_true", help="measure nothing, take scaling.csv")
    add("--folder", type=Path, help="where to write, docs when left out")
    add("--spectra-per-second", type=float, help="that you measured")
    add("--network", choices=list(costs.NETWORKS), default="default")
    add("--launched", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.quick and args.folder is None:  # toys, and not for the documentation
        args.folder = Path(tempfile.mkdtemp(prefix="scaling-"))
    return args


def main(argv=None):
    """Measure, or say what corpora cost at a given throughput."""
    args = arguments(argv)
    if args.launched:
        for row in measure(json.loads(args.launched)):
            # In one piece, so that the lines of several processes do not mix.
            sys.stdout.write(f"{MARK}{json.dumps(row)}\n")
        return
    if args.spectra_per_second:
        own = costs.own_rate(args.network, args.spectra_per_second)
        print(costs.costs(own).to_string(index=False))
        return
    folder, figures = DOCS / "speed", DOCS / "_static"
    if args.folder:
        folder = figures = args.folder
    path = folder / "scaling.csv"
    if not args.again:
        run(1 if args.quick else args.turns, path, args.quick)
    report(pd.read_csv(path, dtype={"size": str}), folder, figures)


if __name__ == "__main__":
    main()
