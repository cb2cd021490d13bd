"""Tests of spaCy's JSON, of version 3 and of version 2."""

import json

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import docs_to_json

from spacy_crf_ner.formats import spacy_json
from spacy_crf_ner.formats.docbin import to_doc
from spacy_crf_ner.formats.record import ILLEGAL_TAGS
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.util import CorpusError

NLP = spacy.blank("en")
TEXT = "Ada Lund lives in  Oslo."
ENTS = [(0, 8, "PER"), (19, 23, "LOC")]


def source_of(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Source("a.json", text.encode())


def read(value):
    source = source_of(value)
    assert spacy_json.recognizes(source)
    return list(spacy_json.read(source)), source


def make_doc():
    doc = NLP(TEXT)
    doc.ents = [doc.char_span(start, end, label=label) for start, end, label in ENTS]
    return doc


def show(doc):
    return [(token.text, token.whitespace_, token.ent_iob_, token.ent_type_) for token in doc]


def paragraph(*tokens, **fields):
    tokens = [dict(zip(("orth", "ner", "space"), token)) for token in tokens]
    return {"id": 0, "paragraphs": [{"sentences": [{"tokens": tokens}], **fields}]}


@pytest.mark.parametrize("as_lines", [True, False])
def test_docs_are_read_with_their_tokens(as_lines):
    doc = make_doc()
    entry = doc.to_json()
    value = f"{json.dumps(entry)}\n{json.dumps(entry)}" if as_lines else [entry, entry]
    records, source = read(value)
    assert [show(to_doc(record, NLP)) for record in records] == [show(doc)] * 2
    assert not source.left_out


def test_other_tokens_than_those_of_the_tokenizer_are_kept():
    entry = {"text": "ab c", "ents": [{"start": 1, "end": 2, "label": "X"}]}
    entry["tokens"] = [{"id": i, "start": s, "end": e} for i, (s, e) in enumerate([(0, 1), (1, 2)])]
    entry["tokens"].append({"id": 2, "start": 3, "end": 4})
    (record,), _ = read(entry)
    assert (record.text, record.spans) == (["a", "b", "c"], [(1, 2, "X")])
    assert record.spaces == [False, True, False]


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        # A part of the text is in no token.
        [{"id": 0, "start": 0, "end": 8}],
        # A mention ends within a token.
        [{"id": 0, "start": 0, "end": 18}, {"id": 1, "start": 18, "end": 24}],
        [{"id": 0, "start": "0", "end": None}],
        None,
    ],
)
def test_tokens_that_do_not_fit_are_not_used(tokens):
    ents = [{"start": start, "end": end, "label": label} for start, end, label in ENTS]
    (record,), _ = read({"text": TEXT, "ents": ents, "tokens": tokens})
    assert (record.text, record.spans) == (TEXT, ENTS)


def test_a_doc_without_ents_is_unannotated():
    (record,), _ = read(NLP(TEXT).to_json())
    assert record.spans is None
    doc = NLP(TEXT)
    doc.ents = []
    (record,), _ = read(doc.to_json())
    assert record.spans == []


def test_other_layers_are_counted():
    doc = make_doc()
    doc.cats = {"news": 1.0, "sport": 0.0}
    doc.spans["sc"] = [Span(doc, 0, 1, "X")]
    _, source = read(doc.to_json())
    assert source.left_out == {"document classes left out": 2, "span groups left out": 1}


@pytest.mark.parametrize("text", [TEXT, "  a \n\n b\t", "王明 在北京"])
def test_what_is_written_is_what_spacy_reads(text, tmp_path):
    docs = [NLP(text), NLP(text)]
    docs[0].ents = [Span(docs[0], 1, 2, "X")] if not docs[0][1].is_space else []
    spacy_json.write(tmp_path / "a.jsonl", docs)
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf8").splitlines()
    restored = [Doc(NLP.vocab).from_json(json.loads(line), validate=True) for line in lines]
    assert [show(doc) for doc in restored] == [show(doc) for doc in docs]
    assert "ents" not in json.loads(lines[1])


def test_training_data_of_version_2_is_read_as_spacy_does():
    doc = make_doc()
    doc[0].is_sent_start = True
    for token in doc[1:]:
        token.is_sent_start = token.i == 4
    records, source = read([docs_to_json([doc, doc], 3)])
    assert [show(to_doc(record, NLP)) for record in records] == [show(doc)] * 2
    assert not [*source.notes, *records[0].notes]


def test_spaces_of_version_2_are_those_of_the_raw_text():
    words = [token.text for token in NLP(TEXT)]
    value = paragraph(*((word, "O") for word in words), raw=TEXT)
    (record,), _ = read([value])
    assert to_doc(record, NLP).text == TEXT
    (record,), _ = read([paragraph(*((word, "O") for word in words))])
    assert record.spaces is None


def test_missing_tags_are_missing_annotation():
    (record,), _ = read(paragraph(("A", "B-P"), ("B", "L-P"), ("in", "-"), ("a", "O"), ("b",)))
    assert record.spans == [(0, 2, "P")]
    assert record.unknown == [(2, 3), (4, 5)]
    assert [token.ent_iob_ for token in to_doc(record, NLP)] == ["B", "I", "", "O", ""]
    (record,), _ = read([paragraph(("Ada", "-"), ("Lund",))])
    assert (record.spans, record.unknown) == (None, [])


def test_illegal_tags_are_repaired_and_noted():
    (record,), _ = read([paragraph(("Ada", "B-P"), ("Lund", "I-P"), ("in", "O"))])
    assert record.spans == [(0, 2, "P")]
    assert [note.kind for note in record.notes] == [ILLEGAL_TAGS]


PAIRS = [
    ["小王在北京", {"entities": [[0, 2, "PER"], [3, 5, "LOC"]]}],
    ["没有", {"entities": []}],
    ["不知道", {}],
]


@pytest.mark.parametrize(
    "value",
    [
        PAIRS,
        "\n".join(json.dumps(pair) for pair in PAIRS),
        {"classes": ["PER", "LOC"], "annotations": PAIRS},
    ],
)
def test_the_simple_style(value):
    records, _ = read(value)
    assert [record.text for record in records] == [text for text, _ in PAIRS]
    assert [record.spans for record in records] == [[(0, 2, "PER"), (3, 5, "LOC")], [], None]


def test_what_is_not_annotated_in_the_simple_style_is_counted():
    annotations = [PAIRS[0], None, None, ["x", {"entities": [], "cats": {"news": 1}}]]
    records, source = read({"classes": [], "annotations": annotations})
    assert len(records) == 2
    assert source.left_out == {
        "texts that were not annotated left out": 2,
        "document classes left out": 1,
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"text": "ab", "ents": [[0, 1, "X"]]}, ["'ents' has the wrong shape", "Expected {"]),
        ({"text": "ab", "ents": [{"start": 0, "end": 3, "label": "X"}]}, ["out of range"]),
        ({"ents": []}, ["there is no 'text'"]),
        ("x", ["a JSON str", "Expected {"]),
        (["a", "b"], ["a JSON list"]),
        (["ab", {"entities": [[0, 1]]}], ["'entities' has the wrong shape", "Expected ["]),
        (["ab", {"entities": ["O"]}], ["'entities' has the wrong shape"]),
        (["ab", {"entities": 3}], ["'entities' has the wrong shape"]),
        (["ab", {"entities": [[0, 0, "X"]]}], ["look end-inclusive"]),
        (paragraph(("a", "X")), ["the tag 'X' is not O, -", "Correct the tag"]),
        (paragraph(("a", "BI-X")), ["the tag 'BI-X'"]),
        (paragraph(("a", "U-")), ["the tag 'U-'"]),
        (paragraph(()), ["the paragraph has the wrong shape", "Expected {"]),
        (paragraph(("a", 3)), ["the paragraph has the wrong shape"]),
        (paragraph((3, "O")), ["the paragraph has the wrong shape"]),
        (paragraph(("a", "O"), ("b", "O"), raw="a x b"), ["goes on with 'x b' after 1 tokens"]),
        (paragraph(("a", "O"), raw="b"), ["do not make up the text in 'raw'", "Correct"]),
        (paragraph(("a", "O"), raw="a b"), ["goes on with 'b' after 1 tokens"]),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_remedy(value, expected):
    with pytest.raises(CorpusError) as caught:
        read(f"[{json.dumps(PAIRS[1])},\n{json.dumps(value)}]")
    assert str(caught.value).startswith("a.json, line 2: ")
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        {"text": "ab", "tokens": [{"text": "ab", "start": 0, "end": 2}]},
        {"text": "ab", "tokens": ["ab"]},
        {"text": "ab", "annotations": [{"start": 0}]},
        {"paragraphs": [{"context": "ab", "qas": []}]},
        [["ab", "O"], ["c", "O"]],
    ],
)
def test_other_json_is_not_recognized(value):
    assert not spacy_json.recognizes(source_of(value))
