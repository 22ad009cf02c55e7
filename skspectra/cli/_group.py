"""The group of commands, and how each of them ends."""

import click

__all__ = ["Commands", "Refusal", "say"]


class Refusal(click.ClickException):
    """What the user can mend: one line on the standard error stream."""

    exit_code = 2

    def __init__(self, error):
        if isinstance(error, OSError) and error.strerror:
            error = f"{error.filename}: {error.strerror}."
        super().__init__(" ".join(str(error).split()))


class Commands(click.Group):
    """Commands that Ctrl-C ends with the shell's own exit code, and no more."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)


def say(text):
    """Tell the user something that is no result: on the standard error stream."""
    click.echo(text, err=True)
