"""Tests of column files and their tag schemes."""

import random

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_crf_ner.formats.columns import COLUMNS, COMMENTS, LEFT_OUT, TAG_COLUMNS, read, write
from spacy_crf_ner.formats.corpus import read_corpus
from spacy_crf_ner.formats.record import BLANK_TOKEN, GLUED, ILLEGAL_TAGS, WORD_POSITIONS
from spacy_crf_ner.formats.source import Source
from spacy_crf_ner.formats.tagged import find_scheme, to_record
from spacy_crf_ner.formats.write import write_docbins
from spacy_crf_ner.util import CorpusError

# Written out once more, on purpose, instead of imported: first, inner, last, only.
LETTERS = {"BIO": "BIIB", "BIOES": "BIES", "BMES": "BMES", "BILUO": "BILU"}


def sentences_of(*tag_sequences):
    """One sentence for each tag sequence, in one file, the tokens being a, b, c ..."""
    lines = []
    for tag_sequence in tag_sequences:
        lines += [f"{chr(97 + i)} {tag}" for i, tag in enumerate(tag_sequence.split())] + [""]
    return list(read(Source("a.txt", "\n".join(lines).encode())))


def write_tags(spans, length, scheme):
    tags = ["O"] * length
    for start, end, label in spans:
        if scheme == "IOB1":
            follows = any((end_before, label) == (start, other) for _, end_before, other in spans)
            letters = ("B" if follows else "I") + "I" * (end - start - 1)
        else:
            first, inner, last, only = LETTERS[scheme]
            letters = only if end - start == 1 else first + inner * (end - start - 2) + last
        tags[start:end] = [f"{letter}-{label}" for letter in letters]
    return tags


def random_spans(rng, length):
    spans, start = [], 0
    while start < length:
        end = min(length, start + rng.randint(1, 4))
        if rng.random() < 0.6:
            spans.append((start, end, rng.choice(["LOC", "PER", "A-B"])))
        start = end
    return spans


@pytest.mark.parametrize("scheme", ["BIO", "IOB1", "BIOES", "BMES", "BILUO"])
@pytest.mark.parametrize("separator", [" ", "   ", "\t", " POS "])
def test_spans_survive_each_scheme(scheme, separator, tmp_path):
    rng = random.Random(scheme)
    gold = [random_spans(rng, rng.randint(1, 20)) for _ in range(100)]
    lines = []
    for spans in gold:
        length = max((end for _, end, _ in spans), default=1) + rng.randint(0, 2)
        tags = write_tags(spans, length, scheme)
        lines += [f"字{separator}{tag}" for tag in tags] + [""]
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf8")
    nlp = spacy.blank("zh")
    corpus = read_corpus({"a": [tmp_path / "a.txt"]}, nlp)
    assert corpus.scheme == scheme
    assert corpus.sets["a"].notes == []
    write_docbins({tmp_path / "a.spacy": corpus.sets["a"].docs})
    docs = DocBin().from_disk(tmp_path / "a.spacy").get_docs(nlp.vocab)
    assert [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs] == gold


@pytest.mark.parametrize(
    ("tag_sequences", "scheme"),
    [
        (["O O"], "BIO"),
        (["B-X I-X"], "BIO"),
        (["O I-X I-X"], "IOB1"),
        (["I-X B-X I-X"], "IOB1"),
        (["I-X B-Y"], "BIO"),
        (["O I-X", "B-X"], "BIO"),
        (["B-X E-X", "S-X"], "BIOES"),
        (["B-X I-X E-X"], "BIOES"),
        (["B-X M-X E-X"], "BMES"),
        (["U-X"], "BILUO"),
        (["B-X L-X"], "BILUO"),
        # One scheme for the corpus as a whole: alone, the first sentence would be BIO.
        (["B-X I-X", "S-X"], "BIOES"),
        (["B-A-B I-A-B"], "BIO"),
    ],
)
def test_the_scheme_is_found_out(tag_sequences, scheme):
    assert find_scheme(sentences_of(*tag_sequences)) == scheme


@pytest.mark.parametrize(
    ("tag_sequence", "tag", "line"),
    [
        ("B-X I-X Q-X", "Q-X", 3),
        ("B-X X", "X", 2),
        ("B-X B-", "B-", 2),
        ("B-X -X", "-X", 2),
        ("B-X O-X", "O-X", 2),
        ("B-X b-X", "b-X", 2),
        ("B-X M-X E-X I-X E-X S-X M-X", "I-X", 4),
        ("B-X IE-X", "IE-X", 2),
    ],
)
def test_a_tag_of_no_scheme_is_an_error(tag_sequence, tag, line):
    with pytest.raises(CorpusError) as caught:
        find_scheme(sentences_of(tag_sequence))
    message = str(caught.value)
    assert message.startswith(f"a.txt, line {line}: the tag {tag!r} belongs to no known tag scheme")
    assert "BIOES" in message
    assert "Correct the tag" in message


@pytest.mark.parametrize(
    ("scheme", "tag_sequence", "spans", "repaired_lines"),
    [
        ("BIO", "O I-X I-X", [(1, 3, "X")], [2]),
        ("BIO", "I-X", [(0, 1, "X")], [1]),
        ("BIO", "B-X I-Y I-Y", [(0, 1, "X"), (1, 3, "Y")], [2]),
        ("BIO", "B-X B-X I-X", [(0, 1, "X"), (1, 3, "X")], []),
        ("IOB1", "I-X I-Y B-Y", [(0, 1, "X"), (1, 2, "Y"), (2, 3, "Y")], []),
        ("BIOES", "B-X O", [(0, 1, "X")], [1]),
        ("BIOES", "B-X I-X O", [(0, 2, "X")], [1]),
        ("BIOES", "O E-X", [(1, 2, "X")], [2]),
        ("BIOES", "B-X E-X E-X", [(0, 2, "X"), (2, 3, "X")], [3]),
        ("BIOES", "S-X I-X E-X", [(0, 1, "X"), (1, 3, "X")], [2]),
        ("BIOES", "B-X S-X", [(0, 1, "X"), (1, 2, "X")], [1]),
        ("BMES", "M-X E-X B-X", [(0, 2, "X"), (2, 3, "X")], [1, 3]),
        ("BILUO", "B-X L-Y U-X", [(0, 1, "X"), (1, 2, "Y"), (2, 3, "X")], [1, 2]),
    ],
)
def test_illegal_sequences_are_read_as_conlleval_does_and_noted(
    scheme, tag_sequence, spans, repaired_lines
):
    (sentence,) = sentences_of(tag_sequence)
    record = to_record(sentence, scheme)
    assert record.spans == spans
    assert [(note.kind, note.line) for note in record.notes] == [
        (ILLEGAL_TAGS, line) for line in repaired_lines
    ]


def test_docstarts_and_blank_lines_end_a_sentence():
    lines = ["-DOCSTART- -X- O O", "", "a x O", "b x O", " \t", "", "c x O", "-DOCSTART-", "d x O"]
    source = Source("a.txt", "\n".join(lines).encode())
    sentences = list(read(source))
    assert [sentence.tokens for sentence in sentences] == [["a", "b"], ["c"], ["d"]]
    assert [sentence.line for sentence in sentences] == [3, 7, 9]
    assert source.left_out[LEFT_OUT] == 2


@pytest.mark.parametrize(
    ("lines", "line", "expected"),
    [
        (["a"], 1, ["at least 2 columns", "'a'", "annotate"]),
        (["a O", "", "b"], 3, ["at least 2 columns", "'b'"]),
        (["a O", "b NN O"], 2, ["expected 2 columns", "got 3", "Add or remove"]),
        (["a NN O", "b O"], 2, ["expected 3 columns", "got 2"]),
    ],
)
def test_a_wrong_column_count_is_an_error(lines, line, expected):
    with pytest.raises(CorpusError) as caught:
        list(read(Source("a.txt", "\n".join(lines).encode())))
    assert str(caught.value).startswith(f"a.txt, line {line}: ")
    for part in expected:
        assert part in str(caught.value)


def test_an_ideographic_space_is_a_token():
    (sentence,) = read(Source("a.txt", "\n".join(["北 O", "\u3000 O"]).encode()))
    assert sentence.tokens == ["北", "\u3000"]


@pytest.mark.parametrize("line", [" \tO", "\tO", "  O"])
def test_a_token_that_is_white_space_is_kept_and_noted(line):
    (sentence,) = read(Source("a.txt", "\n".join(["北\tO", line, "京\tO"]).encode()))
    record = to_record(sentence, "BIO")
    assert record.text == ["北", " ", "京"]
    assert [(note.kind, note.line) for note in record.notes] == [(BLANK_TOKEN, 2)]


def read_lines(*lines):
    source = Source("a.txt", "\n".join(lines).encode())
    return source, list(read(source))


@pytest.mark.parametrize(
    ("rows", "left_out"),
    [
        (["Li NNP B-PER", "runs VBZ O"], {COLUMNS: 1}),
        (["Li NNP B-NP B-PER", "runs VBZ B-VP O"], {COLUMNS: 1, TAG_COLUMNS: 1}),
        (["Li B-PER - -", "runs O - x"], {COLUMNS: 2}),
        (["B-PER Li", "O runs"], {}),
        (["1 Li B-PER", "2 runs O"], {COLUMNS: 1}),
        (["1 Li NNP B-PER 0", "2 runs VBZ O 0"], {COLUMNS: 3}),
        (["B-PER 1 Li", "O 2 runs"], {COLUMNS: 1}),
    ],
)
def test_the_columns_of_tokens_and_tags_are_found(rows, left_out):
    source, sentences = read_lines(*rows, "", rows[0])
    assert [sentence.tokens for sentence in sentences] == [["Li", "runs"], ["Li"]]
    assert [sentence.tags for sentence in sentences] == [["B-PER", "O"], ["B-PER"]]
    assert +source.left_out == left_out


def test_numbers_that_do_not_count_tokens_are_tokens():
    _, sentences = read_lines("1 CD O", "2 CD O", "", "2 CD O", "北 NR B-LOC")
    assert [sentence.tokens for sentence in sentences] == [["1", "2"], ["2", "北"]]
    # Without another column, even those that count.
    _, sentences = read_lines("1 O", "2 B-X")
    assert [sentence.tokens for sentence in sentences] == [["1", "2"]]


def test_a_column_with_a_few_wrong_tags_is_still_the_column_of_tags():
    _, sentences = read_lines("U.N. NNP B-NP B_ORG", "meets VBZ B-VP O", ". . O O")
    assert sentences[0].tags == ["B_ORG", "O", "O"]


def test_comments_are_left_out():
    lines = ["# source = news", "#\tx [2020-01-02]", "1\tLi\tB-PER", "# id = 3", "2\t#\tO"]
    source, (sentence,) = read_lines(*lines, "# end")
    assert sentence.tokens == ["Li", "#"]
    assert list(sentence.lines) == [3, 5]
    assert source.left_out[COMMENTS] == 4


def test_a_number_sign_with_a_tag_is_a_token():
    source, (sentence,) = read_lines("# O", "a O", "# B-X")
    assert sentence.tokens == ["#", "a", "#"]
    assert source.left_out[COMMENTS] == 0


def test_positions_in_words_are_removed_and_noted_once():
    source, sentences = read_lines("科0 O", "技1 O", "", "20 O", "北0 B-LOC", "京1 I-LOC")
    assert [sentence.tokens for sentence in sentences] == [["科", "技"], ["2", "北", "京"]]
    (note,) = source.notes
    assert (note.kind, note.detail) == (WORD_POSITIONS, "in all tokens, e.g. '科0' read as '科'")


@pytest.mark.parametrize("tokens", [["B2", "C3"], ["a0", "b2"], ["a0", "b"], ["a0", "bc1"]])
def test_tokens_that_end_in_digits_are_kept(tokens):
    source, (sentence,) = read_lines(*(f"{token} O" for token in tokens))
    assert sentence.tokens == tokens
    assert not source.notes


def test_white_space_in_tokens_and_labels_is_not_written(tmp_path):
    doc = spacy.tokens.Doc(spacy.blank("en").vocab, words=["New York", "\t", "City", "is"])
    doc.ents = [spacy.tokens.Span(doc, 0, 3, label="big city")]
    write(tmp_path / "a.tsv", [doc])
    text = (tmp_path / "a.tsv").read_text(encoding="utf8")
    assert text == "NewYork\tB-big_city\nCity\tI-big_city\nis\tO\n\n"


def test_a_byte_order_mark_with_a_tag_is_where_another_file_begins():
    source = Source("a.txt", "北\tB-LOC\n\n\ufeff\tO\n京\tB-LOC\n".encode())
    sentences = list(read(source))
    assert [sentence.tokens for sentence in sentences] == [["北"], ["京"]]
    assert [(note.kind, note.line) for note in source.notes] == [(GLUED, 3)]
