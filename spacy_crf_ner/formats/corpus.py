"""A corpus: one or more sets of documents (train, dev, test), read from files in any format."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, cast

from spacy.language import Language
from spacy.tokens import Doc, Span

from .. import tags
from ..util import CorpusError
from .catalogue import find_format
from .docbin import to_doc
from .format import Format
from .record import Note, Record
from .source import Source
from .tagged import Tagged, find_scheme, to_record


class Document(NamedTuple):
    """A record of a corpus and the doc made of it."""

    record: Record
    doc: Doc


@dataclass
class CorpusSet:
    """Documents that belong together.

    documents (list[Document]): The documents, including those with an empty text.
    file_notes (list[Note]): The repairs and skips of whole documents in the files.
    left_out (Counter[str]): Counts of what is not part of the corpus, such as comments.
    formats (list[str]): What the formats of the files are called, without repetition.
    """

    documents: list[Document] = field(default_factory=list)
    file_notes: list[Note] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    formats: list[str] = field(default_factory=list)

    @property
    def docs(self) -> list[Doc]:
        """The docs that are not empty."""
        return [doc for _, doc in self.documents if len(doc)]

    @property
    def notes(self) -> list[Note]:
        """The repairs and skips."""
        in_documents = [note for record, _ in self.documents for note in record.notes]
        return [*self.file_notes, *in_documents]

    def add_source(self, source: Source, format: Format) -> None:
        """Take over what was noted in a file.

        source (Source): The file, which has been read.
        format (Format): Its format.
        """
        self.file_notes += source.notes
        self.left_out += source.left_out
        if format.about not in self.formats:
            self.formats.append(format.about)

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


def read_corpus(
    files: dict[str, list[Path]],
    nlp: Language,
    progress: Callable[[list[Record]], Iterable[Record]] = iter,
    *,
    format: Format | None = None,
    spans_key: str | None = None,
) -> Corpus:
    """Read a corpus. One tag scheme is detected for all of its files with tags.

    files (dict[str, list[Path]]): The files of each set.
    nlp (Language): The pipeline with the tokenizer for texts and with the vocab.
    progress (Callable[[list[Record]], Iterable[Record]]): Given a set's records, shows progress
        over them.
    format (Format | None): The format of all files. None: told by the content of each.
    spans_key (str | None): The key in `doc.spans` for all mentions, overlapping ones too.
    RETURNS (Corpus): The corpus.
    RAISES: CorpusError if a file can't be read in its format.
    """
    corpus = Corpus({name: CorpusSet() for name in files}, scheme=None)
    read: dict[str, list[Record | Tagged]] = {name: [] for name in files}
    for name, paths in files.items():
        for path in paths:
            source = Source.open(path)
            form = format or find_format(source)
            read[name].extend(form.read(source))
            corpus.sets[name].add_source(source, form)
    tagged = [item for items in read.values() for item in items if isinstance(item, Tagged)]
    if tagged:
        corpus.scheme = find_scheme(tagged)
    for name, items in read.items():
        records = [
            # Where there are tags, there is a scheme.
            to_record(item, cast(str, corpus.scheme)) if isinstance(item, Tagged) else item
            for item in items
        ]
        corpus.sets[name].documents = [
            Document(record, to_doc(record, nlp, spans_key)) for record in progress(records)
        ]
    return corpus


def require_entities(sets: dict[str, CorpusSet], files: dict[str, list[Path]]) -> None:
    """Check that there are documents, and entities in those sets that are annotated.

    sets (dict[str, CorpusSet]): The sets.
    files (dict[str, list[Path]]): The files of each, for errors.
    RAISES: CorpusError if an annotated set or the set "train" has no entities.
    """
    for name, corpus_set in sets.items():
        where = _name(files[name])
        if not corpus_set.docs:
            raise CorpusError("no documents are found. Add some, or leave the file out.", where)
        gold = corpus_set.is_annotated or name == "train"
        if gold and not any(doc.ents for doc in corpus_set.docs):
            raise CorpusError(
                f"no entities are found in {' and '.join(corpus_set.formats)}. Check that the "
                "corpus is annotated, or give another --format.",
                where,
            )


def _name(files: list[Path]) -> str:
    """Files for an error; corpora with a file for each document have thousands."""
    shown = ", ".join(str(path) for path in files[:3])
    return shown if len(files) <= 3 else f"{shown} and {len(files) - 3:,} other files"


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
                record.line_of_span(_span_in(record, ent)),
            )


def _span_in(record: Record, ent: Span) -> tags.Span:
    """An entity as offsets into the text of its record."""
    if isinstance(record.text, str):
        return ent.start_char, ent.end_char, ent.label_
    return ent.start, ent.end, ent.label_


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
    return {"train": replace(whole, documents=train), "dev": CorpusSet(dev)}
