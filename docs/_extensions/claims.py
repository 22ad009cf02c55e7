"""The directive ``claims``: which claims held, as a table, out of a list of sentences.

The scripts of the reproductions write what became of each claim as one sentence with
its figures. Here claim and verdict are taken out, for readers in a hurry.
"""

import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

_VERDICT = r"(?P<verdict>held in part|did not hold|not shown|held)"
_SENTENCE = re.compile(rf"- (?P<claim>.+?)[.:]?[\s*:]+{_VERDICT}[.*]", re.IGNORECASE)
_ASIDE = re.compile(r"\s*\((?:reported|not re)[^()]*(?:\([^()]*\)[^()]*)*\)")


def rows(text):
    """Return claim and verdict of each sentence, what was reported left out."""
    sentences = [line for line in text.splitlines() if line.startswith("- ")]
    found = [_SENTENCE.match(sentence) for sentence in sentences]
    if not found or None in found:
        raise ValueError(f"no verdict in {sentences[found.index(None)][:60]!r}")
    for match in found:
        claim = _ASIDE.sub("", match["claim"]).strip("*. ")
        yield claim, match["verdict"].lower()


class Claims(Directive):
    """A table of the claims in a file, named relative to the page."""

    required_arguments = 1

    def run(self):
        """Return the table."""
        env = self.state.document.settings.env
        path = Path(env.doc2path(env.docname)).parent / self.arguments[0]
        env.note_dependency(str(path))
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 80 20", ""]
        table = [("claim", "here"), *rows(path.read_text(encoding="utf-8"))]
        for claim, verdict in table:
            lines += [f"   * - {claim}", f"     - {verdict}"]
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, str(path)), 0, node)
        return node.children


def setup(app):
    """Tell Sphinx of the directive."""
    app.add_directive("claims", Claims)
    return {"parallel_read_safe": True}
