"""
How long simulating spectra takes, and how much memory
======================================================

``make_xrf_cores`` and ``make_infrared`` draw spectra in blocks, so the memory they
need beside the spectra themselves should hardly grow with their number.

Each simulator runs in a process of its own, and the most memory that it held at any
time is reported: of the process, Python and its libraries included.
"""

import argparse
import resource
import sys
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from skspectra.datasets import make_infrared, make_xrf_cores

PER_CORE = 100


def xrf_cores(n_samples, n_channels):
    """Simulate whole cores of 100 spectra."""
    return make_xrf_cores(n_samples // PER_CORE, PER_CORE, n_channels, random_state=0)


def infrared(n_samples, n_channels):
    """Simulate one spectrum a molecule."""
    return make_infrared(n_samples, n_channels, random_state=0)


def peak_memory():
    """Return the MiB of this process at its largest."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux lets a new process inherit the other figure from the one that starts it.
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, or KiB


def measured(simulate, n_samples, n_channels):
    """Return seconds, MiB of the spectra and MiB of the process at its largest."""
    start = perf_counter()
    spectra = simulate(n_samples, n_channels)
    seconds = perf_counter() - start
    return seconds, spectra.data.nbytes / 2**20, peak_memory()


def main():
    """Run each simulator by itself and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--channels", type=int, default=2048)
    args = parser.parse_args()

    print(f"{args.samples} spectra of {args.channels} channels")
    for simulate in (xrf_cores, infrared):
        with get_context("spawn").Pool(1) as pool:
            found = pool.apply(measured, (simulate, args.samples, args.channels))
        seconds, spectra, peak = found
        print(
            f"make_{simulate.__name__:12s} {seconds:8.2f} s, "
            f"spectra {spectra:7.0f} MiB, process at most {peak:7.0f} MiB"
        )


if __name__ == "__main__":
    main()
