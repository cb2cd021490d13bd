"""Write the demo corpus, train.json, dev.json and test.json, next to this file.

    python generate.py           write the three files
    python generate.py --check   exit 1 if a file differs from what would be written

Each split holds its hand-written sentences (handwritten.txt) and sentences made from its own
templates (templates.txt) with fillers from grammar.txt. The same sources give the same bytes on
every machine: all chance comes from `random.Random(seed).random()`, which Python keeps stable.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SEED = "spacy-crf-ner demo"
SIZES = {"train": 900, "dev": 200, "test": 200}
LABELS = ("PERSON", "LOCATION", "ORGANIZATION", "TIME")

CHOICE = re.compile(r"\(([^()]*)\)")
SLOT = re.compile(r"{(?:(\d+)-(\d+)|(\w+))}")
MARKED = re.compile(r"\[([^|\]]+)\|([A-Z]+)\]")


class Mention(NamedTuple):
    """An entity; `end` is the offset of its last character."""

    label: str
    start: int
    end: int


class Sentence(NamedTuple):
    text: str
    mentions: tuple[Mention, ...]

    def to_json(self) -> str:
        """One line of CLUENER's format."""
        label: dict[str, dict[str, list[list[int]]]] = {}
        for kind, start, end in self.mentions:
            spans = label.setdefault(kind, {}).setdefault(self.text[start : end + 1], [])
            spans.append([start, end])
        return json.dumps({"text": self.text, "label": label}, ensure_ascii=False)


class Rule(NamedTuple):
    label: str | None
    words: list[str]
    held_out: bool  # every third word is kept out of train

    def words_for(self, split: str) -> list[str]:
        if self.held_out and split == "train":
            return [word for i, word in enumerate(self.words) if i % 3 != 2]
        return self.words


def read_lines(name: str) -> list[str]:
    """The lines of a source file, less blank lines and comments."""
    lines = (HERE / name).read_text(encoding="utf8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def read_sections(name: str) -> dict[str, list[str]]:
    """The lines of a source file under each of its headings [train], [dev], [test]."""
    sections: dict[str, list[str]] = {}
    for line in read_lines(name):
        if line[1:-1] in SIZES:
            section = sections.setdefault(line[1:-1], [])
        else:
            section.append(line)
    return sections


def read_grammar() -> dict[str, Rule]:
    """The rules of grammar.txt by name."""
    rules = {}
    for line in read_lines("grammar.txt"):
        head, words = line.split(" = ")
        name, _, label = head.rstrip("*").partition(":")
        rules[name] = Rule(label or None, words.split(), head.endswith("*"))
    return rules


def read_marked(line: str) -> Sentence:
    """Read a sentence marked as in `[王明|PERSON]到了[北京|LOCATION]。`."""
    text, mentions, last = "", [], 0
    for mark in MARKED.finditer(line):
        text += line[last : mark.start()]
        mentions.append(Mention(mark[2], len(text), len(text) + len(mark[1]) - 1))
        text += mark[1]
        last = mark.end()
    return Sentence(text + line[last:], tuple(mentions))


class Writer:
    """Makes the sentences of one split."""

    def __init__(self, split: str) -> None:
        self.split = split
        self.rng = random.Random(f"{SEED}: {split}")
        self.rules = read_grammar()
        self.templates = read_sections("templates.txt")[split]
        self.handwritten = [read_marked(line) for line in read_sections("handwritten.txt")[split]]

    def pick(self, items: list[str]) -> str:
        return items[int(self.rng.random() * len(items))]

    def fill(self, slot: re.Match[str]) -> str:
        """The text for a slot: a number, or an expanded word of a rule."""
        low, high, name = slot.groups()
        if low:
            return self.pick([str(n) for n in range(int(low), int(high) + 1)])
        return SLOT.sub(self.fill, self.pick(self.rules[name].words_for(self.split)))

    def mark(self, slot: re.Match[str]) -> str:
        """As `fill`, marked where the slot's rule is of an entity."""
        label = self.rules[slot[3]].label if slot[3] else None
        return f"[{self.fill(slot)}|{label}]" if label else self.fill(slot)

    def draw(self, template: str) -> Sentence:
        """A sentence of a template, with no mention that is a part of another."""
        while True:
            plain = CHOICE.sub(lambda choice: self.pick(choice[1].split("/")), template)
            marked = SLOT.sub(self.mark, plain)
            mentions = [mention for mention, _ in MARKED.findall(marked)]
            if not any(one in other for one, other in permutations(mentions, 2)):
                return read_marked(marked)

    def sentences(self) -> list[Sentence]:
        """The split: no text twice, every template equally often, in a shuffled order."""
        made = {sentence.text: sentence for sentence in self.handwritten}
        turn = 0
        while len(made) < SIZES[self.split]:
            sentence = self.draw(self.templates[turn % len(self.templates)])
            if sentence.text not in made:
                made[sentence.text] = sentence
                turn += 1
        return sorted(made.values(), key=lambda _: self.rng.random())


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the demo corpus.")
    parser.add_argument("--check", action="store_true", help="only compare with the files")
    check = parser.parse_args().check
    stale = []
    for split in SIZES:
        path = HERE / f"{split}.json"
        lines = [sentence.to_json() + "\n" for sentence in Writer(split).sentences()]
        content = "".join(lines).encode("utf8")
        if not check:
            path.write_bytes(content)
        elif not path.exists() or path.read_bytes() != content:
            stale.append(path.name)
    if stale:
        print("not up to date:", *stale)  # noqa: T201
    return int(bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
