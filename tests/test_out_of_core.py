"""Corpora that lie elsewhere: read in blocks, and not otherwise than in memory."""

import mmap
import threading

import dask.array as da
import datasets
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
import zarr
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import cross_val_score
from skorch.callbacks import Callback

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralRegressor,
)
from skspectra import _row_blocks as row_blocks
from skspectra._batches import HeldRows, StreamedRows
from skspectra._corpus import Corpus
from skspectra._row_blocks import RowBlocks
from skspectra.exceptions import CheckpointError

N, WIDTH = 300, 24
AXIS = 1100 + 2 * np.arange(WIDTH)


@pytest.fixture(scope="module")
def X():
    rng = np.random.RandomState(0)
    return rng.randn(N, WIDTH).cumsum(axis=1).astype(np.float32)


@pytest.fixture
def blocks_of_eight(monkeypatch):
    """Make the table large: blocks of 8 rows, of which 5 are mixed."""
    monkeypatch.setattr(row_blocks, "_IN_BLOCK", 8 * WIDTH)
    monkeypatch.setattr(row_blocks, "_MIXED", 5 * 8 * WIDTH)


def small(**options):
    options = {
        "patch_size": 4,
        "embed_dim": 8,
        "depth": 1,
        "n_heads": 2,
        "decoder_dim": 8,
        "decoder_n_heads": 2,
        "max_epochs": 2,
        "batch_size": 32,
        "random_state": 0,
    } | options
    return MaskedSpectralPretrainer(**options)


class Sliced:
    """The least that is asked for: a shape, and rows by slices."""

    def __init__(self, values):
        self._values, self.shape = values, values.shape

    def __getitem__(self, rows):
        return self._values[rows]


def as_memmap(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def as_zarr(X, folder):
    stored = zarr.create_array(
        folder / "X.zarr", shape=X.shape, chunks=(4, 7), dtype=X.dtype
    )
    stored[:] = X
    return stored


def as_hdf5(X, folder):
    with h5py.File(folder / "X.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(8, 5))
    return h5py.File(folder / "X.h5")["X"]


def as_dask(X, folder):
    return da.from_array(X, chunks=(2, 10))


def as_columns(X, folder):
    names = [str(position) for position in AXIS]
    pd.DataFrame(X, columns=names).to_parquet(folder / "X.parquet")
    return datasets.Dataset.from_parquet(
        str(folder / "X.parquet"), cache_dir=str(folder / "cache")
    )


def as_arrow(X, folder):
    return pa.table(pd.DataFrame(X, columns=[str(position) for position in AXIS]))


def as_lists(X, folder):
    return datasets.Dataset.from_dict({"spectrum": X.tolist()})


STORES = [
    as_memmap,
    as_zarr,
    as_hdf5,
    as_dask,
    as_columns,
    as_arrow,
    as_lists,
    lambda X, folder: Sliced(X),
]
NAMES = ["memmap", "zarr", "h5py", "dask", "parquet", "pyarrow", "lists", "sliced"]


def weights(model):
    return model.module_.state_dict()


def assert_same(one, other):
    for name, weight in weights(one).items():
        assert torch.equal(weight, weights(other)[name]), name
    assert one.loss_curve_ == other.loss_curve_
    assert_array_equal(one.mean_, other.mean_)
    assert one.scale_ == other.scale_


@pytest.mark.parametrize("store", STORES, ids=NAMES)
@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "with gaps"])
def test_where_a_corpus_lies_changes_nothing(
    X, store, gaps, tmp_path, blocks_of_eight, monkeypatch
):
    if gaps:
        X = np.where(np.random.RandomState(1).rand(*X.shape) < 0.02, np.nan, X)
    kinds = []
    monkeypatch.setattr(StreamedRows, "to", told(StreamedRows.to, kinds))
    monkeypatch.setattr(HeldRows, "to", told(HeldRows.to, kinds))
    held, stored = small().fit(X), store(X, tmp_path)
    streamed = small().fit(stored)
    assert kinds == ["HeldRows", "StreamedRows"]
    assert_same(streamed, held)
    assert streamed.provenance_.data == held.provenance_.data
    assert_array_equal(streamed.provenance_.rows, held.provenance_.rows)
    assert_array_equal(streamed.transform(stored), held.transform(X))
    # In float64 a spectrum's score depends on its company in the last digit.
    scores = held.score_samples(X)
    assert_allclose(streamed.score_samples(stored), scores, rtol=1e-12)
    assert streamed.score(stored) == pytest.approx(held.score(X), abs=1e-12)


def told(method, kinds):
    def tell(self, *args):
        kinds.append(type(self).__name__)
        return method(self, *args)

    return tell


@pytest.mark.parametrize("store", STORES, ids=NAMES)
def test_a_small_corpus_is_taken_as_the_table_that_it_is(X, store, tmp_path):
    assert_same(small().fit(store(X, tmp_path)), small().fit(X))


def test_names_of_columns_tell_the_axis(X, tmp_path, blocks_of_eight):
    stored = as_columns(X, tmp_path)
    fitted = small().fit(stored)
    assert_array_equal(fitted.x_axis_, AXIS)
    table = pd.DataFrame(X, columns=stored.column_names)
    assert_array_equal(fitted.feature_names_in_, table.columns)
    assert_array_equal(fitted.transform(table), fitted.transform(stored))
    with pytest.raises(ValueError, match="x_axis"):
        small(x_axis=AXIS + 0.5).fit(stored)


def with_bad_value(X, value, row=217, channel=5):
    X = X.astype(object if isinstance(value, str | None) else X.dtype)
    X[row, channel] = value
    return X


@pytest.mark.parametrize("value", [np.inf, "n.d.", "1.5"], ids=str)
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_what_is_no_number_deep_inside_is_named_by_its_row(
    X, value, large, monkeypatch, tmp_path
):
    if large:
        monkeypatch.setattr(row_blocks, "_IN_BLOCK", 8 * WIDTH)
        monkeypatch.setattr(row_blocks, "_MIXED", 40 * WIDTH)
    fitted = small().fit(X)
    stored = Sliced(with_bad_value(X, value))
    with pytest.raises(ValueError, match=r"row 217, channel 5"):
        fitted.fit(stored)
    assert not hasattr(fitted, "module_") and not hasattr(fitted, "n_features_in_")
    with pytest.raises(ValueError, match=r"row 217, channel 5"):
        small().fit(X).transform(stored)


def test_a_spectrum_without_a_whole_patch_is_named_by_its_row(X, blocks_of_eight):
    fitted = small(max_epochs=0).fit(X)
    X = X.copy()
    X[217] = np.nan
    with pytest.raises(ValueError, match=r"first in row 217\."):
        small().fit(Sliced(X))
    with pytest.raises(ValueError, match=r"first in row 217\."):
        fitted.transform(Sliced(X))


def test_gaps_are_refused_by_their_row_where_a_loss_takes_none(X, blocks_of_eight):
    X = np.abs(X)
    stored = Sliced(with_bad_value(X, np.nan))
    with pytest.raises(ValueError, match=r"NaN: the first in row 217, channel 5"):
        small(loss="mse+sinkhorn").fit(stored)
    with pytest.raises(ValueError, match=r"Got -1 in row 217, channel 5"):
        small(loss="mse+sinkhorn").fit(Sliced(with_bad_value(X, -1.0)))
    held = small(loss="mse+sinkhorn", max_epochs=1).fit(X)
    assert_same(small(loss="mse+sinkhorn", max_epochs=1).fit(Sliced(X)), held)


class Failing(Sliced):
    """Rows that can no longer be read after so many readings."""

    def __init__(self, values, n_readings):
        super().__init__(values)
        self.n_left = n_readings

    def __getitem__(self, rows):
        self.n_left -= 1
        if self.n_left < 0:
            raise OSError("the share is gone")
        return super().__getitem__(rows)


def test_a_failure_in_the_background_reaches_the_caller(X, blocks_of_eight):
    model = small(max_epochs=50)
    with pytest.raises(OSError, match="the share is gone") as raised:
        model.fit(Failing(X, 60))
    assert any("rows" in note for note in raised.value.__notes__)
    assert not hasattr(model, "module_")
    assert not [t for t in threading.enumerate() if "skspectra" in t.name]


def test_a_corpus_of_unknown_length_is_refused(X):
    unknown = da.from_array(X)[da.from_array(X[:, 0]) > 0]
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        small().fit(unknown)


@pytest.mark.parametrize("dtype", ["i2", "u1", "f2", ">f4", ">f8", "longdouble"])
def test_kinds_of_numbers_are_those_of_a_table(X, dtype, tmp_path, blocks_of_eight):
    numbers = (10 * np.abs(X)).astype(dtype)
    stored = as_memmap(numbers, tmp_path)
    assert stored.dtype == np.dtype(dtype)
    assert_same(small(max_epochs=1).fit(stored), small(max_epochs=1).fit(numbers))


def views(stored):
    """Return maps that begin elsewhere, have steps, or lie the other way round."""
    return [stored[13:], stored[::2], stored[::-1], stored[:, 3:20]]


@pytest.mark.parametrize("number", range(4))
def test_views_of_a_map_are_read_as_they_are(X, number, tmp_path, blocks_of_eight):
    stored = views(as_memmap(X, tmp_path))[number]
    assert isinstance(stored, np.memmap)
    assert_same(
        small(max_epochs=1).fit(stored), small(max_epochs=1).fit(views(X)[number])
    )


def test_a_map_by_columns_is_read_by_rows(X, tmp_path, blocks_of_eight):
    stored = as_memmap(np.asfortranarray(X), tmp_path)
    assert stored.flags.f_contiguous
    assert_same(small(max_epochs=1).fit(stored), small(max_epochs=1).fit(X))


def test_pages_of_a_map_are_given_back(X, tmp_path, blocks_of_eight, monkeypatch):
    advised = []

    class Noted(mmap.mmap):
        def madvise(self, advice):
            advised.append(advice)

    np.save(tmp_path / "X.npy", X)
    for mode in ("r", "r+", "c"):
        monkeypatch.setattr(mmap, "mmap", Noted)
        stored = np.load(tmp_path / "X.npy", mmap_mode=mode)
        monkeypatch.undo()
        Corpus(stored[5:])[:8]
        assert advised == ([] if mode == "c" else [mmap.MADV_DONTNEED])
        advised.clear()


def test_what_has_no_rows_by_number_is_refused(X, tmp_path, blocks_of_eight):
    fitted, columns = small(max_epochs=1).fit(X), as_columns(X, tmp_path)
    file = as_hdf5(X, tmp_path).file
    group = zarr.create_group(tmp_path / "group.zarr")
    group.create_array("here", shape=X.shape, dtype=X.dtype)
    folders = {"here": group, "X": file, "train": datasets.DatasetDict(train=columns)}
    for name, folder in folders.items():
        with pytest.raises(TypeError, match=rf"pass one of them, such as X\['{name}'"):
            fitted.fit(folder)
        assert not hasattr(fitted, "module_")
    with pytest.raises(TypeError, match="streaming=False"):
        small().fit(columns.to_iterable_dataset())


@pytest.mark.parametrize("shape", [(0, WIDTH), (1, WIDTH), (N,), (N, 4, 6), (N, 1)])
def test_other_shapes_are_refused_as_those_of_tables(X, shape, tmp_path):
    table = np.ones(shape)
    with pytest.raises(ValueError) as expected:
        small().fit(table)
    for store in (as_memmap, as_stored) if table.size else (as_stored,):
        with pytest.raises(ValueError) as raised:
            small().fit(store(table, tmp_path))
        assert str(raised.value)[:40] == str(expected.value)[:40]


def as_stored(X, folder):
    return zarr.create_array(folder / f"{X.ndim}.zarr", data=X)


def test_complex_numbers_are_refused(X, blocks_of_eight):
    with pytest.raises(ValueError, match=r"real numbers\. Got complex64"):
        small().fit(Sliced(X.astype(np.complex64)))


class Changing(Sliced):
    """Spectra, one of which is another after so many readings."""

    def __init__(self, values, changed, n_readings):
        super().__init__(values)
        self.changed, self.n_left = changed, n_readings

    def __getitem__(self, rows):
        self.n_left -= 1
        return (self._values if self.n_left > 0 else self.changed)[rows]


def test_a_corpus_that_changes_is_refused_by_its_row(X, blocks_of_eight):
    changed = with_bad_value(X.copy(), np.nan)
    with pytest.raises(ValueError, match=r"must not change.* in row 217"):
        small().fit(Changing(X, changed, 60))
    with pytest.raises(ValueError, match="infinity: the first in row 217"):
        small().fit(Changing(X, with_bad_value(X.copy(), np.inf), 60))
    with pytest.raises(ValueError, match=r"shape .2, 24. for rows 288"):
        small().fit(Changing(X, X[:290], 60))


def test_an_interruption_ends_the_reading_too(X, blocks_of_eight):
    class Interrupted(Failing):
        def __getitem__(self, rows):
            try:
                return super().__getitem__(rows)
            except OSError:
                raise KeyboardInterrupt from None

    model = small(max_epochs=50)
    with pytest.raises(KeyboardInterrupt):
        model.fit(Interrupted(X, 60))
    assert not hasattr(model, "module_")
    assert not [t for t in threading.enumerate() if "skspectra" in t.name]


def test_a_corpus_is_rebuilt_as_its_table_is(X, tmp_path, blocks_of_eight):
    model, stored = small(max_epochs=1).fit(X), as_memmap(X, tmp_path)
    expected, rebuilt = model.reconstruct(X), model.reconstruct(stored)
    assert_array_equal(rebuilt.hidden, expected.hidden)
    assert_array_equal(rebuilt.reconstruction, expected.reconstruction)


def test_maps_go_through_cross_validation(X, tmp_path, blocks_of_eight):
    stored = as_memmap(X, tmp_path)
    scores = cross_val_score(small(max_epochs=1), stored, cv=2)
    assert_array_equal(scores, cross_val_score(small(max_epochs=1), X, cv=2))


def test_lists_of_unequal_length_are_refused_by_row(X, blocks_of_eight):
    lists = X.tolist()
    lists[217] = lists[217][:-1]
    with pytest.raises(ValueError, match="23 in row 217"):
        small().fit(datasets.Dataset.from_dict({"spectrum": lists}))


def test_a_training_on_a_stream_goes_on_where_it_stopped(X, tmp_path, blocks_of_eight):
    class Interrupt(Callback):
        n_left = 13

        def on_batch_end(self, net, **kwargs):
            self.n_left -= 1
            if not self.n_left:
                raise KeyboardInterrupt

    options = {"checkpoint_dir": tmp_path, "checkpoint_every": 0.1, "max_epochs": 4}
    with pytest.raises(KeyboardInterrupt):
        small(callbacks=[Interrupt()], **options).fit(Sliced(X))
    assert list(tmp_path.glob("*.checkpoint"))
    resumed = small(**options).fit(as_dask(X[:], None))
    assert_same(resumed, small(max_epochs=4).fit(X))


@pytest.mark.parametrize("n_samples", [1, 7, 8, 9, 300, 321])
@pytest.mark.parametrize("n_in_chunk", [1, 3, 8, 20, 1000])
def test_an_epoch_has_each_row_once(n_samples, n_in_chunk, blocks_of_eight):
    blocks = RowBlocks(n_samples, WIDTH, n_in_chunk)
    rows = np.concatenate(list(blocks.mixtures(5)))
    assert_array_equal(np.sort(rows), np.arange(n_samples))
    for n_done in {0, n_samples // 2, n_samples - 1}:
        later = np.concatenate(list(blocks.mixtures(5, n_done)))
        assert_array_equal(later, rows[n_done:])
    slices = np.concatenate([np.r_[rows] for rows in blocks.slices()])
    assert_array_equal(slices, np.arange(n_samples))


@pytest.mark.parametrize("n_processes", [1, 2, 3, 4])
@pytest.mark.parametrize("n_rows", [1, 12, 32, 300, 500])
def test_processes_share_the_rows_of_a_batch(n_processes, n_rows, X, blocks_of_eight):
    blocks = RowBlocks(*X.shape)
    numbered = np.arange(N, dtype=np.float32)[:, None] + np.zeros(WIDTH, np.float32)

    def read(rows, first_row):
        return (rows,)

    held = HeldRows(numbered, blocks=blocks).to(torch.device("cpu"))
    drawn = torch.tensor([3])
    order = np.concatenate(list(blocks.mixtures(3)))
    for n_done in (0, n_rows):
        for rank in range(n_processes):
            own = slice(rank, None, n_processes)
            expected = [
                order[start : start + n_rows] for start in range(n_done, N, n_rows)
            ]
            streamed = StreamedRows(numbered, read, blocks, "").to(torch.device("cpu"))
            for rows in (held, streamed):
                batches = list(rows.batches(drawn, n_done, n_rows, own))
                assert [n for _, n in batches] == [len(each) for each in expected]
                for (batch, _), each in zip(batches, expected, strict=True):
                    assert_array_equal(batch[0][:, 0], each[own])


def test_processes_read_no_blocks_of_each_other(monkeypatch):
    monkeypatch.setattr(row_blocks, "_IN_BLOCK", 8)
    monkeypatch.setattr(row_blocks, "_MIXED", 8 * 64)
    table = np.arange(8 * 64 * 5, dtype=np.float32)[:, None]

    class Noting(Sliced):
        def __init__(self, values):
            super().__init__(values)
            self.starts = set()

        def __getitem__(self, rows):
            if rows.start is not None:  # the first is looked at for its shape
                self.starts.add(rows.start)
            return super().__getitem__(rows)

    read = []
    for rank in range(4):
        noting = Noting(table)
        rows = StreamedRows(
            noting, lambda rows, first_row: (rows,), RowBlocks(*table.shape), ""
        ).to(torch.device("cpu"))
        list(rows.batches(torch.tensor([0]), 0, 64, slice(rank, None, 4)))
        read.append(noting.starts)
    assert set.union(*read) == set(range(0, len(table), 8))
    assert sum(map(len, read)) == len(table) // 8


def test_private_pages_of_a_map_are_kept(X, tmp_path, blocks_of_eight):
    np.save(tmp_path / "X.npy", X)
    private = np.load(tmp_path / "X.npy", mmap_mode="c")
    private[100] = 7.0
    small(max_epochs=1).fit(private)
    assert (private[100] == 7.0).all()


def test_a_regressor_predicts_of_a_corpus(X, tmp_path, blocks_of_eight):
    y = X[:, 3] + X[:, 9]
    options = {"max_epochs": 2, "batch_size": 32, "random_state": 0}
    model = SpectralRegressor(small(max_epochs=1), **options).fit(X[:80], y[:80])
    expected = model.predict(X)
    for store in (as_memmap, as_lists):
        stored = store(X, tmp_path)
        assert_allclose(model.predict(stored), expected, rtol=1e-10)
    bad = Sliced(with_bad_value(X, np.inf))
    with pytest.raises(ValueError, match="row 217, channel 5"):
        model.predict(bad)
    with pytest.raises(ValueError, match=r"too large for float32 .* row 217, chann"):
        model.predict(with_bad_value(X.astype(np.float64), 1e60))


def test_spectra_are_normalised_on_their_way_by_dask(X, blocks_of_eight):
    stored = da.from_array(X, chunks=(8, -1))
    lazy = stored.map_blocks(InstanceNormalizer().fit_transform, dtype=X.dtype)
    assert_same(small().fit(lazy), small().fit(InstanceNormalizer().fit_transform(X)))


def test_a_table_of_datasets_gives_what_its_format_says(X, tmp_path, blocks_of_eight):
    labels = np.arange(N, dtype=float)
    table = datasets.Dataset.from_dict({"label": labels, "spectrum": X.tolist()})
    only = table.with_format("numpy", columns=["spectrum"])
    assert_same(small(max_epochs=1).fit(only), small(max_epochs=1).fit(X))

    def doubled(batch):
        return {"spectrum": 2 * np.array(batch["spectrum"], dtype=np.float32)}

    own = table.with_transform(doubled)
    assert_same(small(max_epochs=1).fit(own), small(max_epochs=1).fit(2 * X))


def test_a_training_does_not_go_on_with_other_blocks(tmp_path, blocks_of_eight):
    X = np.zeros((N, WIDTH), dtype=np.float32)  # of which all blocks have one mean
    X[::2] = 1.0

    class Chunked(Sliced):
        chunks = (3, WIDTH)

    options = {"checkpoint_dir": tmp_path, "max_epochs": 1}
    small(**options).fit(Sliced(X))
    with pytest.raises(CheckpointError, match=r"blocks of 8.* blocks of 6"):
        small(**options).fit(Chunked(X))
