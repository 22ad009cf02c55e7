"""What tests have several processes do: `torchrun tests/launched.py FOLDER`.

FOLDER has `jobs.json`, fits by name; each process leaves in it what came out of each.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import Callback

from skspectra import MaskedSpectralPretrainer, _net, _row_blocks

BATCH_SIZE = 16  # of all processes together
X = np.random.RandomState(0).randn(33, 30).cumsum(axis=1)  # the last batch is one row
GAPS = np.where(np.random.RandomState(1).rand(*X.shape) < 0.05, np.nan, X)


class Rows:
    """A table that is read by rows, and counts them."""

    shape = X.shape

    def __init__(self):
        self.n_read = 0

    def __getitem__(self, rows):
        self.n_read += len(X[rows])
        return X[rows]


DATA = {"X": X, "GAPS": GAPS, "POSITIVE": X - X.min()}


class Count(Callback):
    """Count what a training tells of, and take `pause` seconds a step."""

    def __init__(self, pause=0.0):
        self.pause, self.n_steps, self.n_epochs = pause, 0, 0
        self.arithmetic = None

    def on_batch_begin(self, net, **kwargs):
        if self.n_steps == 0:
            self.n_before = net.scheduler.last_epoch
            self.arithmetic = str(net.autocast)

    def on_batch_end(self, net, training, **kwargs):
        self.n_steps += 1
        # Each is a step that has been completed.
        assert net.scheduler.last_epoch == self.n_before + self.n_steps
        time.sleep(self.pause)

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs += 1


class Draw(Callback):
    """Take numbers from the generator that the training draws from."""

    def on_epoch_begin(self, net, **kwargs):
        torch.rand(3)

    on_train_begin = on_batch_begin = on_batch_end = on_epoch_end = on_epoch_begin


class Stop:
    """scikit-learn's kind of callback, which ends the training after an epoch."""

    max_propagation_depth = None

    def __init__(self, after):
        self.after, self.n_told = after, 0

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        torch.rand(3)
        self.n_told += 1
        return self.n_told == self.after


def small(**options):
    options = {"max_epochs": 4, "random_state": 0, "batch_size": BATCH_SIZE} | options
    return MaskedSpectralPretrainer(
        patch_size=4,  # the last patch is filled up
        embed_dim=8,
        depth=1,
        n_heads=2,
        decoder_dim=8,
        decoder_n_heads=2,
        **options,
    )


def weights(model):
    return {name: w.numpy() for name, w in model.module_.state_dict().items()}


def fit(job):
    """Fit as a job says; return what came of it in a form for JSON, and weights."""
    callbacks = [count := Count(job.get("pause", 0.0))]
    callbacks += [Draw()] if job.get("draws") else []
    model = small(callbacks=callbacks, **job.get("options", {}))
    stop = Stop(job.get("stop_after"))
    if stop.after and hasattr(model, "set_callbacks"):
        model.set_callbacks(stop)
    rows = Rows() if job.get("streamed") else DATA[job.get("data", "X")]
    if job.get("shards"):
        rows = rows[int(os.environ["RANK"]) : -1 : 2]
    try:
        model.fit(rows)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}, {}
    found = {
        "loss_curve": model.loss_curve_,
        "seed": model.provenance_.seed,
        "n_steps": count.n_steps,
        "n_epochs": count.n_epochs,
        "n_told": stop.n_told,
        "arithmetic": count.arithmetic,
        "n_read": getattr(rows, "n_read", None),
        "score": model.score(X),
    }
    return found, weights(model)


def main():
    _net._REST = 0  # every checkpoint that is asked for, however short the steps
    folder = Path(sys.argv[1])
    rank = os.environ.get("RANK", "0")
    (folder / f"pid-{rank}").write_text(str(os.getpid()))
    for name, job in json.loads((folder / "jobs.json").read_text()).items():
        usual = dict(os.environ), dict(vars(_row_blocks))
        os.environ |= job.get("env", {})
        vars(_row_blocks).update(job.get("row_blocks", {}))
        found, arrays = fit(job)
        np.savez(folder / f"{name}-{rank}.npz", **arrays)
        (folder / f"{name}-{rank}.json").write_text(json.dumps(found))
        os.environ.clear()
        os.environ |= usual[0]
        vars(_row_blocks).update(usual[1])


if __name__ == "__main__":
    main()
