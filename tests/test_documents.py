"""The README and the pages of the documentation do what they say."""

import doctest
import math
import re
from pathlib import Path

import pytest

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
def test_examples_of_a_page_give_what_it_shows(page):
    said = []
    runner = doctest.DocTestRunner(CloseNumbers(), verbose=False, optionflags=FLAGS)
    runner.run(examples(page), out=said.append)
    assert not runner.failures, "".join(said)
