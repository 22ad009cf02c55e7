"""What one file, or one sheet of it, holds: spectra on one axis."""

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Part"]


@dataclass
class Part:
    """Spectra on one axis, and what the file tells of each.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        float64, NaN where a channel is missing.
    x_axis : ndarray of shape (n_channels,) or None
        Strictly rising or falling.
    unit : str or None
        Of the axis, spelled as in `skspectra.io._units`.
    fields : dict
        Columns of the metadata: from a name to a list with a value for each spectrum,
        or to one value for all.
    path : str
        Filled in by whoever called the reader.
    unread : list of str
        Why other sheets of the same file hold no spectra.
    """

    X: np.ndarray
    x_axis: np.ndarray | None
    unit: str | None = None
    fields: dict = field(default_factory=dict)
    path: str = ""
    unread: list = field(default_factory=list)

    def __post_init__(self):
        self.X = np.ascontiguousarray(np.atleast_2d(self.X), dtype=np.float64)
        if self.x_axis is None:
            return
        self.x_axis = np.asarray(self.x_axis, dtype=np.float64)
        if self.X.shape[1] != len(self.x_axis) or len(self.x_axis) < 2:
            raise ValueError(
                f"a spectrum must have at least 2 values, one for each position of its "
                f"axis; got {self.X.shape[1]} for {len(self.x_axis)} positions"
            )
        if not np.isfinite(self.x_axis).all():
            raise ValueError("the axis must hold finite numbers")
        steps = np.diff(self.x_axis)
        if not ((steps > 0).all() or (steps < 0).all()):
            raise ValueError("the axis must rise or fall from its first to its last")
        if np.isinf(self.X).any():
            raise ValueError("a value of a spectrum is infinite")
