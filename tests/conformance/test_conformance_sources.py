"""A recognizer that brings vectors and a lexicon along, sourced into another pipeline.

No counterpart with `ner`: what it makes of vectors depends on those of the target's vocab, for
which spaCy only has a warning (W113).
"""

import numpy as np
import pytest
import spacy
from conformance_pipelines import TEXTS, crf_on, fit, found, is_trained
from thinc.api import fix_random_seed
from util import small

from spacy_crf_ner.lexicon import set_lexicon

# spaCy warns that the vectors of the two pipelines are not the same, which is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:.*W113:UserWarning")

WIDTH = 9


def add_vectors(nlp, width=WIDTH, seed=0):
    random = np.random.RandomState(seed)
    for char in sorted(set("".join(TEXTS))):
        nlp.vocab.set_vector(char, random.normal(size=width).astype("f"))
    return nlp


def same(nlp):
    set_lexicon(add_vectors(nlp).vocab, LEXICON)


def nothing(nlp):
    pass


def others(nlp):
    set_lexicon(add_vectors(nlp, seed=1).vocab, [("好的", "WORD"), ("有雨", "PLACE")])


def others_of_another_width(nlp):
    add_vectors(nlp, width=4, seed=1)


LEXICON = [("北京", "PLACE"), ("上海", "PLACE"), ("王明", "NAME"), ("工作", "WORD")]
TARGETS = [same, nothing, others, others_of_another_width]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A trained pipeline whose entities hang on vectors and words: it has nothing else to go by."""
    folder = tmp_path_factory.mktemp("sources") / "source"
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    set_lexicon(add_vectors(nlp).vocab, LEXICON)
    tok2vec = small()["model"]["tok2vec"]
    tok2vec["embed"] = {
        "@architectures": "spacy_crf_ner.Concatenate.v1",
        "*": {
            "vectors": {
                "@architectures": "spacy_crf_ner.VectorsEmbed.v1",
                "width": WIDTH,
                "rows": 50,
            },
            "lexicon": {"@architectures": "spacy_crf_ner.LexiconEmbed.v1", "width": 8},
        },
    }
    nlp.add_pipe("crf_ner", config=crf_on(tok2vec))
    fit(nlp).to_disk(folder)
    return folder


@pytest.fixture(params=TARGETS, ids=lambda make: make.__name__)
def target(request, source):
    nlp = spacy.blank("zh")
    request.param(nlp)
    nlp.add_pipe("crf_ner", source=spacy.load(source))
    return nlp


NEW = ["王大在上海工作", "大学有雨", "雨是工作", "京海的王"]


def test_it_is_the_same_in_its_own_pipeline(source):
    assert is_trained(spacy.load(source))


def test_same_entities(target, source):
    assert is_trained(target)
    assert found(target.pipe(NEW)) == found(spacy.load(source).pipe(NEW))


def test_same_entities_once_saved(target, source, tmp_path):
    target.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert is_trained(loaded)
    assert found(loaded.pipe(NEW)) == found(spacy.load(source).pipe(NEW))


def test_same_entities_once_passed_as_bytes(target, source):
    other = spacy.util.load_model_from_config(target.config).from_bytes(target.to_bytes())
    assert found(other.pipe(NEW)) == found(spacy.load(source).pipe(NEW))


def test_the_vectors_of_the_target_stay(source):
    nlp = add_vectors(spacy.blank("zh"), seed=1)
    before = nlp.vocab["北"].vector.copy()
    nlp.add_pipe("crf_ner", source=spacy.load(source))
    assert (nlp.vocab["北"].vector == before).all()


def test_two_sources_with_lexicons_of_their_own(source):
    """Each finds what it finds alone."""
    other = spacy.load(source)
    nlp = spacy.load(source)
    nlp.add_pipe("crf_ner", name="second", source=other)
    with nlp.select_pipes(disable=["crf_ner"]):
        assert is_trained(nlp)
    assert is_trained(nlp)
