"""The rows of a training, in memory or read when they are needed, and its batches."""

import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from skspectra._provenance import fingerprint
from skspectra._row_blocks import RowBlocks

__all__ = ["HeldRows", "StreamedRows"]


class HeldRows(Dataset):
    """Rows in memory, or on a GPU.

    Parameters
    ----------
    *arrays : ndarray of shape (n_samples, ...)
        What a batch has rows of.
    blocks : RowBlocks, default=None
        How they are shuffled; None permutes them all.
    identity : str, default=None
        What tells the data from others; None takes their fingerprint when asked.
    """

    def __init__(
        self,
        *arrays: np.ndarray,
        blocks: RowBlocks | None = None,
        identity: str | None = None,
    ) -> None:
        self.tensors = tuple(torch.from_numpy(array) for array in arrays)
        self.blocks, self._identity = blocks, identity

    def __len__(self) -> int:
        return len(self.tensors[0])

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return self.tensors[0].shape[1]

    @property
    def identity(self) -> str:
        """What tells the data from others."""
        if self._identity is not None:
            return self._identity
        arrays = [tensor.cpu().numpy() for tensor in self.tensors]
        return f"{[array.shape for array in arrays]}, SHA-256 {fingerprint(*arrays)}"

    def to(self, device: torch.device) -> "HeldRows":
        """Put the rows where they are needed, and return them."""
        self.tensors = tuple(tensor.to(device) for tensor in self.tensors)
        return self

    def draw(self) -> Tensor:
        """Draw what the order of an epoch follows from."""
        if self.blocks is None:
            return torch.randperm(len(self), device=self.tensors[0].device)
        return _draw_seed()

    def batches(
        self, drawn: Tensor, n_done: int, n_rows: int, own: slice
    ) -> Iterator[tuple[tuple[Tensor, ...], int]]:
        """Yield the batches of an epoch, as `StreamedRows.batches` does."""
        device, n_left = self.tensors[0].device, len(self) - n_done
        parts = [drawn[n_done:]] if self.blocks is None else self._parts(drawn, n_done)
        left = torch.empty(0, dtype=torch.int64, device=device)
        for rows in parts:
            n_left -= len(rows)
            for batch in torch.cat([left, rows]).split(n_rows):
                left = batch[:0]
                if len(batch) < n_rows and n_left:
                    left = batch
                else:
                    yield tuple(t[batch[own]] for t in self.tensors), len(batch)

    def _parts(self, drawn, n_done):
        for rows in self.blocks.mixtures(int(drawn), n_done):
            yield torch.from_numpy(rows).to(self.tensors[0].device)


class StreamedRows(Dataset):
    """Rows that are read when they are needed, a mixture of blocks ahead.

    Parameters
    ----------
    X : object
        Has rows by slices.
    read : callable
        Takes rows of X, and as `first_row` where they begin, and returns a tuple of
        ndarrays: what a batch has rows of.
    blocks : RowBlocks
        How they are shuffled.
    identity : str
        What tells the data from others.
    """

    def __init__(
        self,
        X: object,
        read: Callable[..., tuple[np.ndarray, ...]],
        blocks: RowBlocks,
        identity: str,
    ) -> None:
        self.X, self.read, self.blocks, self.identity = X, read, blocks, identity

    def __len__(self) -> int:
        return self.blocks.n_samples

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return self.blocks.n_channels

    def to(self, device: torch.device) -> "StreamedRows":
        """Say where the rows will be needed, and return this."""
        self.device = device
        return self

    def draw(self) -> Tensor:
        """Draw what the order of an epoch follows from."""
        return _draw_seed()

    def batches(
        self, drawn: Tensor, n_done: int, n_rows: int, own: slice
    ) -> Iterator[tuple[tuple[Tensor, ...], int]]:
        """Yield the batches of an epoch.

        Parameters
        ----------
        drawn : Tensor
            As `draw` gave it.
        n_done : int
            How many rows to leave out at the beginning: whole batches.
        n_rows : int
            Number of rows of a batch; the last may have fewer.
        own : slice
            Which rows of a batch are wanted, ``slice(first, None, step)``.

        Yields
        ------
        rows : tuple of Tensor
            The wanted ones.
        n_rows : int
            How many the batch has with those that are not wanted.
        """

        def n_own(n):
            return len(range(n)[own])

        left, begin = None, n_done
        for read, end in _one_ahead(self._readings(drawn, n_done, n_rows, own)):
            if left is not None:  # there is room for them
                for array, rest in zip(read, left, strict=True):
                    array[: len(rest)] = rest
            tensors = tuple(torch.from_numpy(array).to(self.device) for array in read)
            while begin < end and (begin + n_rows <= end or end == len(self)):
                n_batch = min(n_rows, end - begin)
                parts = (n_own(n_batch), len(tensors[0]) - n_own(n_batch))
                batch, tensors = zip(*(t.split(parts) for t in tensors), strict=True)
                yield batch, n_batch
                begin += n_batch
            left = [array[len(array) - len(tensors[0]) :] for array in read]

    def _readings(self, drawn, n_done, n_rows, own):
        """Yield functions that read mixtures, each with room for the rows before."""
        position = n_done
        for rows in self.blocks.mixtures(int(drawn), n_done):
            place = (position + np.arange(len(rows))) % n_rows  # in the batch
            wanted = np.isin(place, np.arange(n_rows)[own])
            n_before = len(range(position % n_rows)[own])
            position += len(rows)
            yield functools.partial(self._read_rows, rows[wanted], n_before, position)

    def _read_rows(self, rows, n_before, position):
        """Return these rows in their order, and the number that was passed on."""
        arrays = [
            np.empty((n_before + len(rows), *of_row), dtype)
            for of_row, dtype in self._of_row
        ]
        width = self.blocks.n_in_block
        of_block = rows // width
        order = of_block.argsort(kind="stable")
        numbers, starts = np.unique(of_block[order], return_index=True)
        places = np.split(order, starts[1:])  # one, and empty, if there is no row
        for number, where in zip(numbers, places, strict=False):
            first = int(number) * width
            block = self.read(
                self.X[first : min(first + width, len(self))], first_row=first
            )
            for array, values in zip(arrays, block, strict=True):
                array[n_before + where] = values[rows[where] - first]
        return arrays, position

    @functools.cached_property
    def _of_row(self):
        return [(a.shape[1:], a.dtype) for a in self.read(self.X[:1], first_row=0)]


def _draw_seed():
    return torch.randint(2**62, (1,))


def _one_ahead(tasks: Iterable[Callable]) -> Iterator:
    """Yield what tasks return; the next one runs in a thread meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="skspectra-reader") as reader:
        running = None
        for task in tasks:
            coming = reader.submit(task)
            if running is not None:
                yield running.result()
            running = coming
        if running is not None:
            yield running.result()
