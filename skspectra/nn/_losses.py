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


def masked_cross_entropy(prediction: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Return the mean cross entropy of the rows that count, one class a row.

    Parameters
    ----------
    prediction : Tensor of shape (batch, n_classes)
        The logarithms of the classes' odds, up to a constant of each row.
    target : Tensor of shape (batch, n_classes)
        1 for the class of a row and 0 for the others; NaN in rows without one.
    counted : bool Tensor of shape (batch, n_classes)
        True where an entry counts, equal within a row. At least one row must, or
        the result is 0.

    Returns
    -------
    Tensor of shape ()
        In nats, float32 at least.
    """
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    # NaN is taken out before the product: its gradient would be NaN times 0.
    known = torch.where(counted, target.to(dtype), 0.0)
    loss = -known * torch.log_softmax(prediction.to(dtype), dim=1)
    return loss.sum() / counted.any(dim=1).sum().clamp(min=1)


def masked_binary_cross_entropy(
    prediction: Tensor, target: Tensor, counted: Tensor
) -> Tensor:
    """Return the mean cross entropy of the labels that count, each yes or no.

    Parameters
    ----------
    prediction : Tensor
        The logarithm of each label's odds, of any shape.
    target : Tensor
        Of the same shape, 1 or 0; entries that do not count may be NaN.
    counted : bool Tensor
        Of the same shape, True where an entry counts. At least one must, or the
        result is 0.

    Returns
    -------
    Tensor of shape ()
        In nats, float32 at least.
    """
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    known = torch.where(counted, target.to(dtype), 0.0)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        prediction.to(dtype), known, reduction="none"
    )
    return torch.where(counted, loss, 0.0).sum() / counted.sum().clamp(min=1)
