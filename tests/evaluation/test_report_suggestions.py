"""What the report shows of the output of `crf audit`."""

import pytest
from util import TRAIN, make_examples, make_trained

from spacy_crf_ner.evaluation.audit.suspects import find_suspects
from spacy_crf_ner.evaluation.report.suggestions import read_suggestions
from spacy_crf_ner.formats.json_lines import write_json_lines


@pytest.mark.parametrize(
    ("ents", "kind", "suggested"),
    [
        ([(0, 2, "PER"), (3, 6, "LOC")], "boundary", "北京 LOC"),
        ([(0, 2, "PER"), (3, 5, "PER")], "label", "LOC"),
        ([(0, 2, "PER")], "missing", None),
    ],
)
def test_the_suggestion_of_each_kind(tmp_path, ents, kind, suggested):
    nlp = make_trained(60)
    examples = make_examples(nlp, [(TRAIN[0][0], ents)])
    suspects = sorted(find_suspects(nlp, examples), key=lambda each: each.probability)
    write_json_lines(tmp_path / "errors.jsonl", (each.to_json() for each in suspects))
    first = read_suggestions(tmp_path / "errors.jsonl")[0]
    assert (first.kind, first.suggestion) == (kind, suggested)
    assert first.before + first.mention + first.after == TRAIN[0][0]
