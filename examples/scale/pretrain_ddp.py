"""
Pretraining on several devices
==============================

Start it by a launcher, on as many processes as there are GPUs::

    accelerate launch --multi_gpu --num_processes 8 --mixed_precision bf16 \\
        examples/scale/pretrain_ddp.py --spectra pool.npy --checkpoints training

or by ``torchrun --standalone --nproc-per-node 8``, which does without GPUs as well, or
alone, by ``python``. Without ``--spectra`` it makes some up, in a file that is read as
it is needed. If a process dies the same line goes on where the training was. "Many
devices" in the guide has lines for SLURM and Kubernetes.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

from skspectra import MaskedSpectralPretrainer, save_model
from skspectra.datasets import make_nir_mixtures

# Which process this is, of all and of those of its machine; launchers say it.
RANK = int(os.environ.get("RANK", 0))
LOCAL_RANK = int(os.environ.get("LOCAL_RANK", 0))


def make_up(path, n_spectra, n_channels=200):
    """Write simulated spectra in the first process of a machine; the others wait."""
    while LOCAL_RANK > 0 and not path.exists():
        time.sleep(0.1)
    if path.exists():
        return
    unfinished = path.with_suffix(".part")
    spectra = np.lib.format.open_memmap(
        unfinished, "w+", np.float32, (n_spectra, n_channels)
    )
    for first in range(0, n_spectra, 1000):
        rows = spectra[first : first + 1000]
        rows[:] = make_nir_mixtures(len(rows), n_channels, random_state=first).data
    spectra.flush()
    unfinished.replace(path)


def opened(path):
    """Return spectra in a file, of which nothing is read yet."""
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r")
    import zarr

    return zarr.open_array(path, mode="r")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--spectra", type=Path, help=".npy or zarr, one row a spectrum")
    parser.add_argument("--made-up", type=int, default=20_000, help="without --spectra")
    parser.add_argument("--checkpoints", type=Path, default=Path("training"))
    parser.add_argument("--model", type=Path, default=Path("pool.safetensors"))
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=128, help="of each process")
    args = parser.parse_args()

    args.checkpoints.mkdir(parents=True, exist_ok=True)
    if args.spectra is None:
        args.spectra = args.checkpoints / f"made-up-{args.made_up}.npy"
        make_up(args.spectra, args.made_up)
    pretrainer = MaskedSpectralPretrainer(
        max_epochs=args.epochs,
        batch_size=args.batch_size,
        checkpoint_dir=args.checkpoints,
        random_state=0,
        verbose=1,
    )
    # Every process calls fit, and every one has the model afterwards.
    pretrainer.fit(opened(args.spectra))
    if RANK == 0:
        save_model(pretrainer, args.model, overwrite=True)
        print(f"{args.model}: loss {pretrainer.loss_curve_[-1]:.3g}")


if __name__ == "__main__":
    main()
