"""The README and the pages of the documentation do what they say."""

import doctest
import math
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from skspectra.datasets import load_tecator

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.rst"))]
PAGES += sorted(ROOT.glob("docs/guide/*.rst"))
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# Fractions, percentages, lower ends of intervals; other whole numbers are counts.
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+(?:e-?\d+)?|(?= %| to ))(?!\w)")


class CloseNumbers(doctest.OutputChecker):
    """Let measured numbers differ by a fifth, or by a unit of their last digit.

    Two processors round differently, and a training carries that on.
    """

    def check_output(self, want, got, optionflags):
        if super().check_output(want, got, optionflags):
            return True
        texts = [NUMBER.sub("#", text) for text in (want, got)]
        pairs = zip(NUMBER.findall(want), NUMBER.findall(got), strict=False)
        close = all(
            math.isclose(float(a), float(b), rel_tol=0.2, abs_tol=_last_digit(a))
            for a, b in pairs
        )
        return close and super().check_output(*texts, optionflags)


def _last_digit(number):
    """Return what one more in the last digit of a number would add."""
    decimals = number.split("e")[0].partition(".")[2]
    return 1.01 * 10.0 ** -len(decimals)


def examples(page):
    """Return the examples of a page; a Markdown fence ends one like a blank line."""
    text = re.sub(r"^```.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if ">>>" in page.read_text(encoding="utf-8")],
    ids=lambda page: page.name,
)
def test_examples_of_a_page_give_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    said = []
    runner = doctest.DocTestRunner(CloseNumbers(), verbose=False, optionflags=FLAGS)
    runner.run(examples(page), out=said.append)
    assert not runner.failures, "".join(said)


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    paths = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert len(paths) > 20
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.slow
def test_the_first_page_shows_what_the_command_line_prints(tmp_path):
    meat = load_tecator()
    table = pd.DataFrame(meat.data, columns=meat.feature_names)
    table = table.assign(sample=meat.groups, fat=meat.target)
    table.to_csv(tmp_path / "meat.csv", index=False)
    text = (ROOT / "docs" / "getting_started.rst").read_text(encoding="utf-8")
    block = re.search(r"\.\. code-block:: console\n\n((?: +\S.*\n|\n)+)", text)[1]
    command, want = textwrap.dedent(block).split("\n", 1)
    assert command.startswith("$ skspectra compare")
    done = subprocess.run(
        [sys.executable, "-m", *command.removeprefix("$ ").split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert CloseNumbers().check_output(want, done.stdout, FLAGS), done.stdout
