"""The processes of a launch, which train one model together.

`accelerate launch` and torchrun start them, and tell each in environment variables
which one it is. accelerate finds each its device and connects them, torch's
DistributedDataParallel adds their gradients up. The only importer of accelerate.
"""

import atexit
import contextlib
import functools
import inspect
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

__all__ = ["ALONE", "Processes", "launched"]

# How long one waits for the others. The first process reads a whole corpus while the
# others wait: ten terabytes take three hours. Death is found out at once, not by this.
_PATIENCE = timedelta(hours=6)
# What launchers set. WORLD_SIZE alone is set by others too, and by hand.
_OF_TORCHRUN = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR"}
_OF_ACCELERATE = {
    "ACCELERATE_MIXED_PRECISION",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS",
}
# Seconds for threads that wait for Python's lock: they get it within milliseconds.
_REST = 0.1
# What accelerate can be configured for, and is not done here.
_OTHERS = {
    "FSDP": "USE_FSDP",
    "DeepSpeed": "USE_DEEPSPEED",
    "Megatron": "USE_MEGATRON_LM",
}


class Processes:
    """The processes that train together, seen from one of them.

    Parameters
    ----------
    rank : int, default=0
        Number of this process, the first being 0.
    count : int, default=1
        How many there are.
    n_parts : int, default=1
        In how many parts each computes its share of a training step, one after the
        other: gradient accumulation.
    device : torch.device, default=None
        Where this process computes; None leaves it to the estimator.
    rounded : bool, default=False
        Whether the launch asks for products in bfloat16.
    advice : str, default=""
        What to do once a process has died.
    """

    def __init__(
        self,
        rank: int = 0,
        count: int = 1,
        n_parts: int = 1,
        device: torch.device | None = None,
        rounded: bool = False,
        advice: str = "",
    ) -> None:
        self.rank, self.count, self.n_parts = rank, count, n_parts
        self.device, self.rounded, self.advice = device, rounded, advice

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and speaks for all."""
        return self.rank == 0

    @property
    def own(self) -> slice:
        """Which rows of a training step are this process's."""
        return slice(self.rank, None, self.count)

    def precision(self, asked: str) -> str:
        """Return what the launch makes of an estimator's `precision`.

        Parameters
        ----------
        asked : str
            The estimator's; what is not "auto" stays.

        Returns
        -------
        str
            Likewise.
        """
        return "bfloat16" if self.rounded and asked == "auto" else asked

    def agree(self, function: Callable[[], Any]) -> Any:
        """Have the first process call a function, and all return what it returned.

        Parameters
        ----------
        function : callable
            Takes nothing; what it returns can be pickled.

        Returns
        -------
        object
            What it returned in the first process.

        Raises
        ------
        BaseException
            What it raised there, in every process.
        """
        if self.count == 1:
            return function()
        result, error = None, None
        if self.is_first:
            try:
                with self.alike():
                    result = function()
            except BaseException as raised:
                error = raised
        said = [result, _portable(error)]
        with self.explaining():
            dist.broadcast_object_list(said, src=0)
        if error is not None or (error := said[1]) is not None:
            raise error
        return said[0]

    def check_same(self, what: Callable[[], Any], message: str) -> None:
        """Refuse what is not the same in all processes.

        Parameters
        ----------
        what : callable
            Takes nothing; what it returns is compared with that of the first process.
        message : str
            Of the error.

        Raises
        ------
        ValueError
            If it is another in one of them; in every process.
        """
        if self.count == 1:
            return
        own = what()
        others = torch.tensor(float(self.agree(lambda: own) != own), device=self.device)
        self.sum(others)
        if others:
            raise ValueError(f"{message} Got another in {others:.0f} of {self.count}.")

    def sum(self, tensor: Tensor) -> None:
        """Add up a tensor over the processes, in place.

        Parameters
        ----------
        tensor : Tensor
            Of one shape in all.
        """
        if self.count > 1:
            with self.explaining():
                dist.all_reduce(tensor)

    def equalise(self, module: nn.Module) -> None:
        """Give a module the weights that it has in the first process.

        Those of other processors may differ in the last digits.

        Parameters
        ----------
        module : nn.Module
            On the device of the training.
        """
        if self.count > 1:
            with self.explaining():
                for weight in module.parameters():
                    dist.broadcast(weight.detach(), src=0)

    def shared(self, module: nn.Module) -> nn.Module:
        """Return a module whose gradients are the means over the processes.

        Parameters
        ----------
        module : nn.Module
            It keeps its weights, and gets the gradients.

        Returns
        -------
        nn.Module
            To be called in its place; has `no_sync`.
        """
        if self.count == 1:
            return module
        # Buffers are constants. What says so was renamed in torch 2.13.
        names = inspect.signature(DistributedDataParallel).parameters
        new, old = "forward_sync_buffers", "broadcast_buffers"
        with self.explaining():
            return DistributedDataParallel(
                module, **{new if new in names else old: False}
            )

    def alike(self) -> contextlib.AbstractContextManager:
        """Leave torch's generators as they were: what draws may run in one process.

        Returns
        -------
        context manager
            Nothing where there is one process.
        """
        if self.count == 1:
            return contextlib.nullcontext()
        on_gpu = self.device is not None and self.device.type == "cuda"
        return torch.random.fork_rng([self.device] if on_gpu else [])

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Say in words what it means that another process does not answer.

        Raises
        ------
        ConnectionError
            If one has died.
        """
        try:
            yield
        except RuntimeError as error:
            if self.count == 1 or not _is_of_connection(error):
                raise
            message = (
                "Another process of this launch has died, or its connection broke: "
                f"process {self.rank} of {self.count}, counted from 0, waited for it "
                "in vain. What it died of stands in its own messages and in the "
                f"launcher's report. {self.advice}"
            )
            _say(message)  # the launcher may not leave the time for a traceback
            raise ConnectionError(f"{message} ({error})") from error

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Leave a message if this process is told to end meanwhile.

        Launchers tell it to those that are left, and it may be computing at that time.
        """
        if self.count == 1 or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            yield
            return

        def end(number, frame):
            _say(
                f"Process {self.rank} of {self.count}, counted from 0, was told to end "
                "(SIGTERM), as launchers do when another process of the launch has "
                f"died. {self.advice}"
            )
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        signal.signal(signal.SIGTERM, end)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


ALONE = Processes()


def launched(
    device: str = "auto", checkpoint_dir: str | os.PathLike | None = None
) -> Processes:
    """Return the processes that this one was launched with, connected.

    Parameters
    ----------
    device : str, default="auto"
        As in the estimators.
    checkpoint_dir : str or os.PathLike, default=None
        As in the estimators.

    Returns
    -------
    Processes
        `ALONE` in an ordinary process, and in workers of joblib and dask and other
        threads, which inherit the environment.

    Raises
    ------
    ImportError
        If accelerate is missing.
    ValueError
        If the launch asks for what this package has not.
    """
    if not _is_launched():
        return ALONE
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ImportError(
            "This process was launched as one of several, or by accelerate, and the "
            "package accelerate is missing. Install it: "
            "pip install 'skspectra[distributed]'."
        ) from error
    rounded = _is_rounded()
    state = PartialState(cpu=_on_cpu(device), timeout=_PATIENCE)
    _part_at_exit()
    if _world_size() not in (1, state.num_processes):
        raise ValueError(
            f"WORLD_SIZE={_world_size()} promises so many processes, and accelerate "
            f"has set up {state.num_processes}. Start the script by accelerate launch "
            "or torchrun; a script that makes an Accelerator of its own must make it "
            "for the device of the training."
        )
    where = _device(state.device, device) if state.num_processes > 1 else None
    return Processes(
        state.process_index,
        state.num_processes,
        int(os.environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS") or 1),
        where,
        rounded,
        _advice(checkpoint_dir),
    )


@functools.cache
def _part_at_exit():
    """Close the connections before Python ends, and let their threads come to rest.

    One of gloo's may still have to let go of the last tensor, for which it needs
    Python's lock: it aborts the process if Python is ending by then.
    """

    def part():
        if dist.is_initialized():
            dist.destroy_process_group()
        time.sleep(_REST)

    atexit.register(part)


def _is_launched():
    """Whether a launcher started this process, and not one that it started."""
    by_torchrun = os.environ.keys() >= _OF_TORCHRUN and _world_size() > 1
    return (
        (by_torchrun or not _OF_ACCELERATE.isdisjoint(os.environ))
        and multiprocessing.parent_process() is None
        and threading.current_thread() is threading.main_thread()
    )


def _world_size():
    return int(os.environ.get("WORLD_SIZE") or 1)


def _is_rounded():
    """Whether the launch asks for bfloat16, and for nothing that is not there."""
    for name, variable in _OTHERS.items():
        if os.environ.get(f"ACCELERATE_{variable}", "").lower() == "true":
            raise ValueError(
                f"accelerate is configured for {name}, and this package trains with "
                "whole copies of the model, by DistributedDataParallel. Launch with "
                "--multi_gpu, or run accelerate config again."
            )
    asked = os.environ.get("ACCELERATE_MIXED_PRECISION", "no").lower()
    if asked not in ("no", "bf16"):
        raise ValueError(
            f"accelerate is configured for mixed_precision={asked!r}. This package "
            "rounds products to bfloat16, which needs no scaling of the loss, or not "
            "at all. Launch with --mixed_precision bf16 or no."
        )
    return asked == "bf16"


def _on_cpu(device):
    if device != "auto":
        return device == "cpu"
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1", "yes")
    return asked or not torch.cuda.is_available()


def _device(given, asked):
    """Return the device of one process among several."""
    if asked not in ("auto", "cpu", "cuda"):
        raise ValueError(
            f"device={asked!r} would put all processes of the launch on one device. "
            "Set device='auto', which gives each its own GPU, or 'cpu'."
        )
    if asked not in ("auto", given.type):
        raise ValueError(
            f"device={asked!r} was requested, and the processes of this launch were "
            f"connected for {given.type!r}. Set device='auto', or launch anew."
        )
    return torch.device("cpu") if given.type == "cpu" else given


def _advice(checkpoint_dir):
    if checkpoint_dir is None:
        return (
            "Without checkpoint_dir the same launch begins anew; with one it would go "
            "on."
        )
    return (
        "The same launch goes on from the last checkpoint in "
        f"{os.fspath(checkpoint_dir)!r}, on any number of processes."
    )


def _portable(error):
    """Return an error that can be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _is_of_connection(error):
    """Whether an error of torch says that another process does not answer."""
    said = str(error).lower()
    return isinstance(error, dist.DistError) or "gloo/transport" in said


def _say(message):
    with contextlib.suppress(OSError):
        os.write(2, f"\nskspectra: {message}\n".encode())
