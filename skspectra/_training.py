"""The training loop. skorch runs it; nothing of skorch outlives a call of `train`."""

import contextlib
import copy
import inspect
import math
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, PrintLog
from skorch.helper import predefined_split
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import TensorDataset

from skspectra._inference import resolve_device, resolve_precision

# torch's generator belongs to the whole process: two trainings in threads would
# draw from it in turns, and neither could be repeated.
_ONE_AT_A_TIME = threading.Lock()

# Longer gradients, all parameters together, are cut to this norm.
_MOST_GRADIENT = 1.0


@dataclass
class TrainingResult:
    """What a training leaves behind."""

    module: nn.Module  # on the CPU, in eval mode
    loss_curve: list[float]  # training loss of each epoch
    validation_curve: list[float]  # empty without validation data


class _StopTraining(Exception):
    """Raised by `_EarlyStopping`; skorch would use KeyboardInterrupt."""


class _EarlyStopping(Callback):
    """Stop when the validation loss no longer falls, and go back to its minimum.

    The weights that training starts from count as epoch 0, so that a training that
    only makes things worse is undone.
    """

    def __init__(self, n_iter_no_change, validation):
        self.n_iter_no_change, self.validation = n_iter_no_change, validation

    def on_train_begin(self, net, **kwargs):
        start = net.validation_step(self.validation.tensors)["loss"].item()
        self.best_loss_, self.best_epoch_ = start, 0
        self.best_state_ = copy.deepcopy(net.module_.state_dict())

    def on_epoch_end(self, net, **kwargs):
        epoch, loss = net.history[-1, "epoch"], net.history[-1, "valid_loss"]
        if loss < self.best_loss_:
            self.best_loss_, self.best_epoch_ = loss, epoch
            self.best_state_ = copy.deepcopy(net.module_.state_dict())
        elif epoch - self.best_epoch_ >= self.n_iter_no_change:
            raise _StopTraining

    def on_train_end(self, net, **kwargs):
        net.module_.load_state_dict(self.best_state_)


def _diverged(lr):
    return (
        f"The likely cause is the learning rate. Lower lr (got {lr}), or look for rows "
        "of X and values of y on another scale than the others."
    )


class _RaiseOnDivergence(Callback):
    """Stop at the first epoch whose loss is not finite: it would only train on NaN."""

    def on_epoch_end(self, net, **kwargs):
        if not math.isfinite(net.history[-1, "train_loss"]):
            raise FloatingPointError(
                f"The training loss became {net.history[-1, 'train_loss']} at epoch "
                f"{net.history[-1, 'epoch']}. {_diverged(net.lr)}"
            )


class _WholeBatches:
    """Yield whole batches of a TensorDataset, by one indexing operation each.

    torch's own loader calls Python once a row, which for spectra costs more
    than the model.
    """

    def __init__(self, dataset, batch_size, shuffle):
        self.tensors = dataset.tensors
        self.batch_size = batch_size
        self.order = torch.randperm if shuffle else torch.arange

    def __iter__(self):
        order = self.order(len(self.tensors[0]), device=self.tensors[0].device)
        for rows in order.split(self.batch_size):
            yield tuple(tensor[rows] for tensor in self.tensors)


class _Net(NeuralNet):
    """skorch's net around an objective: a module whose output is the loss."""

    def __init__(
        self, *args, autocast=None, mask_token_lr=None, schedule=None, **kwargs
    ):
        self.autocast, self.mask_token_lr = autocast, mask_token_lr
        self.schedule = schedule
        super().__init__(*args, **kwargs)

    def initialize(self):
        super().initialize()
        # Once, and not by callbacks: they would be asked before and after each step.
        self.clipped = [*self.module_.parameters()]
        self.scheduler = LambdaLR(self.optimizer_, self.schedule)
        return self

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Leave biases, norms and single vectors out of the weight decay."""
        _, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        matrices, vectors, mask_tokens = [], [], []
        for name, parameter in self.module_.named_parameters():
            if name.endswith("mask_token"):
                mask_tokens.append(parameter)
            else:
                (matrices if parameter.ndim > 1 else vectors).append(parameter)
        undecayed = {"weight_decay": 0.0}
        groups = [
            {"params": matrices},
            {"params": vectors, **undecayed},
            {"params": mask_tokens, "lr": self.mask_token_lr, **undecayed},
        ]
        return ([group for group in groups if group["params"]],), kwargs

    def get_default_callbacks(self):
        return [("print_log", PrintLog())] if self.verbose else []

    def infer(self, x, **fit_params):
        device = torch.device(self.device).type
        with torch.autocast(device, self.autocast, enabled=self.autocast is not None):
            return self.module_(*x)

    def train_step(self, batch, **fit_params):
        step = super().train_step(batch, **fit_params)
        self.scheduler.step()
        return step

    def train_step_single(self, batch, **fit_params):
        if not self.module_.training:  # a callback may have evaluated
            self._set_training(True)
        loss = self.infer(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.clipped, _MOST_GRADIENT)
        return {"loss": loss, "y_pred": loss}

    def validation_step(self, batch, **fit_params):
        self._set_training(False)
        with torch.no_grad():
            return {"loss": self.infer(batch)}

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run an epoch; the loss is fetched from the device once, at its end."""
        if iterator is None:
            return
        self._set_training(training)
        total, n_rows = 0.0, 0
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            total = total + step["loss"].detach() * len(batch[0])
            n_rows += len(batch[0])
            self.notify("on_batch_end", batch=batch, training=training, **step)
        self.history.record(prefix + "_loss", (total / n_rows).item())


_SETTINGS = {  # of skorch's net, the same for every training
    "criterion": nn.Identity,
    "optimizer": torch.optim.AdamW,
    "iterator_train": _WholeBatches,
    "iterator_train__shuffle": True,
    "iterator_valid": _WholeBatches,
    "iterator_valid__shuffle": False,
    "train_split": None,
}


def _warmup_then_cosine(n_steps: int, warmup: float) -> Callable[[int], float]:
    """Return the factor of the learning rate at each step: up a line, down a cosine."""
    n_warmup = max(1, round(warmup * n_steps))

    def factor(step):
        if step < n_warmup:
            return (step + 1) / n_warmup
        done = (step - n_warmup) / max(1, n_steps - n_warmup)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    return factor


def count_steps(n_samples: int, batch_size: int, max_epochs: int) -> int:
    """Return how many training steps that makes; the last batch may be smaller.

    Parameters
    ----------
    n_samples : int
        Number of spectra.
    batch_size : int
        Number of spectra of one step.
    max_epochs : int
        Number of passes over them.

    Returns
    -------
    int
        Number of steps.
    """
    return max_epochs * math.ceil(n_samples / batch_size)


def train(
    build: Callable[[], nn.Module],
    *arrays: np.ndarray,
    seed: int,
    lr: float,
    weight_decay: float,
    warmup: float,
    max_epochs: int,
    batch_size: int,
    mask_token_lr_scale: float = 1.0,
    validation: tuple[np.ndarray, ...] | None = None,
    n_iter_no_change: int = 20,
    device: str = "auto",
    precision: str = "auto",
    compile: bool = False,
    callbacks: list | None = None,
    verbose: int = 0,
) -> TrainingResult:
    """Build an objective and make it small with AdamW.

    The learning rate climbs for the `warmup` fraction of the steps and falls
    along half a cosine to zero; gradients are clipped to norm 1; biases, norms
    and single vectors are not decayed.

    Parameters
    ----------
    build : callable
        Returns a module whose forward takes one batch of each array and
        returns the loss; its `network` is what is trained and has an `encoder`.
        Called under `seed`, so that its initial weights are repeatable.
    *arrays : ndarray of shape (n_samples, ...)
        Training data, float32.
    seed : int
        Decides everything random; torch's global generator is left as it was.
    lr, weight_decay, warmup, max_epochs, batch_size
        As in the estimators. With `max_epochs=0` the module comes back untrained.
    mask_token_lr_scale : float, default=1.0
        Learning rate of mask tokens, as a multiple of `lr`.
    validation : tuple of ndarray, optional
        Data like `arrays`: training stops when their loss has not fallen for
        `n_iter_no_change` epochs and the best weights come back.
    n_iter_no_change : int, default=20
        Patience, in epochs; ignored without `validation`.
    device, precision, compile, callbacks, verbose
        As in the estimators.

    Returns
    -------
    TrainingResult
        The trained module and its curves.

    Raises
    ------
    ValueError
        If the device is not there, a callback cannot be used, or there is no compiler.
    FloatingPointError
        If the loss or a weight is no longer finite.
    """
    where = resolve_device(device)
    _refuse_early_stopping(callbacks or [])
    if compile and where.type == "cpu":
        _require_compiler()
    # manual_seed seeds every GPU, whichever is used.
    gpus = range(torch.cuda.device_count())
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        module = build()
        if max_epochs == 0:
            return TrainingResult(module.eval(), [], [])
        n_rows = min(batch_size, len(arrays[0]))
        n_steps = count_steps(len(arrays[0]), batch_size, max_epochs)
        own = [("divergence", _RaiseOnDivergence())]
        if validation is not None:
            validation = _on_device(validation, where)
            own.append(("patience", _EarlyStopping(n_iter_no_change, validation)))
        net = _Net(
            module,
            autocast=autocast_dtype(module.network, n_rows, precision, where),
            mask_token_lr=mask_token_lr_scale * lr,
            schedule=_warmup_then_cosine(n_steps, warmup),
            optimizer__weight_decay=weight_decay,
            optimizer__fused=where.type in ("cpu", "cuda"),
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            callbacks=[*own, *(callbacks or [])],
            verbose=verbose,
            device=where,
            **_SETTINGS,
        )
        if validation is not None:
            net.train_split = predefined_split(validation)
        with _compiled(module.network, where) if compile else contextlib.nullcontext():
            return _run(net, _on_device(arrays, where))


def autocast_dtype(
    network: nn.Module, n_rows: int, precision: str, device: torch.device
) -> torch.dtype | None:
    """Return what products of a training are rounded to, or None for float32.

    Parameters
    ----------
    network : nn.Module
        With a SpectralEncoder as `encoder`.
    n_rows : int
        Number of spectra of a batch.
    precision : {"auto", "float32", "bfloat16"}
        As in the estimators.
    device : torch.device
        Where the training runs.

    Returns
    -------
    torch.dtype or None
        torch.bfloat16 or None.
    """
    encoder = network.encoder
    n_numbers = n_rows * encoder.n_tokens * encoder.embed_dim
    return resolve_precision(precision, device, n_numbers)


def _refuse_early_stopping(callbacks):
    if any(isinstance(callback, EarlyStopping) for callback in callbacks):
        raise ValueError(
            "callbacks must not hold skorch's EarlyStopping: it stops by the signal of "
            "Ctrl-C, which would reach the caller. Use early_stopping=True where the "
            "estimator has it, or fewer epochs."
        )


def _require_compiler():
    names = ("g++", "clang++", "c++", "cl", os.environ.get("CXX", ""))
    if not any(map(shutil.which, names)):
        raise ValueError(
            "compile=True needs a C++ compiler such as g++ on a CPU, and none was "
            "found. Install one, or set compile=False."
        )


@contextlib.contextmanager
def _compiled(network, device):
    """Have torch compile a network, and forget the code afterwards.

    The network alone: what is drawn and counted changes from step to step. torch keeps
    eight networks only; the ninth would not be compiled, without a word.
    """
    # On a GPU the launches of a step are recorded and played as one, which torch can do
    # in the main thread only.
    in_main = threading.current_thread() is threading.main_thread()
    recorded = device.type == "cuda" and in_main
    network.compile(mode="reduce-overhead" if recorded else "default")
    try:
        yield
    finally:
        vars(network).pop("_compiled_call_impl")
        torch.compiler.reset()


def _on_device(arrays, device):
    return TensorDataset(*(torch.from_numpy(array).to(device) for array in arrays))


def _run(net: NeuralNet, dataset: TensorDataset) -> TrainingResult:
    """Run skorch's loop without its `fit`, which would swallow Ctrl-C."""
    net.initialize()
    net.notify("on_train_begin", X=dataset, y=None)
    with contextlib.suppress(_StopTraining):
        net.fit_loop(dataset)
    net.notify("on_train_end", X=dataset, y=None)
    module = net.module_.cpu().eval().requires_grad_(True)
    module.zero_grad(set_to_none=True)
    if not all(tensor.isfinite().all() for tensor in module.parameters()):
        raise FloatingPointError(
            f"A weight is no longer finite after epoch {len(net.history)}. "
            f"{_diverged(net.lr)}"
        )
    valid = net.history[:, "valid_loss"] if "valid_loss" in net.history[-1] else []
    return TrainingResult(module, net.history[:, "train_loss"], valid)


def training_parameters(parameters: dict) -> dict:
    """Pick what `train` takes out of an estimator's parameters: the names agree.

    Parameters
    ----------
    parameters : dict
        As `get_params(deep=False)` gives them.

    Returns
    -------
    dict
        Keyword arguments of `train`.
    """
    taken = inspect.signature(train).parameters
    return {name: value for name, value in parameters.items() if name in taken}
