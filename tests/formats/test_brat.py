"""Tests of brat's standoff files."""

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Span

from spacy_crf_ner.formats.brat import FORMAT, read, write
from spacy_crf_ner.formats.catalogue import find_format
from spacy_crf_ner.formats.corpus import read_corpus, require_known_labels
from spacy_crf_ner.formats.docbin import to_doc
from spacy_crf_ner.formats.format import Predictions
from spacy_crf_ner.formats.record import BLANK_RIM, DISCONTINUOUS, EMPTY_TEXT, OVERLAP
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.formats.write import write_files
from spacy_crf_ner.util import CorpusError

EN = spacy.blank("en")
TEXT = "Ada Bell met\nCarl Dorn in Oslo."
ANN = "T1\tPER 0 8\tAda Bell\nT2\tPER 13 22\tCarl Dorn\nT3\tLOC 26 30\tOslo\n"
SPANS = [(0, 8, "PER"), (13, 22, "PER"), (26, 30, "LOC")]


def put(folder, name="a", text=TEXT, ann=ANN):
    (folder / f"{name}.txt").write_bytes(text.encode())
    if ann is not None:
        (folder / f"{name}.ann").write_bytes(ann.encode())
    return folder / f"{name}.txt"


def read_one(path):
    source = Source.open(path)
    (record,) = read(source)
    return record, source


@pytest.mark.parametrize("suffix", [".txt", ".ann"])
def test_a_text_is_read_with_its_annotation(tmp_path, suffix):
    path = put(tmp_path).with_suffix(suffix)
    record, source = read_one(path)
    assert find_format(source) is FORMAT
    assert record.text == TEXT
    assert record.spans == SPANS
    assert record.path == tmp_path / "a.ann"
    assert [record.line_of_span(span) for span in SPANS] == [1, 2, 3]


@pytest.mark.parametrize(("ann", "spans"), [(None, None), ("", []), ("\n", [])])
def test_no_annotation_file_is_missing_annotation_and_an_empty_one_no_entities(
    tmp_path, ann, spans
):
    put(tmp_path, "other")
    path = put(tmp_path, ann=ann)
    record, source = read_one(path)
    assert find_format(source) is FORMAT
    assert record.spans == spans
    assert record.path == (path if ann is None else path.with_suffix(".ann"))


@pytest.mark.parametrize("text", ['{"text": "x"}', "Ada B-PER", "-DOCSTART- O", "#begin document"])
def test_a_text_beside_its_annotation_may_look_like_anything(tmp_path, text):
    path = put(tmp_path, text=text, ann="")
    assert find_format(Source.open(path)) is FORMAT
    assert find_format(Source.open(path.with_suffix(".ann"))) is FORMAT


def test_a_text_file_among_others_is_not_taken(tmp_path):
    assert find_format(Source.open(put(tmp_path, ann=None))) is not FORMAT


def test_what_is_no_mention_is_counted(tmp_path):
    others = [
        "R1\tMeets Arg1:T1 Arg2:T2",
        "E1\tMeeting:T1 Who:T2",
        "A1\tSure T1",
        "M1\tSure T2",
        "N1\tReference T3 Wikipedia:22309\tOslo",
        "*\tEquiv T1 T2",
        "#1\tAnnotatorNotes T1\ta note",
    ]
    record, source = read_one(put(tmp_path, ann=ANN + "\n".join(others)))
    assert record.spans == SPANS
    assert source.left_out == {
        "relations left out": 1,
        "events left out": 1,
        "attributes left out": 2,
        "normalizations left out": 1,
        "equivalences left out": 1,
        "notes left out": 1,
    }


@pytest.mark.parametrize(
    "line",
    [
        "T1\tPER 4 8;11 15\tBell Cole",  # how brat writes a mention across a line end
        "T1\tPER 4 8;9 10;11 15\tBell   Cole",
        "T1\tPER 4 15\tBell   Cole",  # a blank for the line end
        "T1\tPER 4 15",
        "T1\tPER 4 15 \tBell Cole\r",
    ],
)
def test_a_mention_may_go_on_in_the_next_line(tmp_path, line):
    record, _ = read_one(put(tmp_path, text="Ada Bell \n Cole", ann=line))
    assert record.spans == [(4, 15, "PER")]
    assert not record.notes


@pytest.mark.parametrize("offsets", ["4 8;18 22", "18 22;4 8"])
def test_a_mention_in_pieces_is_skipped_and_its_tokens_are_unknown(tmp_path, offsets):
    mention = "Bell Dorn" if offsets.startswith("4") else "Dorn Bell"
    ann = f"T1\tPER {offsets}\t{mention}\nT2\tLOC 26 30\tOslo"
    record, _ = read_one(put(tmp_path, ann="\n" + ann))
    assert record.spans == [(26, 30, "LOC")]
    (note,) = record.notes
    assert (note.kind, note.line, note.span) == (DISCONTINUOUS, 2, (4, 22, "PER"))
    assert note.path == tmp_path / "a.ann"
    doc = to_doc(record, EN)
    assert [token.text for token in doc if not token.ent_iob] == ["Bell", "Dorn"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("counts_mark", [True, False])
@pytest.mark.parametrize("counts_two", [True, False])
def test_tools_count_byte_order_marks_and_line_ends_differently(
    tmp_path, mark, line_end, counts_mark, counts_two
):
    text = mark + TEXT.replace("\n", line_end)
    first = len(mark) * counts_mark
    second = 13 + first + (len(line_end) - 1) * counts_two
    ann = f"T1\tPER {first} {first + 8}\tAda Bell\nT2\tPER {second} {second + 9}\tCarl Dorn"
    record, _ = read_one(put(tmp_path, text=text, ann=ann))
    found = [record.text[start:end] for start, end, _ in record.spans]
    assert found == ["Ada Bell", "Carl Dorn"]
    assert record.text.startswith("Ada")


def test_notes_have_the_lines_of_the_mentions(tmp_path):
    ann = "T1\tPER 0 8\tAda Bell\n\nT2\tPER 0 3\tAda\nT3\tPER 3 8\tBell"
    record, _ = read_one(put(tmp_path, ann=ann))
    to_doc(record, EN)
    assert [(note.kind, note.line) for note in record.notes] == [
        (BLANK_RIM, 4),
        (OVERLAP, 4),
        (OVERLAP, 3),
    ]


def test_a_label_that_training_lacks_is_found_in_its_line(tmp_path):
    files = {"train": [put(tmp_path)], "dev": [put(tmp_path, "b", ann=f"{ANN}T4\tORG 23 25\tin")]}
    with pytest.raises(CorpusError, match=r"b\.ann, line 4: the dev set has labels .* ORG"):
        require_known_labels(read_corpus(files, EN).sets)


def test_an_empty_text_is_skipped(tmp_path):
    record, _ = read_one(put(tmp_path, text="", ann=""))
    assert len(to_doc(record, EN)) == 0
    assert [note.kind for note in record.notes] == [EMPTY_TEXT]


@pytest.mark.parametrize(
    ("ann", "expected"),
    [
        ("T1 PER 0 8 Ada", ["expected T1<TAB>TYPE START END<TAB>MENTION", "Correct it"]),
        ("T1\tPER\tAda", ["expected T1<TAB>TYPE"]),
        ("T1\tPER 0 -1\tAda", ["expected T1<TAB>TYPE"]),
        ("T1\t 0 3\tAda", ["expected T1<TAB>TYPE"]),
        ("X1\tPER 0 3\tAda", ["expected T1<TAB>TYPE"]),
        ("Real O", ["expected T1<TAB>TYPE"]),
        ("T1\tPER 0 8\tAda", ["the mention 'Ada' (PER) at 0 8, but the text there is 'Ada Bell'"]),
        ("T1\tPER 0 2\tAda", ["there is 'Ad'", "look end-inclusive: add 1 to each end"]),
        ("T1\tPER 26 90\tOslo", ["at 26 90, but the text has 31 characters", "Correct the offs"]),
        ("T1\tPER 90 95", ["at 90 95, but the text has 31 characters", "Correct the offsets"]),
        ("T1\tPER 3 3\t", ["at 3 3"]),
        ("T1\tPER 0 3;18 22\tAda Bell", ["at 0 3;18 22, but the text there is 'Ada Dorn'"]),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_remedy(tmp_path, ann, expected):
    path = put(tmp_path, ann=f"T7\tLOC 26 30\tOslo\n{ann}\n")
    with pytest.raises(CorpusError) as caught:
        read_one(path)
    assert str(caught.value).startswith(f"{tmp_path / 'a.ann'}, line 2: ")
    for part in expected:
        assert part in str(caught.value)


def test_offsets_counted_in_utf16_are_recognized(tmp_path):
    path = put(tmp_path, text="😀 in Oslo", ann="T1\tLOC 6 10\tOslo")
    with pytest.raises(CorpusError, match="look counted in UTF-16: count characters"):
        read_one(path)


def test_an_annotation_without_its_text_is_an_error(tmp_path):
    put(tmp_path).unlink()
    with pytest.raises(CorpusError, match=r"a\.ann: its text a\.txt is missing\. Put it beside"):
        read_one(tmp_path / "a.ann")


@pytest.mark.parametrize("suffix", [".txt", ".ann"])
def test_what_is_not_utf_8_is_an_error_that_names_the_file(tmp_path, suffix):
    path = put(tmp_path)
    path.with_suffix(suffix).write_bytes(b"ok\n\xe9t\xe9")
    with pytest.raises(CorpusError, match=rf"a\{suffix}, line 2: byte 0xe9"):
        read_one(path)


def make_doc(text, *spans):
    doc = EN(text)
    doc.ents = [doc.char_span(start, end, label=label) for start, end, label in spans]
    return doc


def test_a_folder_of_pairs_is_written(tmp_path):
    docs = [make_doc(TEXT, *SPANS), make_doc("Nobody met anyone."), EN("Who?")]
    write_files({tmp_path / "out": docs}, FORMAT)
    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert written == {
        "0001.txt": TEXT,
        "0001.ann": ANN,
        "0002.txt": "Nobody met anyone.",
        "0002.ann": "",
        "0003.txt": "Who?",
    }


def test_numbers_have_enough_digits_for_sorting(tmp_path, monkeypatch):
    names = []
    monkeypatch.setattr(Path, "write_text", lambda path, text, **options: names.append(path.name))
    write(tmp_path / "out", [EN("x")] * 10_000)
    assert (names[0], names[-1]) == ("00001.txt", "10000.txt")


def test_a_mention_is_written_in_pieces_as_brat_does(tmp_path):
    doc = make_doc("Ada \n\n\tBell  Cole\u3000Dorn", (0, 22, "PER"))
    write_files({tmp_path / "out": [doc]}, FORMAT)
    line = "T1\tPER 0 3;7 17;18 22\tAda Bell  Cole Dorn\n"
    assert (tmp_path / "out" / "0001.ann").read_text() == line
    record, _ = read_one(tmp_path / "out" / "0001.txt")
    assert record.spans == [(0, 22, "PER")]


def test_confidences_are_notes(tmp_path):
    doc = make_doc(TEXT, *SPANS[:2])
    predictions = Predictions("en_x 0.1", lambda ent: 0.75 if ent.start == 0 else None)
    write_files({tmp_path / "out": [doc]}, FORMAT, predictions)
    assert (tmp_path / "out" / "0001.ann").read_text().splitlines() == [
        "T1\tPER 0 8\tAda Bell",
        "#1\tAnnotatorNotes T1\t0.7500 (en_x 0.1)",
        "T2\tPER 13 22\tCarl Dorn",
    ]


def test_a_label_with_a_blank_is_an_error_and_leaves_nothing(tmp_path):
    doc = EN(TEXT)
    doc.ents = [Span(doc, 0, 2, label="a person")]
    with pytest.raises(ValueError, match="no white space, unlike 'a person'"):
        write_files({tmp_path / "out": [doc]}, FORMAT)
    assert not list(tmp_path.iterdir())
