"""The training loop. skorch runs it; nothing of skorch outlives a call of `train`."""

import contextlib
import inspect
import math
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Number

import numpy as np
import torch
from torch import nn

from skspectra._batches import HeldRows, StreamedRows
from skspectra._checkpoint import CheckpointFolder, differences
from skspectra._inference import explaining_memory, resolve_device, resolve_precision
from skspectra._inputs import warn_caller
from skspectra._net import StopTraining, build_net, diverged, refuse_early_stopping
from skspectra._processes import ALONE, Processes
from skspectra._progress import show_progress
from skspectra._provenance import fingerprint, versions
from skspectra._seeding import seeded
from skspectra.exceptions import CheckpointError


@dataclass
class TrainingResult:
    """What a training leaves behind."""

    module: nn.Module  # on the CPU, in eval mode
    loss_curve: list[float]  # training loss of each epoch
    validation_curve: list[float]  # empty without validation data


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
    build: Callable[[int], nn.Module],
    rows: HeldRows | StreamedRows,
    *,
    seed: int,
    lr: float,
    weight_decay: float,
    warmup: float,
    max_epochs: int,
    batch_size: int,
    mask_token_lr_scale: float = 1.0,
    validation: HeldRows | None = None,
    n_iter_no_change: int = 20,
    device: str = "auto",
    precision: str = "auto",
    compile: bool = False,
    checkpoint_dir: str | os.PathLike | None = None,
    checkpoint_every: float = 1,
    described: dict | None = None,
    callbacks: list | None = None,
    verbose: int = 0,
    what: str = "training",
    epochs: object = None,
    processes: Processes = ALONE,
) -> TrainingResult:
    """Build an objective and make it small with AdamW.

    The learning rate climbs for the `warmup` fraction of the steps and falls
    along half a cosine to zero; gradients are clipped to norm 1; biases, norms
    and single vectors are not decayed.

    Parameters
    ----------
    build : callable
        Takes the number of steps. Returns a module whose forward takes a batch of
        `rows` and returns the loss; its `network` is what is trained and has an
        `encoder`. Called under `seed`, so that its initial weights are repeatable.
    rows : HeldRows or StreamedRows
        Training data, float32, spectra first.
    seed : int
        Decides everything random; torch's global generator is left as it was.
    lr, weight_decay, warmup, max_epochs, batch_size
        As in the estimators. With `max_epochs=0` the module comes back untrained.
    mask_token_lr_scale : float, default=1.0
        Learning rate of mask tokens, as a multiple of `lr`.
    validation : HeldRows, optional
        Data like `rows`: training stops when their loss has not fallen for
        `n_iter_no_change` epochs and the best weights come back.
    n_iter_no_change : int, default=20
        Patience, in epochs; ignored without `validation`.
    device, precision, compile, checkpoint_dir, checkpoint_every, callbacks, verbose
        As in the estimators.
    described : dict, optional
        All parameters, those that `build` knows too, that make this training another
        one than that of a checkpoint, `random_state` among them: numbers, strings,
        None and arrays by name.
    what : str, default="training"
        What the progress is headed by.
    epochs : TrainingEpochs, optional
        Told of each epoch; it may end the training.
    processes : Processes, default=ALONE
        What trains together: `batch_size` rows of each are a step. The module is then
        a ReconstructionObjective.

    Returns
    -------
    TrainingResult
        The trained module and its curves.

    Raises
    ------
    ValueError
        If the device is not there, a callback cannot be used, or there is no compiler.
    CheckpointError
        If a checkpoint is damaged, in use, or of another training.
    OSError
        If `checkpoint_dir` is no folder that can be written to.
    FloatingPointError
        If the loss or a weight is no longer finite.
    """
    where = processes.device or resolve_device(device)
    refuse_early_stopping(callbacks or [])
    _check_compiler(compile, where)
    with (
        seeded(seed),
        _opened(checkpoint_dir if max_epochs else None, processes) as (folder, found),
        explaining_memory(rows.n_channels, batch_size),
    ):
        in_step, n_steps = _steps(len(rows), batch_size, max_epochs, processes, found)
        module = build(n_steps)
        if max_epochs == 0:
            return TrainingResult(module.eval(), [], [])
        precision, n_rows = processes.precision(precision), min(in_step, len(rows))
        net = build_net(
            module,
            validation=validation and validation.to(where),
            n_iter_no_change=n_iter_no_change,
            callbacks=callbacks or [],
            autocast=autocast_dtype(module.network, n_rows, precision, where),
            mask_token_lr=mask_token_lr_scale * lr,
            schedule=_warmup_then_cosine(n_steps, warmup),
            optimizer__weight_decay=weight_decay,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=in_step,
            n_at_once=batch_size,
            processes=processes,
            verbose=int(verbose),
            epochs=epochs,
            device=where,
        )
        keep = partial(_keep, net, folder, found, described, rows, checkpoint_every)
        processes.agree(keep)
        with _compiled(module.network, where) if compile else contextlib.nullcontext():
            return _run(net, rows.to(where), found, what, n_steps)


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


def _check_compiler(compile, device):
    names = ("g++", "clang++", "c++", "cl", os.environ.get("CXX", ""))
    if compile and device.type == "cpu" and not any(map(shutil.which, names)):
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


@contextlib.contextmanager
def _opened(checkpoint_dir, processes):
    """Yield the folder of the checkpoints, in the first process, and the newest one."""
    with contextlib.ExitStack() as stack:
        folder, found = None, None

        def load():
            nonlocal folder
            folder = stack.enter_context(CheckpointFolder(checkpoint_dir))
            return folder.load()

        if checkpoint_dir is not None:
            found = processes.agree(load)
        yield folder, found


def _steps(n_samples, batch_size, max_epochs, processes, found):
    """Return the number of rows of a training step, and the number of steps.

    On other processes a training goes on with the steps that it began with: each takes
    more or fewer of their rows.
    """
    in_step = processes.count * processes.n_parts * batch_size
    if found is not None and found.state.get("batch_size") == batch_size:
        in_step = found.state["origin"]["batch_size"]
    return in_step, count_steps(n_samples, in_step, max_epochs)


def _origin(net, described, rows):
    """Return what a training is made of, in a form that can be kept and compared."""
    held_out = net.patience and {"validation data": net.patience.validation.identity}
    return {
        "data": rows.identity,
        **(held_out or {}),
        "device": net.device.type,
        "arithmetic": str(net.autocast),
        **{name: _comparable(value) for name, value in (described or {}).items()},
        "batch_size": net.batch_size,
        **{f"version of {name}": number for name, number in versions().items()},
    }


def _comparable(value):
    """Return a value as JSON keeps it: of long arrays the fingerprint."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Number):
        return value.item() if isinstance(value, np.generic) else value
    array = np.asarray(value, dtype=np.float64)
    short = array.size <= 8 and not np.isnan(array).any()  # NaN is unlike itself
    return array.tolist() if short else fingerprint(array)


def _keep(net, folder, found, described, rows, every):
    """Have a net save itself to a folder, unless its checkpoint is of other origin."""
    if folder is None:
        return
    origin = _origin(net, described, rows)
    machine = {
        "n_processes": net.processes.count,
        "n_threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
    if net.device.type == "cuda":
        machine["gpu"] = torch.cuda.get_device_name(net.device)
    if found is not None:
        if other := differences(found.state["origin"], origin):
            raise CheckpointError(
                f"The checkpoints in {str(folder.folder)!r} are of another training: "
                f"{other}. Make these equal, or take another checkpoint_dir; in a "
                "cross-validation, where each fold is another training, take None."
            )
        other = differences(found.state["machine"], machine)
        if other and not found.state["finished"]:
            warn_caller(
                f"The training goes on under other conditions: {other}. The last "
                "digits will differ from those of an uninterrupted training."
            )
        if net.verbose > 1:
            print(f"Going on after step {found.state['n_steps']}.")
    common = {"origin": origin, "machine": machine, "batch_size": net.n_at_once}

    def save(checkpoint, finished=False):
        checkpoint.state.update(common, finished=finished)
        folder.save(checkpoint)

    every *= count_steps(len(rows), net.batch_size, max_epochs=1)
    net.set_params(save=save, save_every=max(1, round(every)))


def _run(net, rows, found, what, n_steps):
    """Run skorch's loop without its `fit`, which would swallow Ctrl-C."""
    net.initialize()
    finished = found is not None and found.state["finished"]
    if not finished:
        net.notify("on_train_begin", X=rows, y=None)
    if found is not None:  # after all that callbacks have done
        net.restore(found)
    if not finished:
        with (
            contextlib.suppress(StopTraining),
            _shown(net, what, n_steps),
            net.processes.watched(),
        ):
            net.fit_loop(rows, epochs=net.max_epochs - len(net.history))
        net.notify("on_train_end", X=rows, y=None)
        _check_weights(net)
        net.processes.equalise(net.module_)
        net.processes.agree(
            lambda: net.save and net.save(net.checkpoint(), finished=True)
        )
    module = net.module_.cpu().eval().requires_grad_(True)
    module.zero_grad(set_to_none=True)
    valid = net.history[:, "valid_loss"] if "valid_loss" in net.history[-1] else []
    return TrainingResult(module, net.history[:, "train_loss"], valid)


@contextlib.contextmanager
def _shown(net, what, n_steps):
    """Show the progress of a net that is about to train, however that ends."""
    if net.verbose != 1:
        yield
        return
    done = net.scheduler.last_epoch
    net.progress = progress = show_progress(what, n_steps, done, net.so_far())
    try:
        yield
    except StopTraining:
        progress.say(f"{net.so_far()}, stopped early")
        raise
    finally:
        progress.close()


def _check_weights(net):
    if not all(tensor.isfinite().all() for tensor in net.module_.parameters()):
        raise FloatingPointError(
            f"A weight is no longer finite after {len(net.history)} epochs. "
            f"{diverged(net.lr)}"
        )


def first_seed(checkpoint_dir: str | os.PathLike) -> int | None:
    """Return the `random_state` of the training that left checkpoints in a folder.

    Parameters
    ----------
    checkpoint_dir : str or os.PathLike
        The folder.

    Returns
    -------
    int or None
        None where there is no checkpoint.

    Raises
    ------
    CheckpointError
        If the checkpoint is damaged.
    OSError
        If `checkpoint_dir` is no folder that can be written to.
    """
    found = CheckpointFolder(checkpoint_dir).load()
    return None if found is None else found.state["origin"].get("random_state")


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
