"""Tests of the columns of CoNLL-2012."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_crf_ner.formats.conll2012 import COLUMNS, read, recognizes, write
from spacy_crf_ner.formats.docbin import to_doc
from spacy_crf_ner.formats.record import OVERLAP
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.util import CorpusError

BEGIN = "#begin document (nw/x/00/x_0001); part 000"
END = "#end document"


def row(i, word, entity, *arguments):
    columns = ["nw/x/00/x_0001", "0", str(i), word, "NN", "*", "-", "-", "-", "Li", entity]
    return "   ".join([*columns, *arguments, "(0)"])


def read_lines(*lines):
    source = Source("a.conll", "\n".join(lines).encode())
    return source, list(read(source))


def test_brackets_are_entities():
    source, records = read_lines(
        BEGIN,
        row(0, "Li", "(PERSON*", "(ARG0*"),
        row(1, "Na", "*)", "*)"),
        row(2, "saw", "*", "(V*)"),
        row(3, "Oslo", "(GPE)", "*"),
        "",
        row(0, "He", "-"),
        END,
        BEGIN.replace("000", "001"),
        row(0, "X-1", "(WORK_OF_ART)"),
        "",
        END,
    )
    assert [record.text for record in records] == [["Li", "Na", "saw", "Oslo"], ["He"], ["X-1"]]
    assert [record.spans for record in records] == [
        [(0, 2, "PERSON"), (3, 4, "GPE")],
        [],
        [(0, 1, "WORK_OF_ART")],
    ]
    assert [record.line for record in records] == [2, 7, 10]
    assert list(records[0].lines) == [2, 3, 4, 5]
    assert source.left_out[COLUMNS] == 11


def test_of_nested_entities_the_outer_one_is_kept_and_the_inner_one_noted():
    _, (record,) = read_lines(
        BEGIN,
        row(0, "Oslo", "(ORG(GPE)*"),
        row(1, "Bank", "*"),
        row(2, "A", "(X))"),
        row(3, "B", "*"),
    )
    doc = to_doc(record, spacy.blank("en"))
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Oslo Bank A", "ORG")]
    assert [(note.kind, note.line) for note in record.notes] == [(OVERLAP, 2), (OVERLAP, 4)]


@pytest.mark.parametrize(
    ("cells", "line", "expected"),
    [
        (["(X*", "*", "(Y)"], 2, ["a bracket in '(X*' is not closed", "Add"]),
        (["(X)", "*)"], 3, ["a bracket in '*)' closes no entity", "Add"]),
        (["*", "B-X"], 3, ["expected an entity such as (PERSON*", "column 11", "'B-X'", "Correct"]),
        (["(*)"], 2, ["expected an entity"]),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_remedy(cells, line, expected):
    rows = [row(i, "w", cell) for i, cell in enumerate(cells)]
    with pytest.raises(CorpusError) as caught:
        read_lines(BEGIN, *rows, "", row(0, "w", "*"))
    assert str(caught.value).startswith(f"a.conll, line {line}: ")
    for part in expected:
        assert part in str(caught.value)


def test_too_few_columns_are_an_error():
    with pytest.raises(CorpusError) as caught:
        read_lines(BEGIN, "x 0 0 Li NNP (PERSON)")
    assert str(caught.value).startswith("a.conll, line 2: expected at least 11 columns")
    assert "got 6" in str(caught.value)
    assert "Add the missing columns" in str(caught.value)


def test_the_format_is_told_by_its_first_line():
    assert recognizes(Source("a", f"\n{BEGIN}\n".encode()))
    assert not recognizes(Source("a", f"a O\n{BEGIN}\n".encode()))


def test_a_doc_is_written_as_a_document(tmp_path):
    doc = Doc(spacy.blank("en").vocab, words=["Li", "\t", "Na", "in", "New York"])
    doc.ents = [Span(doc, 0, 3, label="PERSON"), Span(doc, 4, 5, label="big city")]
    path = tmp_path / "a.conll"
    write(path, [doc, doc])
    lines = path.read_text(encoding="utf8").split("\n")
    assert len(lines) == 2 * 7 + 1
    assert lines[:7] == [
        "#begin document (doc1); part 000",
        "\t".join(["doc1", "0", "0", "Li", *["-"] * 6, "(PERSON*", "-"]),
        "\t".join(["doc1", "0", "1", "Na", *["-"] * 6, "*)", "-"]),
        "\t".join(["doc1", "0", "2", "in", *["-"] * 6, "*", "-"]),
        "\t".join(["doc1", "0", "3", "NewYork", *["-"] * 6, "(big_city)", "-"]),
        "",
        "#end document",
    ]
    records = list(read(Source.open(path)))
    assert [record.spans for record in records] == [[(0, 2, "PERSON"), (3, 4, "big_city")]] * 2
