"""A corpus: one or more sets of documents (train, dev, test), read from files in any format."""

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

from spacy.language import Language
from spacy.tokens import Doc

from ..util import CorpusError, read_lines
from .cluener import read_cluener
from .columns import Sentence, count_docstarts, find_scheme, read_sentences, to_record
from .docbin import to_doc
from .record import Note, Record

_JSON_SUFFIXES = (".json", ".jsonl")
_JSON_START = re.compile(r'\s*\{\s*("|$)')


class Document(NamedTuple):
    """A record of a corpus and the doc made of it."""

    record: Record
    doc: Doc


@dataclass
class CorpusSet:
    """Documents that belong together.

    documents (list[Document]): The documents, including those with an empty text.
    docstarts (int): The number of `-DOCSTART-` lines that were left out.
    """

    documents: list[Document] = field(default_factory=list)
    docstarts: int = 0

    @property
    def docs(self) -> list[Doc]:
        """The docs that are not empty."""
        return [doc for _, doc in self.documents if len(doc)]

    @property
    def notes(self) -> list[Note]:
        """The repairs and skips."""
        return [note for record, _ in self.documents for note in record.notes]

    @property
    def is_annotated(self) -> bool:
        """Whether it is gold data, rather than text to annotate."""
        return any(record.spans is not None for record, _ in self.documents)


@dataclass
class Corpus:
    """A corpus that was read from files.

    sets (dict[str, CorpusSet]): The sets by name.
    scheme (str | None): The tag scheme of its column files, if it has any.
    """

    sets: dict[str, CorpusSet]
    scheme: str | None


def is_json(path: str | Path, lines: list[str]) -> bool:
    """Whether a file contains JSON lines, judged by its extension or else by its content.

    path (str | Path): The file.
    lines (list[str]): Its lines.
    RETURNS (bool): Whether it does.
    """
    first = next((line for line in lines if line.strip()), "")
    # A brace may also be the first token of a column file, but then no quote or line end follows.
    return Path(path).suffix.lower() in _JSON_SUFFIXES or bool(_JSON_START.match(first))


def read_corpus(
    files: dict[str, list[Path]],
    nlp: Language,
    progress: Callable[[list[Record]], Iterable[Record]] = iter,
) -> Corpus:
    """Read a corpus. One tag scheme is detected for all of its column files.

    files (dict[str, list[Path]]): The files of each set.
    nlp (Language): The pipeline with the tokenizer for texts and with the vocab.
    progress (Callable[[list[Record]], Iterable[Record]]): Given a set's records, shows progress
        over them.
    RETURNS (Corpus): The corpus.
    RAISES: CorpusError if a file can't be read in its format, if an annotated set or the set
        "train" has no entities, or if `documents` is set and a column file has no `-DOCSTART-`
        line.
    """
    corpus = Corpus({name: CorpusSet() for name in files}, scheme=None)
    read: dict[str, list[Record | Sentence]] = {name: [] for name in files}
    for name, paths in files.items():
        for path in paths:
            lines = read_lines(path)
            if is_json(path, lines):
                read[name].extend(read_cluener(path, lines))
            else:
                read[name].extend(read_sentences(path, lines))
                corpus.sets[name].docstarts += count_docstarts(lines)
    sentences = [item for items in read.values() for item in items if isinstance(item, Sentence)]
    if sentences:
        corpus.scheme = find_scheme(sentences)
    for name, items in read.items():
        records = [
            # Where there are sentences, there is a scheme.
            to_record(item, cast(str, corpus.scheme)) if isinstance(item, Sentence) else item
            for item in items
        ]
        corpus.sets[name].documents = [
            Document(record, to_doc(record, nlp)) for record in progress(records)
        ]
    for name, paths in files.items():
        _require_entities(name, corpus.sets[name], paths)
    return corpus


def require_known_labels(sets: dict[str, CorpusSet]) -> None:
    """Check that the other sets have no labels that the training set lacks.

    sets (dict[str, CorpusSet]): The sets, "train" among them.
    RAISES: CorpusError that names the labels and the place of the first one.
    """
    known = {ent.label_ for doc in sets["train"].docs for ent in doc.ents}
    for name, corpus_set in sets.items():
        unknown = [
            (record, ent)
            for record, doc in corpus_set.documents
            for ent in doc.ents
            if ent.label_ not in known
        ]
        if unknown:
            labels = sorted({ent.label_ for _, ent in unknown})
            record, ent = unknown[0]
            raise CorpusError(
                f"the {name} set has labels that the training set lacks: "
                f"{', '.join(labels)}; here {ent.text!r} is {ent.label_}. Correct the "
                "labels, or add documents with them to the training set.",
                record.path,
                record.line_of(ent.start),
            )


def split_set(whole: CorpusSet, share: float, seed: int) -> dict[str, CorpusSet]:
    """Split a training set at random into "train" and "dev", each in the original order.

    whole (CorpusSet): The set.
    share (float): The share of documents for "dev". Both sets get at least one.
    seed (int): The seed. The same seed and documents give the same split.
    RETURNS (dict[str, CorpusSet]): The two sets.
    RAISES: CorpusError if there are fewer than two documents.
    """
    filled = [i for i, (_, doc) in enumerate(whole.documents) if len(doc)]
    if len(filled) < 2:
        raise CorpusError(
            "one document cannot be split into a training and a dev set. Add documents, or give "
            "a dev file.",
            whole.documents[0].record.path,
        )
    size = min(max(1, round(share * len(filled))), len(filled) - 1)
    chosen = set(random.Random(seed).sample(filled, size))
    train = [document for i, document in enumerate(whole.documents) if i not in chosen]
    dev = [document for i, document in enumerate(whole.documents) if i in chosen]
    return {"train": CorpusSet(train, whole.docstarts), "dev": CorpusSet(dev)}


def _require_entities(name: str, corpus_set: CorpusSet, paths: list[Path]) -> None:
    where = ", ".join(str(path) for path in paths)
    if not corpus_set.docs:
        raise CorpusError("no documents are found. Add some, or leave the file out.", where)
    gold = corpus_set.is_annotated or name == "train"
    if gold and not any(doc.ents for doc in corpus_set.docs):
        raise CorpusError(
            "no entities are found. Check that the corpus is annotated: the tag is the last "
            "column, or each JSON line has a 'label'.",
            where,
        )
