"""The group of commands: what they print where, and how each of them ends."""

import contextlib
import os
import sys
import traceback
import warnings

import click

__all__ = ["EXIT_STATUS", "Commands", "Refusal", "aside", "put", "refusals", "say"]

EXIT_STATUS = (
    "Exit status: 0 done; 1 it failed while it ran; 2 there is no such option, or no "
    "such value of it; 3 a file, or what is in it, cannot be used; 130 interrupted; "
    "141 what read the standard output has stopped reading."
)
_INPUT = (ImportError, OSError, ValueError)
_KNOWN = (FloatingPointError, ImportError, MemoryError, OSError, ValueError)


class _Message(click.ClickException):
    """A known error, as one line on the standard error stream."""

    def __init__(self, error):
        if isinstance(error, OSError) and error.strerror:
            where = f"{error.filename}: " if error.filename else ""
            error = f"{where}{error.strerror}."
        super().__init__(" ".join(str(error).split()) or type(error).__name__)


class Refusal(_Message):
    """What the user can mend in a file or in where it is to be."""

    exit_code = 3


class _Failure(_Message):
    """What went wrong on the way."""

    exit_code = 1

    def __init__(self, error):
        super().__init__(error)
        self.message += " (`skspectra --debug ...` shows where.)"


class _NoReader(Exception):
    """Whoever read the standard output has stopped reading, as `head` does."""


class Commands(click.Group):
    """Commands that end with one line for a known error, and an exit code."""

    def invoke(self, ctx):
        with warnings.catch_warnings():
            warnings.filterwarnings("once", category=UserWarning)
            warnings.showwarning = _note
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                ctx.exit(130)
            except _NoReader:
                # What is left in its buffer is not to be tried again at the exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                ctx.exit(141)
            except (click.ClickException, *_KNOWN) as error:
                if ctx.params["debug"]:
                    traceback.print_exception(error)
                if isinstance(error, click.ClickException):
                    raise
                raise _Failure(error) from error


def _note(message, category, filename, lineno, file=None, line=None):
    say(f"Note: {message}")


@contextlib.contextmanager
def refusals():
    """Call an error of the user's input what it is."""
    try:
        yield
    except _INPUT as error:
        raise Refusal(error) from error


@contextlib.contextmanager
def aside():
    """Have what a training prints go to the standard error stream."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def put(text):
    """Print a result, the only thing that goes to the standard output."""
    try:
        try:
            click.echo(text)
        except UnicodeEncodeError as error:
            # What is written into files on Windows, and has no place for every letter.
            code = sys.stdout.encoding
            click.echo(str(text).encode(code, "backslashreplace").decode(code))
            letters = error.object[error.start : error.end]
            say(
                f"Note: the standard output is {code}, which has no {letters!r}; it "
                "was written as escapes. PYTHONUTF8=1 in the environment writes UTF-8."
            )
    except BrokenPipeError as error:
        raise _NoReader from error


def say(text):
    """Tell the user something that is no result: on the standard error stream."""
    click.echo(text, err=True)
