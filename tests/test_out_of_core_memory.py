"""How much memory a pretraining takes on a map that is larger than it may become."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="memory by kind is told by Linux alone"
)

# Prints by how many MiB the memory of its own, that of files and all of it grew at
# most, and how large the process ever was.
MEASURE = """
import resource, sys, threading
from pathlib import Path
import numpy as np
import torch
from skspectra import MaskedSpectralPretrainer
from skspectra import _corpus

path, n_samples, n_channels, how = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4]
torch.set_num_threads(1)
if how == "pages kept":
    _corpus._forget_pages = lambda X: None
X = np.memmap(path, np.float32, "r", shape=(n_samples, n_channels))
model = MaskedSpectralPretrainer(
    patch_size=512, embed_dim=8, depth=1, n_heads=2, decoder_dim=8, decoder_n_heads=2,
    max_epochs=1, batch_size=512, random_state=0,
)

def resident():
    status = Path("/proc/self/status").read_text().splitlines()
    words = dict(line.split(":") for line in status)
    return [int(words[n].split()[0]) / 1024 for n in ("RssAnon", "RssFile", "VmRSS")]

before, most, done = resident(), [0] * 3, threading.Event()

def watch():
    while not done.wait(0.02):
        most[:] = map(max, most, resident())

watcher = threading.Thread(target=watch)
watcher.start()
try:
    model.fit(np.array(X) if how == "loaded" else X)
finally:
    done.set()
    watcher.join()
assert model.n_iter_ == 1
largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(*(now - then for now, then in zip(most, before)), largest)
"""
# Mixtures that are read, and a network with its batch.
OF_ITS_OWN, OF_FILES, IN_ALL = 400, 100, 1000


def grown(folder, n_samples, n_channels=2048, how="streamed"):
    path = folder / "zeros.raw"
    with path.open("wb") as file:  # sparse: it takes no room on the disk
        file.truncate(n_samples * n_channels * 4)
    given = [str(path), str(n_samples), str(n_channels), how]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]


def assert_bounded(own, files, grew, largest):
    assert own < OF_ITS_OWN
    assert files < OF_FILES
    assert grew < OF_ITS_OWN + OF_FILES
    assert largest < IN_ALL


def test_a_map_is_neither_loaded_nor_left_in_memory(tmp_path):
    assert_bounded(*grown(tmp_path, 75_000))  # 614 MB


@pytest.mark.slow
@pytest.mark.parametrize("how", ["loaded", "pages kept"])
def test_the_bound_tells_a_map_that_is_in_memory(tmp_path, how):
    own, files, grew, _ = grown(tmp_path, 75_000, how=how)
    assert (own if how == "loaded" else files) > 500
    assert grew > OF_ITS_OWN + OF_FILES


@pytest.mark.slow
def test_twenty_gigabytes_take_less_than_one(tmp_path):
    assert_bounded(*grown(tmp_path, 2_441_407))
