"""The command line.

What is slow to import is imported by the command that needs it.
"""

import click

from skspectra.cli._compare import compare
from skspectra.cli._fit import fit
from skspectra.cli._group import Commands
from skspectra.cli._predict import predict
from skspectra.cli._pretrain import pretrain

__all__ = ["main"]


_EPILOG = """\b
Examples:
  skspectra compare --quick
  skspectra fit meat.csv --target fat --groups sample --out fat
  skspectra predict fat new.csv > predicted.csv
  skspectra pretrain pool/ --out encoder.safetensors

`skspectra COMMAND --help` has the options, more examples and the exit codes.
"""


@click.group(cls=Commands, epilog=_EPILOG)
@click.version_option(package_name="skspectra")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug):
    """Masked pretraining for spectra, honest beside PLS."""


for command in (compare, pretrain, fit, predict):
    main.add_command(command)
