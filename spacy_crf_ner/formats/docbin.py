"""From records to docs, and spaCy's binary format."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.util import filter_spans
from spacy.vocab import Vocab

from ..util import CorpusError
from .format import Format, Predictions, is_annotated
from .record import EMPTY_TEXT, MISALIGNED, SHOWN, Record, clean_spans, without_overlaps
from .source import Source

# Languages without spaces between words. `Vocab.writing_system` is not used, because it treats Thai
# like English and Korean like Chinese.
UNSPACED_LANGS = ("bo", "ja", "th", "zh")


def to_doc(record: Record, nlp: Language, spans_key: str | None = None) -> Doc:
    """Make a doc from a record.

    In an unannotated record, all annotation is missing. So is the annotation of tokens that overlap
    a mention without aligning with it, because their tags are unknown.

    record (Record): The record. Its spans are trimmed, and repairs and skips are noted.
    nlp (Language): The pipeline with the tokenizer for texts and with the vocab.
    spans_key (str | None): The key in `doc.spans` for all mentions, overlapping ones too. If there
        is one, no mention is skipped for overlapping another, but `doc.ents` has only the longest.
    RETURNS (Doc): The doc, without tokens if the text is empty.
    """
    if not "".join(record.text).strip():
        record.note(EMPTY_TEXT, repr(record.text))
        return Doc(nlp.vocab)
    clean_spans(record)
    doc = _tokenize(record, nlp)
    if record.spans is None:
        return doc
    spans: list[Span] = []
    unclear = [_covering(doc, record, start, end) for start, end in record.unknown]
    for each in record.spans if spans_key else without_overlaps(record):
        start, end, label = each
        tokens = _covering(doc, record, start, end, label)
        if isinstance(record.text, str) and (tokens.start_char, tokens.end_char) != (start, end):
            unclear.append(tokens)
            among = " ".join(token.text for token in tokens[:SHOWN])
            record.note_span(MISALIGNED, each, f" in the tokens {among!r}")
        else:
            spans.append(tokens)
    if spans_key:
        doc.spans[spans_key] = spans
    ents = filter_spans(spans)
    unknown = _tokens_in(unclear)
    unknown.difference_update(i for ent in ents for i in range(ent.start, ent.end))
    doc.set_ents(ents, missing=[doc[i : i + 1] for i in unknown])
    return doc


def recognizes(source: Source) -> bool:
    """Whether a file is spaCy's binary format, judged by its extension."""
    return source.suffix == ".spacy"


def read(source: Source) -> Iterator[Record]:
    """Read the tokens and the entities of docs.

    source (Source): The file.
    YIELDS (Record): One record per doc. Its line is the number of the doc.
    RAISES: CorpusError if the file is damaged or something else.
    """
    for number, doc in enumerate(load_docs(source, Vocab()), 1):
        annotated = is_annotated(doc)
        yield Record(
            [token.text for token in doc],
            [(ent.start, ent.end, ent.label_) for ent in doc.ents] if annotated else None,
            source.path,
            number,
            spaces=None if doc.has_unknown_spaces else [bool(t.whitespace_) for t in doc],
            unknown=[(t.i, t.i + 1) for t in doc if annotated and not t.ent_iob],
        )


def load_docs(source: Source, vocab: Vocab) -> list[Doc]:
    """Read docs with all that is stored of them.

    source (Source): The file.
    vocab (Vocab): The vocab for the docs.
    RETURNS (list[Doc]): The docs.
    RAISES: CorpusError if the file is damaged or something else.
    """
    try:
        return list(DocBin().from_bytes(source.data).get_docs(vocab))
    # The bytes are unpacked by zlib, msgpack and numpy, each of which has errors of its own.
    except Exception as error:
        raise CorpusError(
            f"this is no .spacy file, or a damaged one ({type(error).__name__}: {error}). Write it "
            "again with spaCy's DocBin.",
            source.path,
        ) from None


def write(path: Path, docs: Iterable[Doc], predictions: Predictions | None = None) -> None:
    """Write docs in spaCy's binary format.

    path (Path): The file.
    docs (Iterable[Doc]): The docs.
    predictions (Predictions | None): Not used: the docs are stored as they are.
    """
    DocBin(docs=docs).to_disk(path)


def _covering(doc: Doc, record: Record, start: int, end: int, label: str = "") -> Span:
    """The tokens that contain a part of the record."""
    if not isinstance(record.text, str):
        return Span(doc, start, end, label=label)
    # With "expand" there always is a span.
    return cast(Span, doc.char_span(start, end, label=label, alignment_mode="expand"))


def _tokens_in(spans: Iterable[Span]) -> set[int]:
    """The tokens of spans, each looked at once, however many spans have it."""
    tokens: set[int] = set()
    last = 0
    for start, end in sorted((span.start, span.end) for span in spans):
        tokens.update(range(max(start, last), end))
        last = max(last, end)
    return tokens


def _tokenize(record: Record, nlp: Language) -> Doc:
    if isinstance(record.text, str):
        return nlp.tokenizer(record.text)
    # Unknown spaces tell spaCy's Corpus to keep these tokens instead of tokenizing a text that
    # was never written like this.
    spaces = record.spaces
    if spaces is None and nlp.lang in UNSPACED_LANGS:
        spaces = [False] * len(record.text)
    starts: list[bool | int | None] = [i == 0 for i in range(len(record.text))]
    return Doc(nlp.vocab, words=record.text, spaces=spaces, sent_starts=starts)


FORMAT = Format(
    name="spacy",
    about="spaCy's binary format",
    suffix=".spacy",
    recognizes=recognizes,
    read=read,
    write=write,
    loses=frozenset(),
)
