"""Grids on a cluster of dask: serial scores, X sent once, killed workers replaced."""

import io
import itertools
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from distributed import Client, LocalCluster
from distributed.comm.tcp import TCP
from joblib import parallel_config
from pandas.testing import assert_frame_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    PLSRegressionCV,
    SpectralRegressor,
)
from skspectra.datasets import make_nir_mixtures
from skspectra.evaluation import compare, label_efficiency_curve

MIXTURES = make_nir_mixtures(n_samples=40, n_channels=20, random_state=0)
X, y = MIXTURES.data, MIXTURES.target
SIZES = dict(embed_dim=8, depth=1, n_heads=2, decoder_dim=8, decoder_n_heads=2)

ANY_PORT = dict(dashboard_address=":0", scheduler_port=0)


@pytest.fixture(scope="module")
def patch():
    """What `monkeypatch` is, for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def client(patch):
    """Two worker processes of one thread each, which keep what was sent to them."""
    patch.delenv("OMP_NUM_THREADS", raising=False)  # theirs would be the same
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, **ANY_PORT) as cluster,
        Client(cluster) as client,
    ):
        client.amm.stop()
        yield client


@pytest.fixture(autouse=True)
def one_thread():
    """As many threads here as a worker has: digits depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def pretrainer(**parameters):
    defaults = dict(SIZES, patch_size=5, max_epochs=3, random_state=0)
    return MaskedSpectralPretrainer(**defaults | parameters)


def probe(inner=None, **parameters):
    inner = pretrainer() if inner is None else inner
    return SpectralRegressor(inner, strategy="probe", random_state=0, **parameters)


RIVALS = {
    "PLS": PLSRegressionCV(max_components=4, cv=3),
    "network": probe(),
    "grid": GridSearchCV(Ridge(), {"alpha": [1e-3, 1.0]}, cv=2),
}


def scores(search):
    """Return what a grid found, fold by fold, one row a candidate."""
    found = search.cv_results_
    return np.stack([v for k, v in found.items() if k.endswith("_test_score")])


def assert_equal_figures(found, expected):
    assert_frame_equal(
        found.drop(columns="fit_seconds"),
        expected.drop(columns="fit_seconds"),
        check_exact=True,
    )


def test_a_grid_finds_what_it_finds_in_this_process(client):
    models = Pipeline([("snv", InstanceNormalizer()), ("model", probe())])
    grid = [
        {
            "model__pretrainer__mask_ratio": [0.3, 0.6],
            "model__pretrainer__patch_size": [2, 5],
        },
        {"model__pretrainer": [FrozenEstimator(pretrainer().fit(X))]},
        {"model": [PLSRegressionCV(max_components=4, cv=3)]},
    ]
    search = GridSearchCV(models, grid, cv=2, refit=False)
    expected = scores(search.fit(X, y))
    with parallel_config("dask"):
        assert np.array_equal(scores(search.fit(X, y)), expected)
    assert len(np.unique(expected[0])) == 6


def test_compare_finds_what_it_finds_in_this_process(client):
    expected = compare(RIVALS, X, y, cv=3, random_state=0)
    with parallel_config("dask"):
        found = compare(RIVALS, X, y, cv=3, random_state=0)
    assert_equal_figures(found.folds, expected.folds)
    assert_frame_equal(found.predictions, expected.predictions, check_exact=True)


def test_a_label_efficiency_curve_is_the_one_of_this_process(client):
    rivals = {name: RIVALS[name] for name in ("PLS", "network")}
    options = dict(train_sizes=[12, 20], cv=2, random_state=0)
    expected = label_efficiency_curve(rivals, X, y, **options)
    with parallel_config("dask"):
        found = label_efficiency_curve(rivals, X, y, **options)
    assert_equal_figures(found.results, expected.results)


@pytest.fixture
def sent(monkeypatch):
    """A list of the number of bytes of each message that leaves this process.

    The scheduler runs in it: what client and scheduler send is counted.
    """
    sizes, write = [], TCP.write

    async def counted(self, *args, **kwargs):
        sizes.append(await write(self, *args, **kwargs))
        return sizes[-1]

    monkeypatch.setattr(TCP, "write", counted)
    return sizes


def grid_of_ridges(wide):
    GridSearchCV(Ridge(), {"alpha": np.logspace(-3, 3, 8)}, cv=3).fit(wide, y)


def ridges(wide):
    models = {f"ridge {alpha}": Ridge(alpha) for alpha in range(1, 5)}
    compare(models, wide, y, cv=6)


def ridges_with_fewer_labels(wide):
    models = {f"ridge {alpha}": Ridge(alpha) for alpha in range(1, 4)}
    label_efficiency_curve(models, wide, y, train_sizes=[10, 20], cv=4)


@pytest.mark.parametrize("fits", [grid_of_ridges, ridges, ridges_with_fewer_labels])
@pytest.mark.parametrize("scattered", [False, True])
def test_spectra_are_sent_once_and_not_with_each_of_24_fits(
    client, sent, fits, scattered
):
    wide = np.random.default_rng(0).normal(size=(len(y), 10_000))
    with parallel_config("dask", scatter=[wide] if scattered else None):
        if scattered:
            # From here to the scheduler, from there to a worker.
            assert wide.nbytes < sum(sent) < 3 * wide.nbytes
            sent.clear()
        fits(wide)
    # Unasked, joblib does that when they are first needed; the other worker gets them
    # from the first. The rest is models, rows and answers, 20 kB a fit, and what is
    # said every second.
    assert sum(sent) < (0.5 if scattered else 2.5) * wide.nbytes


def test_a_worker_computes_in_one_thread(client):
    assert set(client.run(torch.get_num_threads).values()) == {1}


def listen():
    sys.stderr = io.StringIO()


def heard():
    said, sys.stderr = sys.stderr.getvalue(), sys.__stderr__
    return said


def test_trainings_on_workers_are_silent(client):
    search = GridSearchCV(pretrainer(verbose=1), {"mask_ratio": [0.3, 0.5]}, cv=2)
    client.run(listen)
    with parallel_config("dask"):
        search.set_params(refit=False).fit(X)
    assert set(client.run(heard).values()) == {""}


class Mortal(TransformerMixin, BaseEstimator):
    """Hands spectra on. Where `deadly`, the first to be fitted kills its process.

    A file tells those to come that it has happened.
    """

    def __init__(self, file=None, deadly=False):
        self.file = file
        self.deadly = deadly

    def fit(self, X, y=None):
        if self.deadly and not Path(self.file).exists():
            Path(self.file).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self

    def transform(self, X):
        return X

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="not on Windows")
def test_fits_of_a_killed_worker_are_run_again(client, tmp_path):
    models = Pipeline([("mortal", Mortal(tmp_path / "dead")), ("model", probe())])
    grid = {
        "model__pretrainer__mask_ratio": [0.3, 0.6],
        "mortal__deadly": [False, True],
    }
    # Rows beyond 1 kB are sent by themselves too.
    spectra, values = np.tile(X, (8, 1)), np.tile(y, 8)
    folds = list(KFold(2).split(spectra))
    workers = client.run(os.getpid)
    search = GridSearchCV(models, grid, cv=folds, refit=False)
    scatter = [spectra, values, *itertools.chain(*folds)]
    with parallel_config("dask", scatter=scatter):
        found = scores(search.fit(spectra, values))
    assert (tmp_path / "dead").exists()
    client.wait_for_workers(2, timeout=120)
    assert len(set(workers.values()) & set(client.run(os.getpid).values())) == 1
    assert np.array_equal(found, scores(search.fit(spectra, values)))


def set_variables(values):
    os.environ.update(values)


def remove_variables(names):
    for name in names:
        del os.environ[name]


def test_a_worker_does_not_join_the_processes_of_its_parent(client):
    """As where a cluster is started by a script under `accelerate launch`."""
    launched = dict(RANK="1", WORLD_SIZE="2", LOCAL_RANK="1", LOCAL_WORLD_SIZE="2")
    launched |= dict(MASTER_ADDR="127.0.0.1", MASTER_PORT="9")
    search = GridSearchCV(probe(), {"pretrainer__mask_ratio": [0.3, 0.6]}, cv=2)
    expected = scores(search.fit(X, y))
    client.run(set_variables, launched)
    try:
        with parallel_config("dask"):
            assert np.array_equal(scores(search.fit(X, y)), expected)
    finally:
        client.run(remove_variables, list(launched))


def read_rows(numbers, file):
    return np.load(file, mmap_mode="r")[np.ravel(numbers)]


def test_row_numbers_can_stand_for_spectra_in_a_file(client, tmp_path):
    np.save(tmp_path / "spectra.npy", X)
    read = FunctionTransformer(read_rows, kw_args={"file": tmp_path / "spectra.npy"})
    numbers = np.arange(len(X))[:, np.newaxis]
    expected = compare({"network": probe()}, X, y, cv=2, random_state=0)
    with parallel_config("dask"):
        model = make_pipeline(read, probe())
        found = compare({"network": model}, numbers, y, cv=2, random_state=0)
    assert_equal_figures(found.folds, expected.folds)


def test_two_fits_in_threads_of_one_worker_do_not_disturb_each_other():
    search = GridSearchCV(probe(), {"pretrainer__mask_ratio": [0.3, 0.4, 0.5]}, cv=2)
    expected = scores(search.fit(X, y))
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, **ANY_PORT
        ) as cluster,
        Client(cluster),
        parallel_config("dask"),
    ):
        assert np.array_equal(scores(search.fit(X, y)), expected)
