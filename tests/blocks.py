"""The fenced blocks of README.md and docs/."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(
    r"(?P<mark><!-- not run: (?P<reason>[^\n]+?) -->\n)?"
    r"(?P<fence>^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$)",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    # Why it is not run, if it is not.
    reason: str | None

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read_blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf8")
    blocks = []
    for match in FENCE.finditer(text):
        lines = match["text"].splitlines()
        code = "\n".join(line[len(match["indent"]) :] for line in lines) + "\n"
        line = text.count("\n", 0, match.start("fence")) + 1
        blocks.append(Block(page, line, match["language"], code, match["reason"]))
    assert 2 * len(blocks) == len(re.findall("^ *```", text, re.MULTILINE)), f"{page}: bad fences"
    return blocks
