"""A training step that several processes share, or that is computed in parts.

Its gradients are those of the whole batch in one process, to the last digits: parts are
weighted by the number of channels that their losses are means of, and random numbers
are drawn as for the whole.
"""

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from skspectra._processes import Processes
from skspectra.nn import RowDraws

__all__ = ["StepInParts"]


class StepInParts:
    """Computes the loss of an objective and its gradients, part by part.

    Parameters
    ----------
    objective : ReconstructionObjective
        Draws by `draws`, and knows how many channels its last loss counts.
    processes : Processes
        What shares a step.
    n_at_once : int
        Most rows of a part.
    """

    def __init__(
        self, objective: nn.Module, processes: Processes, n_at_once: int
    ) -> None:
        self.objective, self.processes = objective, processes
        self.n_at_once = n_at_once
        self.weights = [*objective.parameters()]
        self.shared = processes.shared(objective)

    def __call__(
        self,
        batch: tuple[Tensor, ...],
        n_rows: int,
        rounding: Callable[[], contextlib.AbstractContextManager],
    ) -> Tensor:
        """Put the gradients of a step into the weights, and return its loss.

        Parameters
        ----------
        batch : tuple of Tensor
            The rows of this process.
        n_rows : int
            Number of rows of all processes.
        rounding : callable
            Returns the context that the forward pass runs in.

        Returns
        -------
        Tensor of shape ()
            The loss of all rows.
        """
        own = range(n_rows)[self.processes.own]
        counts = min(len(own), 1)
        if not own:  # all take part: any row will do, and does not count
            own = range(1)
            batch = [rows.new_zeros(1, *rows.shape[1:]) for rows in batch]
        begin = self._random()
        sums = torch.zeros(2, device=batch[0].device)
        for first in range(0, len(own), self.n_at_once):
            last = first + self.n_at_once
            if first:
                self._rewind(begin)
            part = own[first:last]
            draws = RowDraws(n_rows, slice(part.start, part.stop, part.step))
            rows = [each[first:last] for each in batch]
            with self._summing(last >= len(own)):
                with rounding():
                    loss = self.shared(*rows, draws=draws)
                n_counted = counts * self.objective.n_counted
                (loss * n_counted).backward()
            sums += torch.stack([loss.detach() * n_counted, n_counted])
        self.processes.sum(sums)
        total, n_counted = sums[0], sums[1].clamp(min=1)
        # What is summed over the processes was divided by their number.
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        torch._foreach_mul_(gradients, self.processes.count / n_counted)
        return total / n_counted

    @contextlib.contextmanager
    def _summing(self, is_last):
        """Sum gradients over the processes, in the last part only."""
        wait = not is_last and self.processes.count > 1
        apart = self.shared.no_sync() if wait else contextlib.nullcontext()
        with self.processes.explaining(), apart:
            yield

    def _random(self):
        """Return what the random numbers of a part follow from."""
        device = self.weights[0].device
        on_gpu = device.type == "cuda"
        state = torch.cuda.get_rng_state(device) if on_gpu else None
        return torch.get_rng_state(), state, self.objective.n_steps

    def _rewind(self, begin):
        on_cpu, on_gpu, self.objective.n_steps = begin
        torch.set_rng_state(on_cpu)
        if on_gpu is not None:
            torch.cuda.set_rng_state(on_gpu, self.weights[0].device)
