"""What training makes small."""

import torch
from torch import Tensor


def masked_mse(prediction: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Return the mean squared error of the entries that count.

    Parameters
    ----------
    prediction : Tensor
        Of any shape.
    target : Tensor
        Of the same shape; entries that do not count may be NaN.
    counted : bool Tensor
        Of the same shape, True where an entry counts. At least one must, or the
        result is 0.

    Returns
    -------
    Tensor of shape ()
        In the square of the target's units, float32 at least.
    """
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    error = torch.where(counted, prediction.to(dtype) - target.to(dtype), 0.0)
    return error.square().sum() / counted.sum().clamp(min=1)
