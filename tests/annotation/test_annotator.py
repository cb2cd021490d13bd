"""One part after another: documents that fail, confidences, memory."""

import json

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from util import TEXTS, make_trained

from spacy_crf_ner.annotation.annotator import Annotator
from spacy_crf_ner.annotation.inputs import open_input
from spacy_crf_ner.annotation.outputs import Csv, Docs, JsonLines, Parquet, Text
from spacy_crf_ner.annotation.parts import Row
from spacy_crf_ner.formats.docbin import FORMAT as DOCBIN

BAD = "坏"


class FailingStream:
    """A component that does not ask the error handler."""

    def __call__(self, doc):
        return fail_alone(doc)

    def pipe(self, docs, batch_size):
        yield from map(self, docs)


def fail_alone(doc):
    if BAD in doc.text:
        raise RuntimeError("bad document")
    return doc


def make_annotator(nlp, path, output, *, texts):
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf8")
    with open_input(str(path), "text", "text") as found:
        return Annotator(nlp, found.reader, output, batch_size=4), next(iter(found.split(100)))


@pytest.mark.parametrize("where", ["first", "last", "tokenizer", "whole stream"])
def test_a_bad_document_costs_no_other(tmp_path, where):
    nlp = make_trained()
    if where == "tokenizer":
        nlp.max_length = 20
        bad = "长" * 21
    else:
        bad = f"{BAD}了"
        component = FailingStream() if where == "whole stream" else fail_alone
        Language.component("fail", func=component)
        nlp.add_pipe("fail", **{"last" if where == "last" else "first": True})
    texts = [*TEXTS, bad, *TEXTS, bad, *TEXTS]
    annotator, part = make_annotator(nlp, tmp_path / "a.txt", Text(), texts=texts)
    result = annotator.annotate(part, tmp_path / "out")
    expected, whole = make_annotator(make_trained(), tmp_path / "b.txt", Text(), texts=TEXTS * 3)
    expected.annotate(whole, tmp_path / "expected")
    assert (tmp_path / "out").read_text("utf8") == (tmp_path / "expected").read_text("utf8")
    n = len(TEXTS)
    assert [each.line for each in result.rejects] == [n + 1, 2 * n + 2]
    assert [each.record for each in result.rejects] == [{"text": bad}] * 2
    assert ("E088" if where == "tokenizer" else "bad document") in result.rejects[0].reason
    assert result.documents == 3 * n


@pytest.mark.parametrize("output", [JsonLines("e"), Docs(DOCBIN)])
def test_confidences_are_computed_for_outputs_that_hold_them(tmp_path, output):
    nlp = make_trained()
    annotator, part = make_annotator(nlp, tmp_path / "a.txt", output, texts=TEXTS)
    annotator.annotate(part, tmp_path / "out")
    expected = make_trained()
    expected.get_pipe("crf_ner").spans_key = "sc"
    wanted = [[ent._.confidence for ent in doc.ents] for doc in expected.pipe(TEXTS)]
    if isinstance(output, JsonLines):
        lines = (tmp_path / "out").read_text("utf8").splitlines()
        found = [[ent["confidence"] for ent in json.loads(line)["e"]] for line in lines]
    else:
        docs = list(DocBin(store_user_data=True).from_disk(tmp_path / "out").get_docs(nlp.vocab))
        found = [[ent._.confidence for ent in doc.ents] for doc in docs]
        assert all(not doc.spans for doc in docs)
    assert sum(map(len, wanted)) > 0
    assert [x for each in found for x in each] == pytest.approx(
        [x for each in wanted for x in each], abs=1e-6
    )


def test_words_of_a_part_leave_the_vocabulary(tmp_path):
    nlp = make_trained()
    before = list(nlp.vocab), list(nlp.vocab.strings)
    texts = [chr(0x4E00 + i) * 2 for i in range(200)]
    annotator, part = make_annotator(nlp, tmp_path / "a.txt", Text(), texts=texts)
    annotator.annotate(part, tmp_path / "out")
    assert (list(nlp.vocab), list(nlp.vocab.strings)) == before


@pytest.mark.parametrize(
    ("output", "fields", "message"),
    [
        (JsonLines("id"), {"id": 1}, "a field 'id' already"),
        (Parquet("id"), {"id": 1}, "a field 'id' already"),
        (JsonLines("e"), {"id": b"1"}, "bytes cannot be written as JSON"),
        (Csv("e", ("text",)), {"id": 1}, "the first record has no field 'id'"),
    ],
)
def test_a_record_that_does_not_fit_is_an_error(output, fields, message):
    doc = Doc(spacy.blank("zh").vocab, ["上"])
    with pytest.raises((TypeError, ValueError), match=message):
        output.take(Row(1, "上", {"text": "上", **fields}), doc, lambda ent: None)
