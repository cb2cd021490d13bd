"""Conversion of a user's corpus files to the docs of each output file."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from .corpus import CorpusSet, read_corpus, require_known_labels, split_set
from .find import find_files, find_sets
from .record import Note, Record


@dataclass
class Conversion:
    """A corpus that is ready to be written.

    sets (dict[str, CorpusSet]): The sets by name.
    outputs (dict[Path, list[Doc]]): The `.spacy` files to write.
    scheme (str | None): The tag scheme of the column files, if there are any.
    ignored (list[Path]): The files that are not part of the corpus.
    remarks (list[str]): What a user should know about how the sets were made.
    """

    sets: dict[str, CorpusSet]
    outputs: dict[Path, list[Doc]]
    scheme: str | None
    ignored: list[Path]
    remarks: list[str]

    @property
    def notes(self) -> list[Note]:
        """The repairs and skips in all sets."""
        return [note for corpus_set in self.sets.values() for note in corpus_set.notes]


def load_conversion(
    inputs: list[Path],
    output: Path,
    nlp: Language,
    *,
    split: float = 0.1,
    seed: int = 0,
    progress: Callable[[list[Record]], Iterable[Record]] = iter,
) -> Conversion:
    """Read and check a corpus, and plan the output files. Nothing is written.

    inputs (list[Path]): Files, or a folder.
    output (Path): A `.spacy` file for everything, or a folder for train, dev and test.
    nlp (Language): The pipeline with the tokenizer for texts and with the vocab.
    split (float): The share of the training set that becomes the dev set if there is none.
    seed (int): The seed of that split.
    progress (Callable[[list[Record]], Iterable[Record]]): Given a set's records, shows progress
        over them.
    RETURNS (Conversion): What to write.
    RAISES: CorpusError if the corpus has errors.
    """
    if output.suffix == ".spacy":
        found = find_files(inputs, output.name)
        corpus = read_corpus(found.sets, nlp, progress)
        docs = corpus.sets[output.name].docs
        return Conversion(corpus.sets, {output: docs}, corpus.scheme, found.ignored, [])
    found = find_sets(inputs)
    corpus = read_corpus(found.sets, nlp, progress)
    require_known_labels(corpus.sets)
    sets = corpus.sets
    remarks = []
    if "dev" not in sets:
        sets = {**sets, **split_set(sets["train"], split, seed)}
        size = len(sets["dev"].docs)
        remarks.append(f"no dev set: {size:,} documents of train, drawn with seed {seed}, are used")
    sources = {"train": sets["train"], "dev": sets["dev"], "test": sets.get("test", sets["dev"])}
    if "test" not in sets:
        remarks.append("no test set: test.spacy is the dev set")
    outputs = {output / f"{name}.spacy": source.docs for name, source in sources.items()}
    sets = {name: sets[name] for name in sources if name in sets}
    return Conversion(sets, outputs, corpus.scheme, found.ignored, remarks)
