"""From records to docs, and from docs to spaCy's binary format."""

from contextlib import ExitStack
from pathlib import Path
from typing import cast

from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from ..util import replacing
from .record import EMPTY_TEXT, MISALIGNED, Record, clean_spans

# Languages without spaces between words. `Vocab.writing_system` is not used, because it treats Thai
# like English and Korean like Chinese.
UNSPACED_LANGS = ("bo", "ja", "th", "zh")


def to_doc(record: Record, nlp: Language) -> Doc:
    """Make a doc from a record.

    In an unannotated record, all annotation is missing. So is the annotation of tokens that overlap
    a mention without aligning with it, because their tags are unknown.

    record (Record): The record. Its spans are cleaned, and repairs and skips are noted.
    nlp (Language): The pipeline with the tokenizer for texts and with the vocab.
    RETURNS (Doc): The doc, without tokens if the text is empty.
    """
    if not "".join(record.text).strip():
        record.note(EMPTY_TEXT, repr(record.text))
        return Doc(nlp.vocab)
    clean_spans(record)
    doc = _tokenize(record, nlp)
    if record.spans is None:
        return doc
    ents: list[Span] = []
    unknown: set[int] = set()
    for start, end, label in record.spans:
        if not isinstance(record.text, str):
            ents.append(Span(doc, start, end, label=label))
            continue
        ent = doc.char_span(start, end, label=label)
        if ent is not None:
            ents.append(ent)
            continue
        # With "expand" there always is a span.
        tokens = cast(Span, doc.char_span(start, end, alignment_mode="expand"))
        unknown.update(token.i for token in tokens)
        among = " ".join(token.text for token in tokens)
        record.note(MISALIGNED, f"{record.show((start, end, label))} in the tokens {among!r}")
    doc.set_ents(ents, missing=[doc[i : i + 1] for i in unknown])
    return doc


def write_docbins(sets: dict[Path, list[Doc]]) -> None:
    """Write docs to `.spacy` files. On failure, no file is written.

    sets (dict[Path, list[Doc]]): The files, with the docs of each.
    """
    with ExitStack() as stack:
        for path, docs in sets.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            DocBin(docs=docs).to_disk(stack.enter_context(replacing(path)))


def _tokenize(record: Record, nlp: Language) -> Doc:
    if isinstance(record.text, str):
        return nlp.tokenizer(record.text)
    # Unknown spaces tell spaCy's Corpus to keep these tokens instead of tokenizing a text that
    # was never written like this.
    spaces = [False] * len(record.text) if nlp.lang in UNSPACED_LANGS else None
    starts: list[bool | int | None] = [i == 0 for i in range(len(record.text))]
    return Doc(nlp.vocab, words=record.text, spaces=spaces, sent_starts=starts)
