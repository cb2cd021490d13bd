"""Each format reads what it writes, for any texts, tokens and entities."""

import warnings

import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.util import filter_spans

from spacy_crf_ner.formats.catalogue import FORMATS, find_format
from spacy_crf_ner.formats.corpus import read_corpus
from spacy_crf_ner.formats.find import find_files
from spacy_crf_ner.formats.format import (
    MISSING,
    SPACES,
    TOKENS,
    UNANNOTATED,
    WHITE_SPACE,
    is_annotated,
)
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.formats.write import count_losses, write_files

NLP = spacy.blank("zh")
# Letters, digits, marks, symbols and emoji, but no half surrogates, control characters or
# unassigned ones; and characters that formats give a meaning.
CHARACTERS = st.one_of(
    st.characters(categories=("L", "N", "P", "S", "M")),
    st.sampled_from("北京王明#\"'\\|_,;:[]{}()*-<>&\t𠮷😀"),
)
TEXTS = st.lists(
    st.text(CHARACTERS, min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=4
).map(" ".join)
LABELS = st.sampled_from(["PER", "LOC", "A-B", "地点"])


@st.composite
def docs(draw):
    """A doc with entities, with missing annotation, or without annotation."""
    doc = NLP.make_doc(draw(TEXTS))
    spans = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(doc) - 1))
        end = draw(st.integers(start + 1, len(doc)))
        if not (doc[start].is_space or doc[end - 1].is_space):
            spans.append(spacy.tokens.Span(doc, start, end, label=draw(LABELS)))
    kind = draw(st.sampled_from(["annotated", "partly", "not"]))
    if kind == "not":
        return doc
    ents = filter_spans(spans)
    free = [t.i for t in doc if not any(ent.start <= t.i < ent.end for ent in ents)]
    missing = draw(st.lists(st.sampled_from(free), max_size=2)) if free and kind == "partly" else []
    if len(set(missing)) < len(doc):
        doc.set_ents(ents, missing=[doc[i : i + 1] for i in set(missing)])
    return doc


def read(path, format):
    # A format may write a folder of files.
    corpus = read_corpus(find_files([path], "all").sets, NLP, format=format)
    return corpus.sets["all"]


def ents_of(doc):
    return [(ent.start_char, ent.end_char, ent.text, ent.label_) for ent in doc.ents]


@pytest.mark.parametrize("name", FORMATS)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(written=st.lists(docs(), min_size=1, max_size=3))
def test_what_is_written_is_read(name, written, tmp_path_factory):
    format = FORMATS[name]
    path = tmp_path_factory.mktemp("x") / f"a{format.suffix}"
    write_files({path: written}, format)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        corpus_set = read(path, format)
    assert not [note for note in corpus_set.notes if note.is_skip]
    lost = count_losses(written, format, NLP)
    assert set(lost) <= format.loses
    restored = corpus_set.docs
    assert len(restored) == len(written)
    for before, after in zip(written, restored):
        compare(before, after, format)


def compare(before: Doc, after: Doc, format) -> None:
    if not count_losses([before], format, NLP).keys() & {SPACES, TOKENS, WHITE_SPACE}:
        assert after.text == before.text
        assert ents_of(after) == ents_of(before)
        assert [token.text for token in after] == [token.text for token in before]
    else:
        squeezed = ["".join(ent.text.split()) for ent in before.ents]
        assert ["".join(ent.text.split()) for ent in after.ents] == squeezed
    if UNANNOTATED not in format.loses:
        assert is_annotated(after) == is_annotated(before)
    if MISSING not in format.loses:
        assert [t.ent_iob for t in after] == [t.ent_iob for t in before]


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_recognizes_its_own_files(name, tmp_path):
    format = FORMATS[name]
    doc = NLP.make_doc("王明在北京")
    doc.set_ents([spacy.tokens.Span(doc, 0, 2, label="PER")])
    path = tmp_path / f"a{format.suffix}"
    write_files({path: [doc, doc]}, format)
    files = find_files([path], "all").sets["all"]
    assert {find_format(Source.open(each)).name for each in files} == {name}
