"""`skspectra pretrain`: a pool of spectra becomes an encoder in a file."""

from pathlib import Path

import click

from skspectra.cli._group import EXIT_STATUS, Refusal, aside, put, refusals, say
from skspectra.cli._options import count, device, force, normalize, quiet, seed
from skspectra.cli._places import check_file
from skspectra.cli._spectra import read_files

__all__ = ["pretrain"]

_HELP = """Pretrain an encoder on spectra without reference values.

POOL are files, and folders of files, of any format that `skspectra.io.read_spectra`
knows, on one axis; only the spectra in them are used. Channels that are missing are
hidden from the network. The encoder, and the normalising before it,
go to one file, for `skspectra fit --encoder` and, in Python, `skspectra.load_model`.

A training with --checkpoints that was killed goes on when the same command is given
again, and ends with the same encoder. Progress goes to the standard error stream, the
name of the file to the standard output.
"""
_EPILOG = """\b
Examples:
  skspectra pretrain pool.csv --out encoder.safetensors
  skspectra pretrain spectra/ 2024.csv --epochs 500 --checkpoints running
  skspectra pretrain pool.csv --encoder state_space --mask-ratio 0.75 --device cuda
"""


@click.command(help=_HELP, epilog=f"{_EPILOG}\n{EXIT_STATUS}")
@click.argument("pool", nargs=-1, required=True, type=click.Path())
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default="encoder.safetensors",
    show_default=True,
    help="Where the encoder goes. A file that is there is kept, without --force.",
)
@click.option(
    "--ignore",
    metavar="COLUMN",
    multiple=True,
    help="A column of a table that is no channel. Can be repeated.",
)
@normalize
@click.option(
    "--encoder",
    type=click.Choice(["transformer", "state_space"]),
    default="transformer",
    show_default=True,
    help="What mixes the patches of a spectrum.",
)
@count("--patch-size", "Channels of a patch.", default=16, show_default=True)
@click.option(
    "--mask-ratio",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="X",
    default=0.5,
    show_default=True,
    help="Part of the patches that is hidden.",
)
@count("--epochs", "Passes over the spectra.", default=200, show_default=True)
@count("--batch-size", "Spectra of one step.", default=128, show_default=True)
@click.option(
    "--checkpoints",
    "--resume",
    "checkpoints",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the state of the training is kept, to go on from if it is killed. One "
    "folder belongs to one training.",
)
@device
@seed
@force
@quiet
def pretrain(**options):
    """Run `skspectra pretrain`.

    Parameters
    ----------
    **options : dict
        What the command line gave, by the names of the options.
    """
    from skspectra import save_model
    from skspectra.exceptions import CheckpointError

    out = options["out"]
    with refusals():
        check_file(out, force=options["force"])
        pool = read_files(options["pool"], options["ignore"])
        if options["checkpoints"] is not None:
            options["checkpoints"].mkdir(parents=True, exist_ok=True)
    if not options["quiet"]:
        if _was_begun(options["checkpoints"]):
            say(f"Going on from the checkpoint in {options['checkpoints']}.")
        say(f"{len(pool.X)} spectra of {pool.X.shape[1]} channels.")
    model = _model(options, pool.x_axis)
    try:
        with aside():
            model.fit(pool.X)
    except CheckpointError as error:
        raise Refusal(error) from error
    save_model(model, out, overwrite=options["force"])
    put(out)


def _was_begun(folder):
    return folder is not None and any(folder.glob("step-*.checkpoint"))


def _model(options, x_axis):
    """Return the normaliser and the pretrainer, to be fitted and saved as one."""
    from sklearn.pipeline import make_pipeline

    from skspectra import InstanceNormalizer, MaskedSpectralPretrainer

    pretrainer = MaskedSpectralPretrainer(
        options["encoder"],
        patch_size=options["patch_size"],
        mask_ratio=options["mask_ratio"],
        max_epochs=options["epochs"],
        batch_size=options["batch_size"],
        x_axis=x_axis,
        device=options["device"],
        checkpoint_dir=options["checkpoints"],
        random_state=options["seed"],
        verbose=int(not options["quiet"]),
    )
    if options["normalize"] == "none":
        return pretrainer
    return make_pipeline(InstanceNormalizer(options["normalize"]), pretrainer)
