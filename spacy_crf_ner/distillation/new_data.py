"""The new data that a pipeline is updated with."""

from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc

from ..formats.convert import load_conversion
from ..formats.corpus import CorpusSet, Document, split_set
from ..formats.docbin import load_docs
from ..formats.record import Note, Record
from ..formats.source import Source
from ..util import CorpusError

# The share of the training documents that becomes the dev set if there is none, and the seed.
SHARE, SEED = 0.1, 0


class NewData(NamedTuple):
    """The documents of new data.

    source (Path): The file that the training documents come from.
    train (list[Doc]): The training documents.
    dev (list[Doc]): The dev documents.
    remarks (list[str]): What a user should know about how the sets were made.
    notes (list[Note]): What was repaired or skipped.
    """

    source: Path
    train: list[Doc]
    dev: list[Doc]
    remarks: list[str]
    notes: list[Note]


def read_new_data(data: Path, dev: Path | None, nlp: Language) -> NewData:
    """Read new data: .spacy files, or corpus files as `load_conversion` reads them.

    data (Path): The training file, or a folder with files named train and dev.
    dev (Path | None): The dev file. Without one, a share of the training documents is split off.
    nlp (Language): The pipeline with the tokenizer for texts and with the vocab.
    RETURNS (NewData): The documents.
    RAISES: CorpusError if the files cannot be read.
    """
    if data.is_dir() and dev is not None:
        problem = "a folder has its own dev set. Give its train file, or leave out --dev."
        raise CorpusError(problem, data)
    if data.is_dir() and not (data / "train.spacy").is_file():
        conversion = load_conversion([data], Path("new"), nlp, split=SHARE, seed=SEED)
        docs = {path.stem: docs for path, docs in conversion.outputs.items()}
        remarks = [remark for remark in conversion.remarks if "test" not in remark]
        return NewData(data / "train", docs["train"], docs["dev"], remarks, conversion.notes)
    if data.is_dir():
        data, beside = data / "train.spacy", data / "dev.spacy"
        dev = beside if beside.is_file() else None
    train, notes = read_docs(data, nlp)
    if dev is not None:
        dev_docs, more = read_docs(dev, nlp)
        return NewData(data, train, dev_docs, [], notes + more)
    whole = CorpusSet([Document(Record(doc.text, None, data, 1), doc) for doc in train])
    sets = split_set(whole, SHARE, SEED)
    remark = f"no dev set: {len(sets['dev'].docs):,} documents of train, drawn with seed {SEED}"
    return NewData(data, sets["train"].docs, sets["dev"].docs, [remark], notes)


def read_docs(path: Path, nlp: Language) -> tuple[list[Doc], list[Note]]:
    """Read the documents of a file.

    path (Path): A .spacy file, or a corpus file.
    nlp (Language): The pipeline with the tokenizer for texts and with the vocab.
    RETURNS (tuple[list[Doc], list[Note]]): The documents, and what was repaired or skipped.
    RAISES: CorpusError if the file cannot be read.
    """
    if path.suffix != ".spacy":
        conversion = load_conversion([path], Path("all.spacy"), nlp)
        (docs,) = conversion.outputs.values()
        return docs, conversion.notes
    return load_docs(Source.open(path), nlp.vocab), []
