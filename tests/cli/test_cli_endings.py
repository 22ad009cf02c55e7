"""How commands end: exit codes, one line for an error, what Tab offers."""

import errno
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from skspectra import MaskedSpectralPretrainer
from skspectra.cli import main
from skspectra.cli._group import put

PROGRAM = [
    sys.executable,
    "-c",
    "from skspectra.cli import main; main(None, 'skspectra')",
]
COMMANDS = ["compare", "pretrain", "fit", "predict"]
TINY = "--epochs 1 --batch-size 8"


def failing(monkeypatch, error):
    def fit(*args, **kwargs):
        raise error

    monkeypatch.setattr(MaskedSpectralPretrainer, "fit", fit)


KNOWN = {
    "a bad value": ValueError("too much\nof it"),
    "divergence": FloatingPointError("too much of it"),
    "a full disk": OSError(errno.ENOSPC, "too much of it", "here"),
    "no memory": MemoryError("too much of it"),
    "a missing package": ImportError("too much of it"),
}


@pytest.mark.parametrize("error", KNOWN.values(), ids=list(KNOWN))
def test_a_failure_is_one_line_and_code_1(meat, run, monkeypatch, error):
    failing(monkeypatch, error)
    result = run("pretrain meat.csv --quiet", TINY)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ") and "too much of it" in line
    assert "--debug" in line


def test_debug_shows_where_and_changes_no_code(meat, run, monkeypatch):
    failing(monkeypatch, ValueError("too much of it"))
    result = run("--debug pretrain meat.csv --quiet", TINY)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr and "in fit" in result.stderr
    result = run("--debug pretrain none.csv --quiet", TINY)
    assert result.exit_code == 3
    assert "Traceback" in result.stderr and "FileNotFoundError" in result.stderr


def test_letters_that_the_output_has_not_are_escaped_and_told(monkeypatch, capfd):
    pipe = io.TextIOWrapper(io.BytesIO(), encoding="cp1251", newline="")
    monkeypatch.setattr(sys, "stdout", pipe)
    put("R²  0.9\nж")
    assert pipe.buffer.getvalue() == "R\\xb2  0.9\nж\n".encode("cp1251")
    told = capfd.readouterr().err
    assert "cp1251" in told and "PYTHONUTF8=1" in told


def test_an_error_without_words_is_named(meat, run, monkeypatch):
    failing(monkeypatch, MemoryError())
    assert "Error: MemoryError" in run("pretrain meat.csv --quiet", TINY).stderr


@pytest.mark.parametrize(
    "arguments", ["pretrain", "pretrain meat.csv --epochs few", "learn", "--nothing"]
)
def test_a_wrong_command_line_is_code_2(meat, run, arguments):
    result = run(arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_its_exit_codes_mean(run, command):
    text = " ".join(run(f"{command} --help").stdout.split())
    for code in (0, 1, 2, 3, 130, 141):
        assert f" {code} " in text[text.index("Exit status:") :]
    assert f"Examples: skspectra {command}" in text


def documented_commands():
    """Yield the command lines that the guide and the help of commands show."""
    root = Path(__file__).parents[2]
    texts = [(root / "docs/guide/command_line.rst").read_text(encoding="utf-8")]
    texts += [CliRunner().invoke(main, [name, "--help"]).stdout for name in COMMANDS]
    for text in texts:
        yield from re.findall(
            r"^ +skspectra (.+?)(?: (?:[>|]|2>).*)?$", text, re.MULTILINE
        )


def test_the_commands_that_are_shown_can_be_given():
    shown = list(documented_commands())
    assert len(shown) > 15
    assert {line.split()[0] for line in shown} == set(COMMANDS)
    for line in shown:
        name, *arguments = line.split()
        main.commands[name].make_context(name, arguments)  # or a usage error


def complete(words, word=""):
    """Return what the shell is told to offer after these words."""
    told = {
        "_SKSPECTRA_COMPLETE": "bash_complete",
        "COMP_WORDS": f"skspectra {words} {word}",
        "COMP_CWORD": str(1 + len(words.split())),
    }
    result = subprocess.run(
        PROGRAM, env=os.environ | told, capture_output=True, text=True
    )
    assert result.stderr == ""
    return [line for line in result.stdout.split("\n") if line]


def test_tab_completes_commands_columns_choices_and_files(meat):
    assert "plain,pretrain" in complete("", "pre")
    assert complete("compare meat.csv --target") == ["plain,sample", "plain,fat"]
    assert complete("compare meat.csv --groups", "s") == ["plain,sample"]
    assert complete("fit meat.csv --groups sample --target", "f") == ["plain,fat"]
    assert complete("compare --dataset", "t") == ["plain,tecator"]
    assert complete("compare", "me") == ["file,me"]
    assert complete("compare none.csv --target") == []
    assert complete("compare --target") == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("typed", ["F", "'F"])
def test_bash_gets_column_names_that_can_be_run(meat, typed):
    meat.rename(columns={"fat": "Fat (%)"}).to_csv("words.csv", index=False)
    Path("program").write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    Path("program").chmod(0o755)
    script = """
        eval "$(_SKSPECTRA_COMPLETE=bash_source ./program)"
        COMP_WORDS=(skspectra fit words.csv --target "$1") COMP_CWORD=4
        _skspectra_completion ./program
        printf '%s\n' "${COMPREPLY[@]}"
    """
    result = subprocess.run(
        ["bash", "-c", script, "bash", typed], capture_output=True, text=True
    )
    wanted = "Fat (%)" if typed.startswith("'") else r"Fat\ \(%\)"
    assert result.stdout.splitlines() == [wanted]


FORMATS = {
    "tab.tsv": dict(index=False, sep="\t"),
    "german.csv": dict(index=False, sep=";", decimal=","),
    "excel.txt": dict(index=False, sep="\t", encoding="utf-16"),
    "marked.csv": dict(index=False, encoding="utf-8-sig"),
}


@pytest.mark.parametrize("name", [*FORMATS, "table.parquet"])
def test_the_columns_of_every_format_are_offered(meat, name):
    from skspectra.cli._complete import complete_column

    meat = meat.rename(columns={"1100": "1100.5"}).assign(größe="ä")
    if name in FORMATS:
        meat.to_csv(name, **FORMATS[name])
    else:
        meat.to_parquet(name)

    class Context:
        params = {"table": name}
        args = []

    offered = [item.value for item in complete_column(Context, None, "")]
    assert offered == ["sample", "fat", "größe"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script_for_each_shell(shell):
    told = {"_SKSPECTRA_COMPLETE": f"{shell}_source"}
    result = subprocess.run(
        PROGRAM, env=os.environ | told, capture_output=True, text=True
    )
    if shell == "bash" and "version" in result.stderr:
        pytest.skip("click looks for a bash here, and finds none that is new enough")
    assert result.returncode == 0, result.stderr
    assert "_SKSPECTRA_COMPLETE=" in result.stdout
