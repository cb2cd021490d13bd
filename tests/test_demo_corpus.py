"""The demo corpus: its files agree with their generator, and its splits are honest."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

DEMO = Path(__file__).resolve().parents[1] / "assets" / "demo"
SPLITS = ("train", "dev", "test")
LABELS = ("PERSON", "LOCATION", "ORGANIZATION", "TIME")
MIN_MENTIONS = {"train": 500, "dev": 90, "test": 110}
MIN_UNSEEN = {"PERSON": 0.95, "LOCATION": 0.5, "ORGANIZATION": 0.85, "TIME": 0.5}


def load_split(split: str) -> list[dict]:
    lines = (DEMO / f"{split}.json").read_text(encoding="utf8").splitlines()
    return [json.loads(line) for line in lines]


def mentions(record: dict) -> list[tuple[int, int, str, str]]:
    """A sentence's (start, end, label, mention), ends inclusive, in order."""
    return sorted(
        (start, end, label, mention)
        for label, by_mention in record["label"].items()
        for mention, spans in by_mention.items()
        for start, end in spans
    )


def run_generator(folder: Path, *args: str) -> int:
    return subprocess.run([sys.executable, str(folder / "generate.py"), *args]).returncode


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[dict]]:
    return {split: load_split(split) for split in SPLITS}


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_generate", DEMO / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files_are_what_the_generator_writes():
    assert run_generator(DEMO, "--check") == 0


def test_check_finds_a_changed_file_and_generate_mends_it(tmp_path: Path):
    copy = shutil.copytree(DEMO, tmp_path / "demo")
    with (copy / "dev.json").open("a", encoding="utf8") as file:
        file.write("\n")
    (copy / "test.json").unlink()
    assert run_generator(copy, "--check") == 1
    assert run_generator(copy) == 0
    for split in SPLITS:
        assert (copy / f"{split}.json").read_bytes() == (DEMO / f"{split}.json").read_bytes()


@pytest.mark.parametrize("split", SPLITS)
def test_offsets_match_mentions_without_overlap(corpus: dict, split: str):
    for record in corpus[split]:
        last = -1
        for start, end, label, mention in mentions(record):
            assert label in LABELS
            assert record["text"][start : end + 1] == mention
            assert start > last
            last = end


@pytest.mark.parametrize("split", SPLITS)
def test_texts_are_clean(corpus: dict, split: str):
    """No mark-up of the templates is left in a text."""
    for record in corpus[split]:
        assert not re.search(r"[{}()\[\]|\n]", record["text"]), record["text"]
        assert record["text"] == record["text"].strip()


def test_no_sentence_twice(corpus: dict):
    texts = [record["text"] for split in SPLITS for record in corpus[split]]
    texts += (DEMO.parent / "sample.zh.txt").read_text(encoding="utf8").splitlines()
    assert len(texts) == len(set(texts)) == 900 + 200 + 200 + 12


def test_templates_belong_to_one_split(generator: ModuleType):
    """Not even the fixed words of two templates of different splits agree."""
    templates = generator.read_sections("templates.txt")
    fixed = [
        {generator.SLOT.sub("", generator.CHOICE.sub("", line)) for line in templates[split]}
        for split in SPLITS
    ]
    for split, least in {"train": 60, "dev": 25, "test": 25}.items():
        assert len(templates[split]) >= least
    assert sum(map(len, fixed)) == len(set.union(*fixed))


def test_handwritten_sentences_belong_to_one_split(generator: ModuleType):
    sections = generator.read_sections("handwritten.txt")
    lines = [line for split in SPLITS for line in sections[split]]
    assert len(lines) == len(set(lines)) >= 120


@pytest.mark.parametrize("split", SPLITS)
def test_every_label_has_mentions(corpus: dict, split: str):
    labels = [label for record in corpus[split] for _, _, label, _ in mentions(record)]
    for label in LABELS:
        assert labels.count(label) >= MIN_MENTIONS[split]
    assert sum(not record["label"] for record in corpus[split]) >= 15


@pytest.mark.parametrize("split", ["dev", "test"])
@pytest.mark.parametrize("label", LABELS)
def test_most_mentions_are_not_in_train(corpus: dict, split: str, label: str):
    def of_label(name: str) -> list[str]:
        return [m for record in corpus[name] for _, _, kind, m in mentions(record) if kind == label]

    known = set(of_label("train"))
    found = of_label(split)
    assert sum(mention not in known for mention in found) / len(found) >= MIN_UNSEEN[label]
