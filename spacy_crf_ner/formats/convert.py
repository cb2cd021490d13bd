"""Conversion of a user's corpus files to the docs of each output file."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ..util import replacing
from .corpus import CorpusSet, read_corpus, require_entities, require_known_labels, split_set
from .find import find_files, find_sets, is_source
from .format import Format
from .json_lines import write_json_lines
from .record import Note, Record


@dataclass
class Conversion:
    """A corpus that is ready to be written.

    sets (dict[str, CorpusSet]): The sets by name.
    outputs (dict[Path, list[Doc]]): The files to write.
    scheme (str | None): The tag scheme of the files with tags, if there are any.
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
    format: Format | None = None,
    spans_key: str | None = None,
) -> Conversion:
    """Read and check a corpus for training, and plan the `.spacy` files. Nothing is written.

    inputs (list[Path]): Files, or a folder.
    output (Path): A `.spacy` file for everything, or a folder for train, dev and test.
    nlp (Language): The pipeline with the tokenizer for texts and with the vocab.
    split (float): The share of the training set that becomes the dev set if there is none.
    seed (int): The seed of that split.
    progress (Callable[[list[Record]], Iterable[Record]]): Given a set's records, shows progress
        over them.
    format (Format | None): The format of all files. None: told by the content of each.
    spans_key (str | None): The key in `doc.spans` for all mentions, overlapping ones too.
    RETURNS (Conversion): What to write.
    RAISES: CorpusError if the corpus has errors.
    """
    one = output.suffix == ".spacy"
    found = find_files(inputs, output.name) if one else find_sets(inputs)
    corpus = read_corpus(found.sets, nlp, progress, format=format, spans_key=spans_key)
    require_entities(corpus.sets, found.sets)
    if one:
        docs = corpus.sets[output.name].docs
        return Conversion(corpus.sets, {output: docs}, corpus.scheme, found.ignored, [])
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


def load_export(
    inputs: list[Path],
    output: Path,
    nlp: Language,
    to: Format,
    *,
    progress: Callable[[list[Record]], Iterable[Record]] = iter,
    format: Format | None = None,
) -> Conversion:
    """Read a corpus, and plan files of another format. Nothing is split off, and nothing written.

    inputs (list[Path]): One file, or a folder with the sets of a corpus.
    output (Path): For one file, the file to write; for a folder, the folder for a file per set.
    nlp (Language): The pipeline with the tokenizer for texts and with the vocab.
    to (Format): The format of the files.
    progress (Callable[[list[Record]], Iterable[Record]]): Given a set's records, shows progress
        over them.
    format (Format | None): The format of the files to read. None: told by the content of each.
    RETURNS (Conversion): What to write.
    RAISES: CorpusError if the corpus has errors.
    """
    found = find_sets(inputs)
    corpus = read_corpus(found.sets, nlp, progress, format=format)
    if len(inputs) == 1 and is_source(inputs[0]):
        outputs = {output: corpus.sets["train"].docs}
    else:
        outputs = {output / f"{name}{to.suffix}": each.docs for name, each in corpus.sets.items()}
    return Conversion(corpus.sets, outputs, corpus.scheme, found.ignored, [])


def write_rejects(path: Path, notes: Iterable[Note]) -> int:
    """Write what was skipped as JSON lines.

    path (Path): The file. It is written even if nothing was skipped.
    notes (Iterable[Note]): The notes of a conversion.
    RETURNS (int): The number of lines.
    """
    rejects = [note.to_reject() for note in notes if note.is_skip]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        write_json_lines(temporary, rejects)
    return len(rejects)
