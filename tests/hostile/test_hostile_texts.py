"""Any text whatever is tagged: the entities lie within it, alone and in a batch."""

import os
import resource

import pytest
from hostile_pipelines import make_pipeline
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_damaged import check
from mutations import FEW
from spacy.tokens import Doc

# What texts are not made of, next to what they are.
ODD = [
    *("\0", "\x1b", "\x7f", "\x85", "\u00ad", "\u2028", "\u3000", "\ufdd0", "\uffff", "\U0010ffff"),
    *("\u200b", "\u200d", "\u2060", "\ufeff", "\ufffd"),
    *(
        "a\u0301\u0323",
        "\u0300",
        "\u202e",
        "\u2067",
        "\u05d0",
        "\ufdfa",
        "👨\u200d👩\u200d👧",
        "🇨🇳",
    ),
    *(" ", "\n", "\t", "\r\n", "王明", "在北京", "李雷去上海", "A-B", "x" * 300, "𠮷"),
]
TEXTS = st.lists(
    st.one_of(st.sampled_from(ODD), st.text(st.characters(codec="utf-8"), max_size=5)), max_size=12
).map("".join)
MANY = int(os.environ.get("FUZZ_EXAMPLES", 300))


@pytest.fixture(scope="module")
def nlp():
    return make_pipeline()


def ents_of(doc):
    return [(ent.start_char, ent.end_char, ent.label_, ent._.confidence) for ent in doc.ents]


def check_texts(nlp, texts):
    for text, doc in zip(texts, nlp.pipe(texts)):
        assert doc.text == text
        alone = ents_of(nlp(text))
        assert [ent[:3] for ent in ents_of(doc)] == [ent[:3] for ent in alone]
        assert [ent[3] for ent in ents_of(doc)] == pytest.approx(
            [ent[3] for ent in alone], abs=1e-4
        )
        last = 0
        for ent in doc.ents:
            assert last <= ent.start_char < ent.end_char <= len(text)
            assert text[ent.start_char : ent.end_char] == ent.text
            assert ent.text.strip() == ent.text
            last = ent.end_char


QUIET = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


@settings(max_examples=FEW, **QUIET)
@given(texts=st.lists(TEXTS, min_size=1, max_size=3))
def test_any_text(nlp, texts):
    check_texts(nlp, texts)


@pytest.mark.slow
@settings(max_examples=MANY, **QUIET)
@given(texts=st.lists(TEXTS, min_size=1, max_size=3))
def test_many_texts(nlp, texts):
    check_texts(nlp, texts)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
def test_odd_characters_alone(nlp, odd):
    check_texts(nlp, [odd, odd * 40, f"王明{odd}在北京", ""])


@pytest.mark.parametrize("text", ["\ud800", "王明\udfff在北京"])
def test_half_of_a_surrogate_pair_is_an_error_of_spacy(nlp, text):
    """It is no character: it cannot be encoded. The pipeline works on."""
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        nlp(text)
    check(nlp)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["京" * 10**6, "x" * 10**6], ids=["characters", "word"])
def test_a_million_characters_without_a_break(nlp, text):
    """Takes 1.3 GB and a minute on one of 2 cores of an AMD EPYC. The square of the length would
    not fit into any memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    doc = nlp(text)
    assert doc.text == text
    assert all(ent.end <= len(doc) for ent in doc.ents)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 6 * 2**20


@pytest.mark.slow
def test_a_document_of_a_million_tokens(nlp):
    words = ["王明", "在", "北京", "。"] * 250_000
    doc = nlp.get_pipe("crf_ner")(Doc(nlp.vocab, words=words, spaces=[False] * len(words)))
    assert len(doc) == 10**6
    starts = [ent.start for ent in doc.ents]
    assert starts == sorted(starts)
