"""The code in the documents."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def code_blocks(document: str, language: str = "python") -> list[tuple[int, str]]:
    """The blocks of a language in a document, each with the line on which it begins."""
    text = (ROOT / document).read_text()
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
    return [(text.count("\n", 0, m.start(1)) + 1, m[1]) for m in found]
