"""What version 0.1 wrote still loads."""

from pathlib import Path

import pytest
import spacy
from spacy.util import registry
from thinc.api import Config

FOLDER = Path(__file__).parent / "fixtures" / "pipeline-0.1"
TEXTS = ["王明昨天到北京大学报到。", "上海明天有雨，李华在家。"]
# What version 0.1 itself found when the pipeline was trained.
FOUND = [
    [("王明", "PERSON", 0.9489), ("昨天", "TIME", 0.9941), ("北京大学", "ORGANIZATION", 0.9953)],
    [("上海", "LOCATION", 0.9168), ("明天", "TIME", 0.9793), ("李华", "PERSON", 0.8275)],
]


@pytest.fixture
def nlp():
    with pytest.warns(DeprecationWarning, match="spacy_crf_ner") as warnings:
        nlp = spacy.load(FOLDER)
    texts = [str(warning.message) for warning in warnings]
    assert any("FeatureEmbed.v1" in text for text in texts)
    assert any("ignored cross_entropy" in text for text in texts)
    return nlp


def entities_in(nlp):
    docs = nlp.pipe(TEXTS)
    return [[(ent.text, ent.label_, ent._.confidence) for ent in doc.ents] for doc in docs]


def assert_found(entities):
    assert [[ent[:2] for ent in ents] for ents in entities] == [
        [ent[:2] for ent in ents] for ents in FOUND
    ]
    confidences = [ent[2] for ents in entities for ent in ents]
    assert confidences == pytest.approx([ent[2] for ents in FOUND for ent in ents], abs=1e-3)


def test_a_pipeline_finds_what_it_found(nlp):
    assert_found(entities_in(nlp))


def test_its_settings_are_those_of_today(nlp):
    pipe = nlp.get_pipe("crf_ner")
    assert pipe.adversarial_epsilon == 0.1
    assert pipe.model.get_ref("crf").attrs["lr_scale"] == 2.0
    assert pipe.spans_key == "crf_ner"


def test_it_can_be_trained_on_and_saved(nlp, tmp_path):
    doc = nlp(TEXTS[0])
    example = spacy.training.Example(nlp.make_doc(TEXTS[0]), doc)
    losses = nlp.update([example], sgd=nlp.resume_training())
    assert losses["crf_ner"] > 0
    nlp.to_disk(tmp_path)
    with pytest.warns(DeprecationWarning, match="spacy_crf_ner"):
        again = spacy.load(tmp_path)
    assert entities_in(again) == entities_in(nlp)


def test_extras_that_are_all_known_raise_no_warning(recwarn):
    config = Config().from_str('[extras]\n@losses = "spacy_crf_ner.extras.v1"\nperturbation = 0.5')
    assert registry.resolve(config) == {"extras": 0.5}
    assert not recwarn.list


def test_the_fixture_has_the_names_of_0_1():
    config = (FOLDER / "config.cfg").read_text(encoding="utf8")
    for name in ("CharacterEmbed.v1", "CRFTagger.v1", "tok2vec_learn_rate", "crf_ner.extras]"):
        assert name in config
    assert "regularization" not in config
