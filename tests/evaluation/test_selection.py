"""Which documents to annotate next."""

import pytest
import spacy
import srsly
from spacy.tokens import Doc
from typer.testing import CliRunner
from util import TEXTS, make_trained

from spacy_crf_ner.cli import app
from spacy_crf_ner.evaluation.selection import Candidate, judge, select
from spacy_crf_ner.pipeline.probabilities import Uncertainty, uncertainties

VOCAB = spacy.blank("zh").vocab


def make_candidates(*texts_and_scores):
    """Candidates with these entropies; the other two scores fall where it rises."""
    return [
        Candidate(i, Doc(VOCAB, words=list(text)), [], Uncertainty(score, 1 - score, 10 - score))
        for i, (text, score) in enumerate(texts_and_scores)
    ]


def numbers(chosen):
    return [each.document for each in chosen]


def test_by_each_criterion():
    candidates = make_candidates(("甲乙", 0.2), ("丙丁", 0.9), ("", 0.0), ("戊己", 0.5))
    assert numbers(select(candidates, 2, diversity=0)) == [1, 3]
    assert numbers(select(candidates, 1, by="least-confidence", diversity=0)) == [2]
    assert numbers(select(candidates, 3, by="errors", diversity=0)) == [2, 0, 3]


def test_similar_documents_count_less():
    candidates = make_candidates(("甲乙丙丁", 0.9), ("甲乙丙丁壬", 0.8), ("戊己庚辛", 0.5))
    assert numbers(select(candidates, 3, diversity=0)) == [0, 1, 2]
    assert numbers(select(candidates, 3, diversity=0.5)) == [0, 2, 1]
    # The order of tokens counts too.
    candidates = make_candidates(("甲乙丙丁", 0.9), ("丁丙乙甲", 0.8), ("戊己庚辛", 0.1))
    assert numbers(select(candidates, 3, diversity=1)) == [0, 1, 2]


def test_the_same_text_is_chosen_once():
    candidates = make_candidates(("甲乙", 0.1), ("丙", 0.5), ("甲乙", 0.9))
    assert numbers(select(candidates, 3, diversity=0)) == [1, 0]


def test_certain_documents_are_not_chosen():
    assert numbers(select(make_candidates(("甲", 0.0), ("乙", 0.1)), 5)) == [1]
    assert select([], 5) == []


def test_judging_documents():
    nlp = make_trained(8)
    docs = [nlp.make_doc(text) for text in (*TEXTS, "")]
    candidates = judge(nlp, docs)
    assert numbers(candidates) == list(range(6))
    expected = uncertainties(nlp.get_pipe("crf_ner"), docs)
    for each, values in zip(candidates, expected):
        assert each.uncertainty == pytest.approx(values, rel=1e-5)
    assert all(not doc.ents for doc in docs)


def test_a_shared_tok2vec():
    nlp = make_trained(8, tok2vec=True)
    alone = [judge(nlp, [nlp.make_doc(text)])[0].uncertainty for text in TEXTS]
    together = [each.uncertainty for each in judge(nlp, map(nlp.make_doc, TEXTS))]
    for one, of_batch in zip(alone, together):
        assert one == pytest.approx(of_batch, rel=1e-4)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    make_trained(8).to_disk(folder / "crf")
    spacy.blank("zh").to_disk(folder / "blank")
    nlp = spacy.blank("zh")
    nlp.add_pipe("ner").add_label("PER")
    nlp.initialize()
    nlp.to_disk(folder / "ner")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["select", *map(str, arguments)])


def test_the_command(model, tmp_path):
    (tmp_path / "raw.txt").write_text("\n".join(["晴", *TEXTS]), encoding="utf8")
    output = tmp_path / "new" / "next.jsonl"
    result = run(model / "crf", tmp_path / "raw.txt", "-o", output, "-n", 3, "--by", "errors")
    assert result.exit_code == 0, result.output
    lines = list(srsly.read_jsonl(output))
    nlp = spacy.load(model / "crf")
    assert len(lines) == 3
    assert lines[0]["meta"]["errors"] == max(line["meta"]["errors"] for line in lines)
    for line in lines:
        assert line["text"] == ["晴", *TEXTS][line["meta"]["document"]]
        ents = [(e.start_char, e.end_char, e.label_) for e in nlp(line["text"]).ents]
        assert [(s["start"], s["end"], s["label"]) for s in line["spans"]] == ents
    result = run(model / "crf", tmp_path / "raw.txt", "-o", output, "-n", 30)
    assert "only 6 of 30 texts" in result.output


@pytest.mark.parametrize(
    ("name", "texts", "error"),
    [
        ("crf", "no.txt", "no such file"),
        ("blank", "raw.txt", "nothing that finds entities"),
        ("ner", "raw.txt", "must have one crf_ner"),
        ("crf", "bad.jsonl", "bad.jsonl, line 1"),
    ],
)
def test_clear_errors(model, tmp_path, name, texts, error):
    (tmp_path / "raw.txt").write_text(TEXTS[0], encoding="utf8")
    (tmp_path / "bad.jsonl").write_text('{"txt": "x"}', encoding="utf8")
    result = run(model / name, tmp_path / texts, "-o", tmp_path / "out.jsonl")
    assert result.exit_code == 1
    assert error in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out.jsonl").exists()
