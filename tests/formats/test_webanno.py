"""Tests of WebAnno TSV 3."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_crf_ner.formats.docbin import to_doc
from spacy_crf_ner.formats.record import CROSSING, MISALIGNED, NO_LABEL, OVERLAP
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.formats.webanno import read, recognizes, write
from spacy_crf_ner.formats.webanno_layers import COLUMNS
from spacy_crf_ner.formats.webanno_text import escape_text, escape_value, split_values, unescape
from spacy_crf_ner.util import CorpusError

FORMAT = "#FORMAT=WebAnno TSV 3.3"
ENTITIES = "#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value"
LEMMAS = "#T_SP=de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Lemma|value"
HEADER = [FORMAT, ENTITIES, "", ""]


def source_of(*lines):
    return Source("a.tsv", "\n".join(lines).replace(" | ", "\t").encode())


def read_lines(*lines, header=HEADER):
    source = source_of(*header, *lines)
    return source, list(read(source))


def test_ids_join_tokens_to_entities():
    source, records = read_lines(
        "#Sentence.id=s1",
        "#Text=Li Na saw Oslo.",
        "1-1 | 0-2 | Li | x[1] | PER[1] | ",
        "1-2 | 3-5 | Na | x[1] | PER[1] | ",
        "1-3 | 6-9 | saw | _ | _ | ",
        "1-4 | 10-14 | Oslo | * | LOC | ",
        "1-5 | 14-15 | . | _ | _ | ",
        "",
        "#Text=Bo and Al",
        "2-1 | 16-18 | Bo | * | PER | ",
        "2-2 | 19-22 | and | _ | _ | ",
        "2-3 | 23-25 | Al | * | PER | ",
    )
    first, second = records
    assert first.text == ["Li", "Na", "saw", "Oslo", "."]
    assert first.spans == [(0, 2, "PER"), (3, 4, "LOC")]
    assert first.spaces == [True, True, True, False, False]
    assert (first.line, list(first.lines)) == (7, [7, 8, 9, 10, 11])
    assert second.text == ["Bo", "and", "Al"]
    assert second.spans == [(0, 1, "PER"), (2, 3, "PER")]
    assert source.left_out[COLUMNS] == 1


def test_a_text_of_several_lines_keeps_its_white_space():
    _, (record,) = read_lines(
        "#Text=a  b",
        r"#Text=c\td",
        "1-1 | 0-1 | a | _ | X[3]",
        "1-2 | 3-4 | b | _ | X[3]",
        "1-3 | 5-6 | c | _ | X[3]",
        "1-4 | 7-8 | d | _ | _",
    )
    assert record.text == ["a", " ", "b", "\n", "c", "\t", "d"]
    assert record.spaces == [True, False, False, False, False, False, False]
    assert record.spans == [(0, 5, "X")]
    assert list(record.lines) == [7, 8, 8, 9, 9, 10, 10]
    assert to_doc(record, spacy.blank("en")).text == "a  b\nc\td"


def test_offsets_count_utf16_units():
    _, (record,) = read_lines(
        "#Text=😀 in 𠮷野",
        "1-1 | 0-2 | 😀 | _ | _",
        "1-2 | 3-5 | in | _ | _",
        "1-3 | 6-9 | 𠮷野 | _ | X",
    )
    assert record.text == ["😀", "in", "𠮷野"]
    assert record.spans == [(2, 3, "X")]


def test_of_stacked_annotations_the_longest_is_kept_and_the_others_noted():
    _, (record,) = read_lines(
        "#Text=Li Na", "1-1 | 0-2 | Li | _ | PER[1]|PART[2]", "1-2 | 3-5 | Na | _ | PER[1]"
    )
    doc = to_doc(record, spacy.blank("en"))
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Li Na", "PER")]
    assert [(note.kind, note.line) for note in record.notes] == [(OVERLAP, 6)]


@pytest.mark.parametrize(
    ("lines", "kind", "note_line", "missing"),
    [
        (["1-1 | 0-2 | Li | * | *", "1-2 | 3-5 | Na | _ | _"], NO_LABEL, 6, [[0]]),
        (
            ["1-1 | 0-2 | Li | _ | _", "1-2 | 3-5 | Na | _ | _", "1-2.1 | 3-4 | N | * | PER"],
            MISALIGNED,
            7,
            [[1]],
        ),
        (
            [
                "1-1 | 0-2 | Li | _ | PER[1]",
                "1-2 | 3-5 | Na | _ | _",
                "1-2.1 | 3-4 | N | _ | PER[1]",
            ],
            MISALIGNED,
            6,
            [[0, 1]],
        ),
        (
            [
                "1-1 | 0-2 | Li | _ | _",
                "1-2 | 3-5 | Na | * | PER[1]",
                "",
                "#Text=B C",
                "2-1 | 6-7 | B | * | PER[1]",
                "2-2 | 8-9 | C | * | _",
            ],
            CROSSING,
            7,
            [[1], [0]],
        ),
    ],
)
def test_what_is_no_span_of_tokens_is_skipped_and_its_tokens_are_unknown(
    lines, kind, note_line, missing
):
    _, records = read_lines("#Text=Li Na", *lines)
    docs = [to_doc(record, spacy.blank("en")) for record in records]
    notes = [note for record in records for note in record.notes]
    assert [(note.kind, note.line) for note in notes] == [(kind, note_line)]
    assert [[t.i for t in doc if not t.ent_iob] for doc in docs] == missing
    assert not any(doc.ents for doc in docs)


@pytest.mark.parametrize(
    ("layers", "cells", "left_out"),
    [
        ([LEMMAS, ENTITIES], "li | _ | PER", 2),
        (["#T_SP=webanno.custom.Mood|value", ENTITIES], "glad | _ | PER", 2),
        (["#T_SP=webanno.custom.Empty|", ENTITIES], "* | _ | PER", 2),
        ([LEMMAS, "#T_SP=webanno.custom.Name|value|note"], "li | PER | x", 2),
        ([LEMMAS, "#T_SP=webanno.custom.Name|kind"], "li | PER", 1),
        ([ENTITIES, "#T_RL=webanno.custom.Of|kind|BT_webanno.custom.Name"], "_ | PER | a | 1-1", 3),
        (["#T_SP=webanno.custom.Name|value", "#T_CH=x.Link|referenceType|y"], "PER | _ | _", 2),
    ],
)
def test_the_layer_of_entities_is_found_and_others_are_counted(layers, cells, left_out):
    source, (record,) = read_lines(
        "#Text=Li", f"1-1 | 0-2 | Li | {cells} | ", header=[FORMAT, *layers, "", ""]
    )
    assert record.spans == [(0, 1, "PER")]
    assert source.left_out[COLUMNS] == left_out


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], ["which layer", "got none", "Remove"]),
        ([LEMMAS], ["got none"]),
        (["#T_SP=x.A|value", "#T_SP=x.B|value"], ["got x.A, x.B"]),
        (["#T_SP=x.A|b|c"], ["got x.A"]),
        (["#T_SP=x.NamedEntity|b|c"], ["no feature 'value'", "Add"]),
    ],
)
def test_without_one_layer_of_entities_there_is_an_error(layers, expected):
    with pytest.raises(CorpusError) as caught:
        read_lines("#Text=Li", header=[FORMAT, *layers, "", ""])
    assert str(caught.value).startswith("a.tsv, line 1: ")
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "line", "expected"),
    [
        (["#Text=Li", "1-1 | 0-2 | Li | _"], 6, ["expected at least 5 columns", "Export"]),
        (["#Text=Li", "1 | 0-2 | Li | _ | _"], 6, ["the first such as 1-1"]),
        (["#Text=Li", "1-1 | 0 | Li | _ | _"], 6, ["the second such as 0-4"]),
        (["1-1 | 0-2 | Li | _ | _"], 5, ["no '#Text='", "Add"]),
        (["#Text=Li", "1-1.1 | 0-2 | Li | _ | _"], 6, ["no '#Text='"]),
        (["#Text= Li", "1-1 | 1-3 | Li | _ | _"], 6, ["expected 'Li'", "is ' L'", "Correct"]),
        (["#Text=Li", "1-1 | 0-0 |  | _ | _"], 6, ["expected ''", "Correct"]),
        (
            ["#Text=😀Li", "1-1 | 0-2 | 😀 | _ | _", "1-2 | 1-3 | Li | _ | _"],
            7,
            ["expected 'Li'", "counted in characters: count UTF-16"],
        ),
        (
            ["#Text=a b c", "1-1 | 0-1 | a | _ | _", "1-2 | 4-5 | c | _ | _"],
            7,
            ["' b ' before 'c' is in no token"],
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_remedy(lines, line, expected):
    with pytest.raises(CorpusError) as caught:
        read_lines(*lines)
    assert str(caught.value).startswith(f"a.tsv, line {line}: ")
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("plain", "in_text", "in_value"),
    [
        ("a_b", "a_b", r"a\_b"),
        ("a\\", r"a\\", r"a\\"),
        ("[1]|*;", "[1]|*;", r"\[1\]\|\*\;"),
        ("->\t", r"->\t", r"\->\t"),
        ("\\n", r"\\n", r"\\n"),
        ("\x01", "\\\x01", "\\\x01"),
    ],
)
def test_escapes(plain, in_text, in_value):
    assert escape_text(plain) == in_text
    assert escape_value(plain) == in_value
    assert unescape(in_text) == unescape(in_value) == plain


def test_version_31_has_escapes_by_number():
    assert unescape(r"\u00e4\ud83d\ude00") == "ä😀"


def test_stacked_values_are_split():
    assert split_values(r"A[1]|B\|\[2\]|*[12]|\_") == [
        ("A", "1"),
        (r"B\|\[2\]", ""),
        ("*", "12"),
        (r"\_", ""),
    ]


def test_escapes_in_labels_and_tokens_are_undone():
    _, (record,) = read_lines(
        r"#Text=a\\b", r"1-1 | 0-3 | a\b | _ | A\_B\|C[7]", r"1-1.1 | 0-1 | a | _ | _"
    )
    assert record.text == ["a\\b"]
    assert record.spans == [(0, 1, "A_B|C")]


def test_the_format_is_told_by_its_first_line():
    assert recognizes(source_of(FORMAT))
    assert not recognizes(source_of("a O", FORMAT))
    assert not recognizes(source_of("#FORMAT=WebAnno TSV 2"))


def test_a_doc_is_written_as_a_sentence(tmp_path):
    vocab = spacy.blank("en").vocab
    first = Doc(
        vocab,
        words=["\n", "😀", "Li", "\t", "Na", ",", "Oslo", "_", "\n"],
        spaces=[False, True, False, False, False, True, True, False, False],
    )
    first.ents = [Span(first, 2, 5, label="PER"), Span(first, 6, 7, label="A_B")]
    empty = Doc(vocab, words=["\n"])
    second = Doc(vocab, words=["New York", "a\nb"], spaces=[True, False])
    second.ents = [Span(second, 0, 2, label="LOC")]
    path = tmp_path / "a.tsv"
    write(path, [first, empty, second])
    assert path.read_text(encoding="utf8").replace("\t", " | ") == "\n".join(
        [
            FORMAT,
            ENTITIES.replace("identifier|", ""),
            "",
            "",
            r"#Text=😀 Li\tNa, Oslo _",
            "1-1 | 0-2 | 😀 | _ | ",
            "1-2 | 3-5 | Li | PER[1] | ",
            "1-3 | 6-8 | Na | PER[1] | ",
            "1-4 | 8-9 | , | _ | ",
            r"1-5 | 10-14 | Oslo | A\_B | ",
            "1-6 | 15-16 | _ | _ | ",
            "",
            "#Text=New York a",
            "#Text=b",
            "2-1 | 17-25 | New York | LOC[2] | ",
            r"2-2 | 26-29 | a\nb | LOC[2] | ",
            "",
        ]
    )
    one, two = read(Source.open(path))
    assert one.spans == [(1, 4, "PER"), (5, 6, "A_B")]
    assert two.text == ["New York", "a\nb"]
