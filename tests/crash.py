"""Kill trainings at random moments, and see what the next call makes of it.

    python tests/crash.py [--kills 25]

Each training is killed by SIGKILL, called again, killed again, until it ends; its
weights must then be those of a training that nobody disturbed, bit by bit. Before that,
trainings are killed at the moments in which a file is half written or just renamed, the
disk is full, Ctrl-C is pressed, and a second process wants the same folder. One line of
JSON says what came out. Children are forked before torch has computed anything, so that
torch is imported once.
"""

import argparse
import functools
import hashlib
import json
import os
import random
import resource
import signal
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch._dynamo
from torch import nn

from skspectra import MaskedSpectralPretrainer, _net
from skspectra._batches import HeldRows
from skspectra._training import train
from skspectra.exceptions import CheckpointError
from skspectra.nn import PredictionObjective, SpectralEncoder, SpectralPredictor

_net._REST = 0  # every checkpoint that is asked for, however short the steps
X = np.random.RandomState(0).randn(60, 32).cumsum(axis=1)


def weights_of(module):
    digest = hashlib.sha256()
    for name, weight in module.state_dict().items():
        digest.update(name.encode() + weight.numpy().tobytes())
    return digest.hexdigest()


def hashed(training, folder):
    return weights_of(training(folder))


def pretrain(folder, **options):
    options = {"max_epochs": 12, "checkpoint_every": 1} | options
    return MaskedSpectralPretrainer(
        patch_size=4,
        embed_dim=16,
        depth=1,
        decoder_dim=16,
        batch_size=16,
        checkpoint_dir=folder,
        random_state=0,
        **options,
    ).fit(X)


def fine_tune(folder, *, dropout=0.0, stop=False, every=1):
    """Train a predictor: with dropout, or stopping early."""
    x = X.astype(np.float32) / 3
    # Half of it can be learnt: it gets better for a while and then worse.
    y = x[:, :1] + np.random.RandomState(1).randn(len(x), 1).astype(np.float32) / 3

    def build(n_steps):
        encoder = SpectralEncoder(
            32,
            patch_size=4,
            embed_dim=16,
            depth=1,
            n_heads=2,
            positions="sine_cosine",
            hidden_tokens="drop",
        )
        encoder.trunk = nn.Sequential(encoder.trunk, nn.Dropout(dropout))
        predictor = SpectralPredictor(encoder, 1, "mean")
        return PredictionObjective(predictor, augmentation=0.3)

    return train(
        build,
        HeldRows(x[:40], y[:40]),
        seed=0,
        lr=3e-3,
        weight_decay=0.1,
        warmup=0.1,
        max_epochs=30,
        batch_size=16,
        validation=HeldRows(x[40:], y[40:]) if stop else None,
        n_iter_no_change=4,
        checkpoint_dir=folder,
        checkpoint_every=every,
        described={"dropout": dropout},
    ).module


TRAININGS = {
    "dropout": lambda folder: fine_tune(folder, dropout=0.3),
    "per-batch schedule": lambda folder: pretrain(folder).module_,
    "early stopping": lambda folder: fine_tune(folder, stop=True),
    "mid-epoch": lambda folder: (
        pretrain(
            folder, masking="self_guided", mask_ratio=(0.3, 0.7), checkpoint_every=0.25
        ).module_
    ),
}


def a_folder():
    """Return a new folder, in memory where possible: SIGKILL leaves that as it is."""
    memory = "/dev/shm"
    usable = os.path.isdir(memory) and os.access(memory, os.W_OK)
    return tempfile.TemporaryDirectory(dir=memory if usable else None)


def in_child(task):
    """Start a process that runs a task and writes what it returns or raises."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    os.close(reading)
    torch.set_num_threads(1)
    try:
        said = str(task())
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
        if isinstance(error, AssertionError):
            said += traceback.format_exc()
    os.write(writing, said.encode())
    os._exit(0)


def outcome(task, kill_after=None):
    """Run a task in a child; return what it said, or None if it was killed."""
    child, reading = in_child(task)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return said if os.waitstatus_to_exitcode(status) == 0 else None


def newest(folder):
    return max(Path(folder).glob("*.checkpoint"), default=None)


def await_checkpoint(folder):
    latest = time.monotonic() + 60
    while newest(folder) is None:
        assert time.monotonic() < latest, "no checkpoint within a minute"
        time.sleep(0.01)


def after_first_checkpoint(task, folder, number):
    """Signal to a task that has saved; return what it said, None if it was killed."""
    child, reading = in_child(task)
    await_checkpoint(folder)
    os.kill(child, number)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return said if os.waitstatus_to_exitcode(status) == 0 else None


def kill_at_random(kills, count):
    rng = random.Random(0)
    for name, training in TRAININGS.items():
        train_and_hash = functools.partial(hashed, training)
        undisturbed = outcome(functools.partial(hashed, training, None))
        with a_folder() as folder:
            start = time.perf_counter()
            said = outcome(functools.partial(train_and_hash, folder))
            seconds = time.perf_counter() - start
            assert said == undisturbed, (name, said)
        done = 0
        while done < kills:
            with a_folder() as folder:
                said = None
                while said is None:
                    wait = rng.uniform(0, seconds) if done < kills else None
                    said = outcome(functools.partial(train_and_hash, folder), wait)
                    done += said is None
                    count["kills in a save"] += any(Path(folder).glob("*.tmp"))
                assert said == undisturbed, (name, said)
                count[f"{name}: trainings equal"] += 1
        count[f"{name}: kills"] += done


def kill_in_a_save(count):
    """Die between write and rename, after the rename, and before the old one goes."""
    training = TRAININGS["mid-epoch"]
    undisturbed = outcome(lambda: weights_of(training(None)))
    replace, sync, unlink = os.replace, os.fsync, os.unlink
    n_calls = Counter()

    def dying(function, nth):
        def call(*args, **kwargs):
            n_calls[function] += 1
            if n_calls[function] == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    def run(folder, **mines):
        for name, mine in mines.items():
            setattr(os, name, mine)
        return weights_of(training(folder))

    for mine in (
        {"replace": dying(replace, 5)},
        {"fsync": dying(sync, 7)},  # of a file
        {"fsync": dying(sync, 8)},  # of the folder, after the rename
        {"unlink": dying(unlink, 3)},
    ):
        with a_folder() as folder:
            killed = outcome(functools.partial(run, folder, **mine))
            assert killed is None, mine
            assert newest(folder) is not None
            said = outcome(functools.partial(run, folder))
            assert said == undisturbed, (mine, said)
            assert not list(Path(folder).glob("*.tmp"))
            count["killed at a chosen moment: equal"] += 1


def fill_the_disk(count):
    with a_folder() as folder:
        training = TRAININGS["mid-epoch"]

        def run(limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            return weights_of(training(folder))

        after_first_checkpoint(lambda: training(folder), folder, signal.SIGKILL)
        before = newest(folder), newest(folder).read_bytes()
        said = outcome(lambda: run(5000))
        assert said.startswith("OSError") and folder in said, said
        assert (newest(folder), newest(folder).read_bytes()) == before
        assert not list(Path(folder).glob("*.tmp"))
        undisturbed = outcome(lambda: weights_of(training(None)))
        assert outcome(lambda: weights_of(training(folder))) == undisturbed
        count["full disk: refused by name, then equal"] += 1


def interrupt(count):
    with a_folder() as folder:

        def run():
            signal.signal(signal.SIGINT, signal.default_int_handler)
            model = MaskedSpectralPretrainer(
                patch_size=4, checkpoint_dir=folder, max_epochs=500, random_state=0
            )
            try:
                model.fit(X)
            except KeyboardInterrupt:
                return f"interrupted, fitted={hasattr(model, 'module_')}"

        said = after_first_checkpoint(run, folder, signal.SIGINT)
        assert said == "interrupted, fitted=False", said
        count["Ctrl-C: reached the caller"] += 1


def want_the_same_folder(count):
    with a_folder() as folder:
        child, reading = in_child(lambda: pretrain(folder, max_epochs=2000))
        await_checkpoint(folder)
        said = outcome(lambda: pretrain(folder, max_epochs=2000))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        assert said.startswith(CheckpointError.__name__), said
        assert "Another training uses" in said, said
        # The lock dies with its owner.
        said = outcome(lambda: pretrain(folder, max_epochs=2000), kill_after=1.5)
        assert said is None, said
        count["second process: refused"] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=25, help="of each training")
    kills = parser.parse_args().kills
    count = Counter()
    kill_in_a_save(count)
    fill_the_disk(count)
    interrupt(count)
    want_the_same_folder(count)
    kill_at_random(kills, count)
    print(json.dumps(count))


if __name__ == "__main__":
    main()
