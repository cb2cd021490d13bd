"""The page of `crf report` as a file. How it behaves is tested in a browser."""

import json
import re

import pytest
import spacy
from report_pages import HOSTILE, LABELLED, make_page
from spacy.tokens import Doc
from spacy.training import Example
from util import make_examples, make_trained

from spacy_crf_ner.evaluation.report import page as page_module
from spacy_crf_ner.evaluation.report.learning_curve import Evaluation
from spacy_crf_ner.evaluation.report.page import Inputs, make_report
from spacy_crf_ner.evaluation.report.suggestions import Suggestion

LOG = [
    Evaluation(10, 0.2, 50.0, {"ents_f": 0.2, "ents_p": 0.3, "ents_r": 0.1}),
    Evaluation(20, 0.4, 20.0, {"ents_f": 0.4, "ents_p": 0.4, "ents_r": 0.4}),
]


@pytest.fixture(scope="module")
def nlp():
    return make_trained()


@pytest.fixture
def ruler():
    """A pipeline without probabilities, whose page is made quickly."""
    nlp = spacy.blank("zh")
    patterns = [{"label": "LOC", "pattern": [{"TEXT": c} for c in "北京"]}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    return nlp


def make_full(nlp):
    """A page with everything."""
    train = [eg.reference for eg in make_examples(nlp)]
    audit = [Suggestion(3, "去", "北<京>", "了", "LOC", "label", 0.9, "ORG")]
    return make_page(Inputs(train, LOG, audit), nlp)


@pytest.fixture(scope="module")
def full(nlp):
    return make_full(nlp)


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page)[1])


def text_of(page):
    return " ".join(re.sub("<[^>]+>", " ", page).split())


def test_it_is_one_file_that_needs_no_network(full):
    assert not re.search(r'(src|(?<!xlink:)href)="(?!#|data:,)', full)
    assert set(re.findall(r"https?://[\w./]+", full)) == {
        # Names in SVG, which nothing loads.
        *("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"),
    }
    assert "default-src 'none'" in full


def test_the_same_input_gives_the_same_bytes(nlp, full):
    assert make_full(nlp) == full


def test_texts_and_labels_are_escaped(full):
    assert HOSTILE not in full
    assert '<th scope="row">&lt;b&gt;</th>' in full
    assert any(HOSTILE in error["text"] for error in data_of(full)["errors"])
    assert "北&lt;京&gt;" in full


def test_scores_and_errors(full):
    data = data_of(full)
    assert {error["kind"] for error in data["errors"]} >= {"label", "missed"}
    assert "all (micro)" in full
    rows = re.findall(r'<tr class="total">.*?</tr>', full, re.DOTALL)
    assert f"<td>{sum(len(ents) for _, ents in LABELLED)}</td></tr>" in rows[0]


def test_every_section_has_content_if_everything_is_given(full):
    assert 'class="note"' not in full.replace('<noscript><p class="note">', "")
    assert full.count('<svg class="plot"') == 3
    assert "5 of the 8 documents are in the training corpus as well" in text_of(full)
    assert "suggestion: ORG" in text_of(full)


def test_what_is_not_given_is_said(ruler):
    text = text_of(make_page(nlp=ruler))
    assert "There is no log of the training." in text
    assert text.count("Give the training corpus") == 2
    assert "Find them with spacy crf audit" in text


def test_ids_are_unique_among_plots(full):
    ids = re.findall(r'\bid="([^"]+)"', full)
    assert len(ids) == len(set(ids))


def test_a_pipeline_without_probabilities(ruler):
    page = make_page(nlp=ruler)
    assert text_of(page).count("The pipeline has no crf_ner") == 3
    assert "<svg" not in page
    assert 'name="low"' not in page
    errors = data_of(page)["errors"]
    assert all(error["certainty"] is None for error in errors)
    assert [error["document"] for error in errors] == sorted(error["document"] for error in errors)


def test_spacys_own_ner_works():
    nlp = spacy.blank("zh")
    nlp.add_pipe("ner")
    nlp.initialize(lambda: make_examples(nlp))
    page = make_page(nlp=nlp)
    assert "The pipeline has no crf_ner" in page
    assert data_of(page)["errors"]


def test_documents_without_annotation_are_counted(ruler):
    plain = Example(ruler.make_doc("今天下雨"), Doc(ruler.vocab, words=list("今天下雨")))
    examples = [*make_examples(ruler), plain]
    page = make_report(ruler, examples, model="m", data="d")
    assert "1 of 6 documents have no annotation" in text_of(page)


def test_too_many_errors_are_cut_and_counted(ruler, monkeypatch):
    everything = len(data_of(make_page(nlp=ruler))["errors"])
    monkeypatch.setattr(page_module, "MAX_ERRORS", 2)
    page = make_page(nlp=ruler)
    assert len(data_of(page)["errors"]) == 2
    assert f"The other {everything - 2} errors are left out." in text_of(page)


def test_no_errors_at_all(ruler):
    page = make_page(nlp=ruler, labelled=[("去北京", [(1, 3, "LOC")])])
    assert data_of(page)["errors"] == []
    assert "There are none." in text_of(page)


def test_labels_may_be_chinese(ruler):
    page = make_page(nlp=ruler, labelled=[("王明在北京", [(0, 2, "人名"), (3, 5, "地名")])])
    assert '<th scope="row">人名</th>' in page


def test_without_matplotlib_it_says_what_to_install(nlp, monkeypatch):
    monkeypatch.setattr(page_module, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match="spacy-crf-ner\\[report\\]"):
        make_page(nlp=nlp)
