"""How far a training has come, shown on the standard error stream.

A bar on terminals and in notebooks, and a few plain lines elsewhere: what goes back to
the start of a line leaves a mess in files.
"""

import functools
import os
import sys
import warnings
from time import perf_counter

from tqdm import tqdm

__all__ = ["show_progress"]

# What matters most stands where narrow terminals do not cut it off.
_RUNNING = "{desc} |{bar}| {remaining} left, {said}"
_ENDED = "{desc} |{bar}| took {elapsed}, {said}"
# Seconds between two pictures of a bar.
_BETWEEN = 0.25
# Seconds between two lines, and as a part of the time so far if that is more: some 70
# lines in ten hours.
_QUIET, _QUIET_PART = 10.0, 0.1


def show_progress(what, n_steps, n_done, text):
    """Begin to show how far a training has come, where somebody may look.

    Parameters
    ----------
    what : str
        What is done, such as "pretraining".
    n_steps : int
        Number of steps, those included that were done before.
    n_done : int
        Number of steps that were done before.
    text : str
        What is known of the training so far.

    Returns
    -------
    object
        With `say(text)`, what is known by now; `update()`, after each step; and
        `close()`.
    """
    if sys.stderr is None or _in_a_loop():
        return _Nothing()
    if _is_notebook(sys.stderr) or _is_terminal(sys.stderr):
        bar = _bar()(
            desc=what,
            total=n_steps,
            initial=n_done,
            file=sys.stderr,
            dynamic_ncols=True,
            mininterval=_BETWEEN,
            miniters=1,
            bar_format=_RUNNING,
        )
        bar.say(text)
        bar.refresh()
        return bar
    return _Lines(what, n_steps, n_done, text)


def _is_terminal(stream):
    if not getattr(stream, "isatty", lambda: False)():
        return False
    try:
        return os.get_terminal_size(stream.fileno()).columns > 0
    except (AttributeError, OSError):  # it says that it is one, and has no width
        return True


def _is_notebook(stream):
    return type(stream).__module__.startswith("ipykernel.")


def _in_a_loop():
    """Whether joblib runs this fit: in a grid, a cross-validation, a comparison.

    In this process, in a thread or in a worker, it is called from the same file, on
    dask's workers from another.
    """
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") in ("joblib.parallel", "joblib._dask"):
            return True
        frame = frame.f_back
    return False


class _Nothing:
    """Shows nothing."""

    def say(self, text):
        pass

    def update(self):
        pass

    def close(self):
        pass


@functools.cache
def _bar():
    """Return the class of bars, for a terminal or for the notebook that runs this."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets the bar is one of text
        from tqdm.auto import tqdm

    class Bar(tqdm):
        """A bar with a text of its own."""

        monitor_interval = 0  # no thread of tqdm's, which would outlive the training
        said = ""

        def say(self, text):
            self.said = text

        def close(self):
            self.bar_format = _ENDED
            super().close()

        @property
        def format_dict(self):
            return {**super().format_dict, "said": self.said}

    return Bar


class _Lines:
    """Prints a line now and then, and one at the end."""

    def __init__(self, what, n_steps, n_done, text):
        self.what, self.n_steps = what, n_steps
        self.n_first = self.n_done = n_done
        self.text = self.printed = text
        self.start, self.due = perf_counter(), _QUIET

    def say(self, text):
        self.text = text

    def update(self):
        self.n_done += 1
        now = perf_counter() - self.start
        if now < self.due:
            return
        self.due = now + max(_QUIET, _QUIET_PART * now)
        left = now * (self.n_steps - self.n_done) / (self.n_done - self.n_first)
        self._print(f"{_clock(left)} left")

    def close(self):
        if self.text != self.printed:
            self._print(f"took {_clock(perf_counter() - self.start)}")

    def _print(self, time):
        self.printed = self.text
        print(f"{self.what}: {self.text}, {time}", file=sys.stderr, flush=True)


def _clock(seconds):
    return tqdm.format_interval(seconds)
