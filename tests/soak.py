"""Does a long-lived process stay as it was? Fit and predict very often, and see.

``python tests/soak.py`` makes 300 fits and 20,000 predictions of single spectra in one
process, after a fifth as many to warm up, and prints one line. Pretrainers leave
checkpoints and go on from them; each model is pickled, saved and loaded. It fails where
memory grew by 5 % or more, or where a thread, an open file or a tensor was left behind.
"""

import argparse
import gc
import os
import pickle
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.base import clone

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    PLSRegressionCV,
    SpectralClassifier,
    SpectralRegressor,
    SpectralStackingRegressor,
    load_model,
    save_model,
)
from skspectra.datasets import make_nir_mixtures
from skspectra.exceptions import FewLabelsWarning

WARM_UP = 0.2  # as part of the counted fits and predictions
MOST_GROWTH = 0.05


class State(NamedTuple):
    """What must not grow."""

    memory: int  # bytes that lie in memory
    threads: int
    files: int
    tensors: int  # that the garbage collector knows, and that hold numbers


def state():
    """Count what the process holds, garbage collected.

    Without /proc the memory is the largest so far, and open files are those of
    /dev/fd, or not counted.
    """
    gc.collect()
    objects = gc.get_objects()
    tensors = [each for each in objects if issubclass(type(each), torch.Tensor)]
    tensors = sum(not each.is_meta for each in tensors)
    own = Path("/proc/self")
    if (own / "statm").exists():
        pages = int((own / "statm").read_text().split()[1])
        memory = pages * os.sysconf("SC_PAGE_SIZE")
        return State(memory, count(own / "task"), count(own / "fd"), tensors)
    import resource  # not there on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    files = count(Path("/dev/fd")) if Path("/dev/fd").exists() else 0
    return State(memory, threading.active_count(), files, tensors)


def count(folder):
    return len(os.listdir(folder))


def estimators():
    """Return tiny ones of every kind, each with the method that predicts."""
    pretrainer = MaskedSpectralPretrainer(
        patch_size=8,
        embed_dim=8,
        depth=1,
        n_heads=2,
        decoder_dim=8,
        decoder_n_heads=2,
        max_epochs=2,
        random_state=0,
    )
    guided = clone(pretrainer).set_params(masking="self_guided", precision="bfloat16")
    resonant = clone(pretrainer).set_params(encoder="state_space")
    few = {"max_epochs": 2, "random_state": 0}
    return [
        (pretrainer, "transform"),
        (guided, "score_samples"),
        (resonant, "transform"),
        (SpectralRegressor(pretrainer, **few), "predict"),
        (SpectralRegressor(resonant, early_stopping=True, **few), "predict"),
        (SpectralRegressor(pretrainer, strategy="probe"), "predict"),
        (SpectralClassifier(pretrainer, **few), "predict_proba"),
        (SpectralStackingRegressor(cv=2, random_state=0), "predict"),
        (SpectralStackingRegressor(pretrainer, cv=2, random_state=0), "predict"),
        (PLSRegressionCV(max_components=4, cv=2), "predict"),
        (InstanceNormalizer("robust"), "transform"),
    ]


def work(n_fits, n_predictions):
    """Fit one kind after the other, keep it, and predict single spectra with it."""
    spectra = make_nir_mixtures(n_samples=40, n_channels=64, random_state=0)
    X, y = spectra.data, spectra.target
    kinds = estimators()
    for i in range(n_fits):
        estimator, method = kinds[i % len(kinds)]
        predict = getattr(kept(fitted(estimator, X, y)), method)
        for k in range(n_predictions * i // n_fits, n_predictions * (i + 1) // n_fits):
            predict(X[k % len(X), None])


def fitted(estimator, X, y):
    """Return a fitted clone; a pretrainer goes on from the checkpoint of its end."""
    if isinstance(estimator, SpectralClassifier):
        return clone(estimator).fit(X, y > np.median(y))
    if not isinstance(estimator, MaskedSpectralPretrainer):
        return clone(estimator).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        model = clone(estimator).set_params(checkpoint_dir=folder)
        return model.fit(X).fit(X)


def kept(model):
    """Return a model as it comes out of a pickle and out of a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_model(pickle.loads(pickle.dumps(model)), path)
        return load_model(path)


def soak(n_fits, n_predictions):
    """Return the state after the warm-up and that at the end."""
    work(round(WARM_UP * n_fits), round(WARM_UP * n_predictions))
    before = state()
    work(n_fits, n_predictions)
    return before, state()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fits", type=int, default=300)
    parser.add_argument("--predictions", type=int, default=20_000)
    numbers = parser.parse_args(arguments)
    warnings.simplefilter("ignore", FewLabelsWarning)
    start = time.perf_counter()
    before, after = soak(numbers.fits, numbers.predictions)
    growth = after.memory / before.memory - 1
    print(
        f"{numbers.fits} fits and {numbers.predictions} predictions "
        f"in {time.perf_counter() - start:.0f} s: "
        f"memory {before.memory / 1e6:.1f} to {after.memory / 1e6:.1f} MB "
        f"({growth:+.1%}), threads {before.threads} to {after.threads}, "
        f"open files {before.files} to {after.files}, "
        f"tensors {before.tensors} to {after.tensors}"
    )
    return growth >= MOST_GROWTH or any(np.greater(after[1:], before[1:]))


if __name__ == "__main__":
    sys.exit(main())
