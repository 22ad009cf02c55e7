"""
What checkpoints cost
=====================

The same pretraining with and without ``checkpoint_dir``, a checkpoint each epoch, on
simulated spectra of three amounts. Pairs are interleaved, so that a machine that slows
down slows both, and medians are reported. Set ``OMP_NUM_THREADS=1`` to compare the work
and not the threads.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import pandas as pd

from skspectra import MaskedSpectralPretrainer
from skspectra.datasets import make_nir_mixtures

SIZES = {"small": (200, 100, 20), "middle": (1000, 400, 5), "large": (4000, 1000, 2)}


def seconds(X, max_epochs, folder):
    """Return how long a fit takes, and the size of its checkpoint in MB."""
    model = MaskedSpectralPretrainer(
        max_epochs=max_epochs, checkpoint_dir=folder, random_state=0
    )
    start = perf_counter()
    model.fit(X)
    took = perf_counter() - start
    if folder is None:
        return took, 0.0
    return took, max(p.stat().st_size for p in Path(folder).glob("*.checkpoint")) / 1e6


def measure(n_samples, n_channels, max_epochs, n_pairs):
    X = make_nir_mixtures(n_samples, n_channels=n_channels, random_state=0).data
    plain, kept = [], []
    for _ in range(n_pairs):
        plain.append(seconds(X, max_epochs, None)[0])
        with tempfile.TemporaryDirectory() as folder:
            took, size = seconds(X, max_epochs, folder)
        kept.append(took)
    epoch = median(plain) / max_epochs
    return {
        "epoch (ms)": 1e3 * epoch,
        "checkpoint (ms)": 1e3 * (median(kept) / max_epochs - epoch),
        "size (MB)": size,
        "ratio": median(b / a for a, b in zip(plain, kept, strict=True)),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--pairs", type=int, default=5)
    n_pairs = parser.parse_args().pairs
    seconds(make_nir_mixtures(50, n_channels=50, random_state=0).data, 1, None)
    rows = {name: measure(*size, n_pairs) for name, size in SIZES.items()}
    print(pd.DataFrame(rows).T.round(2).to_string())
