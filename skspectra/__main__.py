"""Run the command line as `python -m skspectra`."""

from skspectra.cli import main

if __name__ == "__main__":
    main(prog_name="python -m skspectra")
