"""The command line.

What is slow to import is imported by the command that needs it.
"""

import click

from skspectra.cli._compare import compare
from skspectra.cli._group import Commands

__all__ = ["main"]


@click.group(cls=Commands)
@click.version_option(package_name="skspectra")
def main():
    """Masked pretraining for spectra, honest beside PLS."""


main.add_command(compare)
