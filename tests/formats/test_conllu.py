"""Tests of CoNLL-U and CoNLL-U Plus."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_crf_ner.formats.conllu import COLUMNS, EMPTY_NODES, read, recognizes, write
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.formats.tagged import to_record
from spacy_crf_ner.util import CorpusError


def row(id, form, misc="_", head="_"):
    return "\t".join([id, form, "_", "_", "_", "_", head, "_", "_", misc])


def read_lines(*lines, name="a.conllu"):
    source = Source(name, "\n".join(lines).encode())
    return source, list(read(source))


@pytest.mark.parametrize("name", ["NER", "ner", "name", "NE", "Entity"])
def test_tags_are_an_attribute_of_misc(name):
    source, sentences = read_lines(
        "# sent_id = 1",
        "# text = Li Na runs.",
        row("1", "Li", f"Gloss=x|{name}=B-PER"),
        row("2", "Na", f"{name}=I-PER"),
        row("3", "runs", f"{name}=O|SpaceAfter=No"),
        row("4", "."),
        "",
        "",
        row("1", "Oslo", f"{name}=B-LOC"),
    )
    first, second = sentences
    assert first.tokens == ["Li", "Na", "runs", "."]
    assert first.tags == ["B-PER", "I-PER", "O", "O"]
    assert first.spaces == [True, True, False, True]
    assert (first.line, list(first.lines)) == (3, [3, 4, 5, 6])
    assert (second.line, second.tokens, second.tags) == (9, ["Oslo"], ["B-LOC"])
    assert source.left_out[COLUMNS] == 7


def test_an_attribute_without_tags_is_not_that_of_the_tags():
    _, (sentence,) = read_lines(row("1", "Li", "NE=p|NER=_|name=B-PER"), row("2", "runs", "NE=q"))
    assert sentence.tags == ["B-PER", "O"]


def test_spaces_are_unknown_if_no_word_is_without_one():
    _, (sentence,) = read_lines(row("1", "a", "NER=O"), row("2", "b", "NER=B-X"))
    assert sentence.spaces is None


def test_empty_nodes_are_left_out_and_counted():
    source, (sentence,) = read_lines(
        row("0.1", "x"), row("1", "a", "NER=O"), row("1.1", "y", "NER=B-X"), row("2", "b")
    )
    assert sentence.tokens == ["a", "b"]
    assert source.left_out[EMPTY_NODES] == 2


def test_the_words_of_a_multiword_range_are_tokens():
    _, (sentence,) = read_lines(
        row("1-2", "del", "SpaceAfter=No"),
        row("1", "de", "NER=O"),
        row("2", "el", "NER=O"),
        row("3", "Prado", "NER=B-LOC"),
        row("4-5", "x"),
        row("4", "y"),
        row("5", "z", "SpaceAfter=No"),
    )
    assert sentence.tokens == ["de", "el", "Prado", "y", "z"]
    assert sentence.spaces == [False, False, True, False, True]


def test_a_multiword_range_with_a_tag_is_a_token():
    _, (sentence,) = read_lines(
        row("1-2", "Prados", "ner=B-LOC"), row("1", "Prado"), row("2", "s"), row("3", "y", "ner=O")
    )
    assert sentence.tokens == ["Prados", "y"]
    assert sentence.tags == ["B-LOC", "O"]


@pytest.mark.parametrize("name", ["NER", "X:NE", "NE:COARSE", "STANZA_NER", "Ner"])
def test_tags_are_a_column_of_conllu_plus(name):
    source, (sentence,) = read_lines(
        f"# global.columns = ID FORM UPOS {name} MISC",
        "1\tLi\tX\tB-PER\tSpaceAfter=No",
        "2\truns\tX\t_\tname=B-X",
        "3\t#\tX\t*\t_",
        name="a.txt",
    )
    assert sentence.tokens == ["Li", "runs", "#"]
    assert sentence.tags == ["B-PER", "O", "O"]
    assert sentence.spaces == [False, True, True]
    assert source.left_out[COLUMNS] == 1


def test_conllu_plus_may_have_no_ids_and_tags_in_misc():
    _, (sentence,) = read_lines("# global.columns = FORM MISC", "#\tNER=O", "# id", "b\tNER=B-X")
    assert sentence.tokens == ["#", "b"]


@pytest.mark.parametrize(
    ("lines", "line", "expected"),
    [
        ([row("1", "a")], None, ["no entity tags", "MISC", "NER=B-PER", "CoNLL-U Plus", "Name"]),
        ([row("1", "a", "NER=O"), "2\tb"], 2, ["expected 10 columns", "got 2", "ID FORM"]),
        ([row("1", "a", "NER=O"), row("x", "b")], 2, ["expected an ID", "'x'", "Number"]),
        (["# global.columns = ID UPOS", "1\tX"], 1, ["no column FORM", "Name"]),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_remedy(lines, line, expected):
    with pytest.raises(CorpusError) as caught:
        read_lines(*lines)
    where = "a.conllu: " if line is None else f"a.conllu, line {line}: "
    assert str(caught.value).startswith(where)
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "is_conllu"),
    [
        (row("1", "a"), "a.txt", True),
        ("# x\n" + row("1-2", "O", "SpaceAfter=No", "4"), "a", True),
        ("# global.columns = ID FORM NER\n1\ta\tO", "a", True),
        ("a\tO", "a.conllu", True),
        (row("1", "a", "B-X"), "a", False),
        (row("a", "1"), "a", False),
        (row("1", "a", "_", "B-X"), "a", False),
        ("1\ta\tO", "a", False),
        ("{}", "a.json", False),
    ],
)
def test_conllu_is_told_by_extension_or_content(text, name, is_conllu):
    assert recognizes(Source(name, text.encode())) is is_conllu


def test_a_doc_is_written_as_a_sentence(tmp_path):
    doc = Doc(
        spacy.blank("en").vocab,
        words=["Li", "\t", "Na", "runs", "."],
        spaces=[False, False, True, False, False],
    )
    doc.ents = [Span(doc, 0, 3, label="PER")]
    write(tmp_path / "a.conllu", [doc, doc])
    text = (tmp_path / "a.conllu").read_text(encoding="utf8")
    first, second, end = text.split("\n\n")
    assert first.split("\n") == [
        "# sent_id = 1",
        "# text = Li Na runs.",
        row("1", "Li", "NER=B-PER"),
        row("2", "Na", "NER=I-PER"),
        row("3", "runs", "NER=O|SpaceAfter=No"),
        row("4", ".", "NER=O|SpaceAfter=No"),
    ]
    assert second.startswith("# sent_id = 2\n")
    assert end == ""
    records = [to_record(each, "BIO") for each in read(Source.open(tmp_path / "a.conllu"))]
    assert [record.spans for record in records] == [[(0, 2, "PER")]] * 2
