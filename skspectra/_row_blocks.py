"""How the rows of large tables are shuffled: blocks first, then the rows of many.

Small tables are permuted as a whole. Of larger ones, wherever they lie, blocks of
neighbouring rows are put in random order, and so many blocks as fit into 64 MiB are
mixed at a time: a corpus on a disk is read in pieces then, each of them once an epoch.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["RowBlocks", "is_small"]

# Numbers of a block, 1 MiB in float32, and of the blocks that are mixed at a time.
_IN_BLOCK, _MIXED = 2**18, 2**24
# So many rows of a mixture in turn are of different blocks. Processes that divide this
# number among themselves need not read each other's blocks.
_LANES = 16


def is_small(n_samples: int, n_channels: int) -> bool:
    """Whether a table is held in memory and permuted as a whole, wherever it lies."""
    return n_samples * n_channels <= _MIXED


@dataclass(frozen=True)
class RowBlocks:
    """How the rows of a large table are shuffled.

    Parameters
    ----------
    n_samples, n_channels : int
        Of the table.
    n_in_chunk : int, default=1
        Number of rows that a store keeps together and gives out as a whole.

    Attributes
    ----------
    n_in_block : int
        Number of neighbouring rows that are read at once, about 1 MiB in float32: whole
        chunks, or one that is larger.
    """

    n_samples: int
    n_channels: int
    n_in_chunk: int = 1

    @functools.cached_property
    def n_in_block(self) -> int:
        n_rows = max(1, _IN_BLOCK // self.n_channels)
        if self.n_in_chunk <= n_rows:
            return n_rows // self.n_in_chunk * self.n_in_chunk
        return min(self.n_in_chunk, max(1, _MIXED // self.n_channels))

    def slices(self, n_blocks: int = 1) -> Iterator[slice]:
        """Yield where so many blocks at a time lie, in their order."""
        n_rows = n_blocks * self.n_in_block
        for start in range(0, self.n_samples, n_rows):
            yield slice(start, min(start + n_rows, self.n_samples))

    def mixtures(self, seed: int, n_done: int = 0) -> Iterator[np.ndarray]:
        """Yield the numbers of the rows of an epoch, as many at a time as are mixed.

        Parameters
        ----------
        seed : int
            Decides their order.
        n_done : int, default=0
            How many rows to leave out at the beginning.

        Yields
        ------
        int64 ndarray
            Row numbers.
        """
        n_blocks = math.ceil(self.n_samples / self.n_in_block)
        blocks = np.random.default_rng(seed).permutation(n_blocks)
        n_mixed = max(1, _MIXED // (self.n_in_block * self.n_channels))
        n_mixed = n_mixed // _LANES * _LANES or n_mixed
        for first in range(0, n_blocks, n_mixed):
            starts = blocks[first : first + n_mixed] * self.n_in_block
            n_rows = np.minimum(self.n_samples - starts, self.n_in_block).sum()
            if n_rows > n_done:
                yield self._mixed(starts, [seed, first])[n_done:]
            n_done = max(0, n_done - n_rows)

    def _mixed(self, starts, seed):
        """Return the rows of the blocks that start there, in random order."""
        rows = starts[:, None] + np.arange(self.n_in_block)
        there = rows < self.n_samples
        lanes = _LANES if there.all() and len(starts) % _LANES == 0 else 1
        lanes = rows[there].reshape(lanes, -1)
        return np.random.default_rng(seed).permuted(lanes, axis=1).T.ravel()
