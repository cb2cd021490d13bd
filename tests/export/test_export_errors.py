"""What cannot be exported is an error that says what, and what can be."""

import pytest
import spacy
from exported import ENCODER, FEATURES, make_random
from util import make_nlp, make_trained

from spacy_crf_ner.export.folder import export_pipeline
from spacy_crf_ner.util import CorpusError

ATTENTION = {
    "@architectures": "spacy_crf_ner.SelfAttentionEncoder.v1",
    "encode": ENCODER,
    "heads": 2,
}
CNN = {
    "@architectures": "spacy.MaxoutWindowEncoder.v2",
    **{"width": 42, "window_size": 1, "maxout_pieces": 2, "depth": 1},
}


@pytest.mark.parametrize(("encoder", "layer"), [(ATTENTION, "attention"), (CNN, "maxout")])
def test_another_encoder(encoder, layer, tmp_path):
    with pytest.raises(ValueError, match=f"The layer '.*{layer}.*' cannot be exported"):
        export_pipeline(make_random(FEATURES, encoder=encoder), tmp_path / "tagger")
    assert not (tmp_path / "tagger").exists()


def test_a_listener(tmp_path):
    with pytest.raises(ValueError, match="The layer 'tok2vec-listener' cannot be exported"):
        export_pipeline(make_trained(1, tok2vec=True), tmp_path / "tagger")


def test_a_feature_that_is_no_function_of_the_text(tmp_path):
    features = FEATURES.replace('"SHAPE"', '"IS_STOP"')
    with pytest.raises(ValueError, match="The feature IS_STOP cannot be exported"):
        export_pipeline(make_random(features), tmp_path / "tagger")


def test_a_language_with_a_norm_of_its_own(tmp_path):
    with pytest.raises(ValueError, match="NORM cannot be exported, because the language 'hi'"):
        export_pipeline(make_random(FEATURES, lang="hi"), tmp_path / "tagger")


def test_a_pipeline_without_a_crf_ner(tmp_path):
    with pytest.raises(ValueError, match="one crf_ner, got 0: none"):
        export_pipeline(spacy.blank("zh"), tmp_path / "tagger")


def test_a_component_that_is_not_trained(tmp_path):
    with pytest.raises(ValueError, match="E109"):
        export_pipeline(make_nlp(), tmp_path / "tagger")


def test_a_folder_with_something_in_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CorpusError, match="not empty"):
        export_pipeline(make_random(FEATURES), tmp_path)


def test_onnx_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_crf_ner.export.folder.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'spacy-crf-ner\[onnx\]'"):
        export_pipeline(make_random(FEATURES), tmp_path / "tagger")


def test_other_components_are_named(tmp_path):
    nlp = make_random(FEATURES)
    nlp.add_pipe("sentencizer")
    assert export_pipeline(nlp, tmp_path / "tagger") == ["sentencizer"]
