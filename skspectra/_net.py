"""skorch's net around an objective, and what it does between batches.

The only importer of skorch. A net can say all that the rest of a training depends on,
and be brought back to it. skorch's own saving is not used: it leaves out the random
numbers, the order of the rows and the state of early stopping.
"""

import copy
import math
from dataclasses import dataclass
from time import perf_counter

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, PrintLog
from skorch.helper import predefined_split
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from skspectra._batches import HeldRows
from skspectra._checkpoint import Checkpoint
from skspectra._parts import StepInParts
from skspectra._processes import ALONE, Processes

__all__ = ["StopTraining", "build_net", "diverged", "refuse_early_stopping"]

# Longer gradients, all parameters together, are cut to this norm.
_MOST_GRADIENT = 1.0
# After a checkpoint there is none for so many times as long as it took: a twentieth of
# the time at most goes into them, however short the epochs.
_REST = 20
_ALL = slice(None)


class StopTraining(Exception):
    """Raised once all have been told of the last epoch; skorch would interrupt."""


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
        self.over_ = False

    def on_epoch_end(self, net, **kwargs):
        epoch, loss = net.history[-1, "epoch"], net.history[-1, "valid_loss"]
        if loss < self.best_loss_:
            self.best_loss_, self.best_epoch_ = loss, epoch
            self.best_state_ = copy.deepcopy(net.module_.state_dict())
        elif epoch - self.best_epoch_ >= self.n_iter_no_change:
            self.over_ = True

    def on_train_end(self, net, **kwargs):
        net.module_.load_state_dict(self.best_state_)


def diverged(lr):
    """Say what to do about a training that diverges."""
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
                f"{net.history[-1, 'epoch']}. {diverged(net.lr)}"
            )


class _Batches:
    """The batches of rows, whole ones as torch's own loader does not give them.

    It calls Python once a row, which for spectra costs more than the model.
    """

    def __init__(self, rows, batch_size, shuffle, own=_ALL):
        self.rows, self.batch_size = rows, int(batch_size)  # torch wants no numpy here
        self.shuffle, self.own = shuffle, own

    def draw(self):
        if self.shuffle:
            return self.rows.draw()
        return torch.arange(len(self.rows), device=self.rows.tensors[0].device)

    def after(self, drawn, n_done):
        return self.rows.batches(drawn, n_done, self.batch_size, self.own)


@dataclass
class _Epoch:
    """How far a pass over the data has come."""

    drawn: Tensor  # what the order of all rows follows from
    n_rows: int = 0  # of them done
    total: Tensor | float = 0.0  # of their losses
    random: dict | None = None  # states of the generators, where it goes on


class Net(NeuralNet):
    """skorch's net around an objective: a module whose output is the loss.

    With `save`, a function of a Checkpoint, that is called every `save_every` steps, or
    more rarely where it takes long. `epochs` is told of each epoch, as
    scikit-learn's callbacks are, and may end the training; `progress` of each step.
    `processes` share each step; one computes at most `n_at_once` rows at a time.
    """

    def __init__(
        self,
        *args,
        autocast=None,
        mask_token_lr=None,
        schedule=None,
        patience=None,
        save=None,
        save_every=1,
        epochs=None,
        processes=ALONE,
        n_at_once=math.inf,
        **kwargs,
    ):
        self.autocast, self.mask_token_lr = autocast, mask_token_lr
        self.schedule, self.patience = schedule, patience
        self.save, self.save_every = save, save_every
        self.epochs, self.progress = epochs, None
        self.processes, self.n_at_once = processes, n_at_once
        super().__init__(*args, **kwargs)

    def initialize(self):
        super().initialize()
        # Once, and not by callbacks: they would be asked before and after each step.
        self.clipped = [*self.module_.parameters()]
        self.scheduler = LambdaLR(self.optimizer_, self.schedule)
        self.interrupted, self.due, self.rests_until = None, self.save_every, 0.0
        self.in_parts = None
        if self.processes.count > 1 or self.n_at_once < self.batch_size:
            self.in_parts = StepInParts(self.module_, self.processes, self.n_at_once)
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
        return [("print_log", PrintLog())] if self.verbose > 1 else []

    def infer(self, x, **fit_params):
        with self._rounding():
            return self.module_(*x)

    def _rounding(self):
        device = torch.device(self.device).type
        return torch.autocast(device, self.autocast, enabled=self.autocast is not None)

    def train_step(self, batch, **fit_params):
        step = super().train_step(batch, **fit_params)
        self.scheduler.step()
        if self.progress is not None:
            self.progress.update()
        return step

    def train_step_single(self, batch, n_rows, **fit_params):
        if not self.module_.training:  # a callback may have evaluated
            self._set_training(True)
        if self.in_parts is not None:
            loss = self.in_parts(batch, n_rows, self._rounding)
        else:
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
        epoch = self.interrupted or _Epoch(iterator.draw())
        self.interrupted = None
        if epoch.random:  # callbacks that draw have been told twice that it begins
            self._set_random(epoch.random)
        for batch, n_rows in iterator.after(epoch.drawn, epoch.n_rows):
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, n_rows=n_rows, **fit_params)
            epoch.total = epoch.total + step["loss"].detach() * n_rows
            epoch.n_rows += n_rows
            self.notify("on_batch_end", batch=batch, training=training, **step)
            if training and epoch.n_rows < len(iterator.rows):
                self._save_if_due(epoch)
        self.history.record(prefix + "_loss", (epoch.total / epoch.n_rows).item())

    def notify(self, method_name, **kwargs):
        with self.processes.alike():
            super().notify(method_name, **kwargs)
            if method_name == "on_epoch_begin" and self.epochs is not None:
                self.epochs.begin()
        if method_name == "on_epoch_end":  # every callback has been told, in any order
            self._end_epoch()

    def _end_epoch(self):
        if self.progress is not None:
            self.progress.say(self.so_far())
        over = self.epochs is not None and self.processes.agree(
            lambda: self.epochs.end(self.module_)
        )
        if over or (self.patience is not None and self.patience.over_):
            raise StopTraining
        self._save_if_due()

    def so_far(self):
        """Return in words how many epochs are done, and how small the losses are."""
        said = f"{len(self.history)}/{self.max_epochs} epochs"
        for name, words in _CURVES.items():
            if self.history and name in self.history[-1]:
                said += f", {words} {self.history[-1, name]:.3g}"
        return said

    def _save_if_due(self, epoch=None):
        n_steps, start = self.scheduler.last_epoch, perf_counter()
        if self.save is None or n_steps < self.due or start < self.rests_until:
            return
        self.save(self.checkpoint(epoch))
        self.due = n_steps + self.save_every
        end = perf_counter()
        self.rests_until = end + _REST * (end - start)

    def checkpoint(self, epoch=None):
        """Return all that the rest of the training depends on.

        `epoch` is the one that is running, None between two.
        """
        n_done = len(self.history) - (epoch is not None)
        state = {
            "n_steps": self.scheduler.last_epoch,
            "history": [
                {name: row[name] for name in _CURVES if name in row}
                for row in self.history[:n_done]
            ],
        }
        tensors = _named("weights", self.module_.state_dict())
        for number, moments in self.optimizer_.state_dict()["state"].items():
            tensors |= _named(f"optimizer.{number}", moments)
        tensors["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        if epoch is not None:
            state["n_rows"] = epoch.n_rows
            tensors |= {"epoch.drawn": epoch.drawn, "epoch.total": epoch.total}
        if self.patience is not None:
            state["best"] = [self.patience.best_loss_, self.patience.best_epoch_]
            tensors |= _named("best", self.patience.best_state_)
        return Checkpoint(tensors, state)

    def restore(self, checkpoint):
        """Go back to where a checkpoint was taken; the net is initialised."""
        tensors, state = checkpoint
        self.module_.load_state_dict(_part(tensors, "weights"))
        optimizer = self.optimizer_.state_dict()
        optimizer["state"] = {
            number: moments
            for number in range(len(self.clipped))
            if (moments := _part(tensors, f"optimizer.{number}"))
        }
        self.optimizer_.load_state_dict(optimizer)
        self.scheduler.last_epoch = state["n_steps"]
        for group in self.optimizer_.param_groups:
            group["lr"] = group["initial_lr"] * self.schedule(state["n_steps"])
        for number, curves in enumerate(state["history"], 1):
            self.history.new_epoch()
            for name, value in {"epoch": number, **curves}.items():
                self.history.record(name, value)
        random = _part(tensors, "random")
        self._set_random(random)
        if "n_rows" in state:
            drawn, total = (
                tensors[f"epoch.{name}"].to(self.device) for name in ("drawn", "total")
            )
            self.interrupted = _Epoch(drawn, state["n_rows"], total, random)
        if self.patience is not None:
            self.patience.best_loss_, self.patience.best_epoch_ = state["best"]
            self.patience.best_state_ = _part(tensors, "best")
        self.due = state["n_steps"] + self.save_every

    def _set_random(self, states):
        torch.set_rng_state(states["cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], self.device)


def _named(prefix, tensors):
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _part(tensors, prefix):
    """Undo `_named`."""
    start = f"{prefix}."
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }


_CURVES = {"train_loss": "loss", "valid_loss": "validation"}
_SETTINGS = {  # of skorch's net, the same for every training
    "criterion": nn.Identity,
    "optimizer": torch.optim.AdamW,
    "iterator_train": _Batches,
    "iterator_train__shuffle": True,
    "iterator_valid": _Batches,
    "iterator_valid__shuffle": False,
}


def build_net(
    module: nn.Module,
    *,
    device: torch.device,
    validation: HeldRows | None,
    n_iter_no_change: int,
    callbacks: list,
    verbose: int,
    processes: Processes,
    **settings,
) -> Net:
    """Return a net, not yet initialised, that stops as is asked for.

    Parameters
    ----------
    module : nn.Module
        The objective.
    device : torch.device
        Where it is to run.
    validation : HeldRows or None
        With it, training stops early.
    n_iter_no_change : int
        Patience, in epochs.
    callbacks : list
        The user's.
    verbose : int
        As in the estimators.
    processes : Processes
        What trains together. Callbacks and users are told by the first of them.
    **settings
        Of the net.

    Returns
    -------
    Net
        The net.
    """
    own, split = [("divergence", _RaiseOnDivergence())], None
    patience = None
    if validation is not None:
        patience = _EarlyStopping(n_iter_no_change, validation)
        own.append(("patience", patience))
        split = predefined_split(validation)
    return Net(
        module,
        device=device,
        optimizer__fused=device.type in ("cpu", "cuda"),
        callbacks=[*own, *callbacks] if processes.is_first else own,
        verbose=verbose if processes.is_first else 0,
        processes=processes,
        iterator_train__own=processes.own,
        patience=patience,
        train_split=split,
        **_SETTINGS,
        **settings,
    )


def refuse_early_stopping(callbacks: list) -> None:
    """Refuse callbacks whose signal would reach the caller as Ctrl-C."""
    if any(isinstance(callback, EarlyStopping) for callback in callbacks):
        raise ValueError(
            "callbacks must not hold skorch's EarlyStopping: it stops by the signal of "
            "Ctrl-C, which would reach the caller. Use early_stopping=True where the "
            "estimator has it, or fewer epochs."
        )
