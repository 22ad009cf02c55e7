"""torch's global generators, borrowed by one at a time and given back as they were."""

import contextlib
import threading

import torch

# They belong to the whole process: two trainings in threads would draw from them in
# turns, and neither could be repeated. A callback of a training may train another.
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def seeded(seed: int):
    """Let torch draw numbers that follow from a seed, then put its generators back.

    Parameters
    ----------
    seed : int
        Of the generators of the CPU and of every GPU.
    """
    # manual_seed seeds every GPU, whichever is used.
    gpus = range(torch.cuda.device_count())
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        yield
