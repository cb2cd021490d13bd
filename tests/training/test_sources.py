"""The sources in the meta data of pipelines."""

import spacy

from spacy_crf_ner.layers.pretrained_bigru import PretrainedBiGRU
from spacy_crf_ner.training.sources import add_sources


def test_sources_are_noted_once_and_without_folders(tmp_path):
    (tmp_path / "my-encoder").mkdir()
    nlp = spacy.blank("zh")
    nlp.meta["sources"] = [{"name": "mine"}]
    note = add_sources(
        corpus=str(tmp_path / "cluener" / "train.spacy"),
        vectors=str(tmp_path / "chars.100d"),
        words=str(tmp_path / "words.vec"),
        encoder=str(tmp_path / "my-encoder"),
    )
    assert note(nlp) is nlp
    note(nlp).to_disk(tmp_path / "model")
    names = [source["name"] for source in spacy.load(tmp_path / "model").meta["sources"]]
    expected = ["cluener (corpus)", "chars.100d (vectors)", "words.vec (vectors of words)"]
    assert names == ["mine", *expected, "my-encoder (encoder)"]


def test_encoders_on_the_hub_are_linked():
    nlp = add_sources(encoder="hfl/chinese-roberta-wwm-ext")(spacy.blank("zh"))
    (source,) = nlp.meta["sources"]
    assert source["name"] == "hfl/chinese-roberta-wwm-ext (encoder)"
    assert source["url"] == "https://huggingface.co/hfl/chinese-roberta-wwm-ext"


def test_pretrained_weights_are_noted():
    nlp = spacy.blank("zh")
    layer = PretrainedBiGRU(lambda: 1 / 0)
    layer.attrs["source"] = {"name": "LAC", "license": "Apache-2.0"}
    nlp.add_pipe("crf_ner").model.layers.append(layer)
    note = add_sources(encoder="a/b")
    note(note(nlp))
    assert [source["name"] for source in nlp.meta["sources"]] == ["a/b (encoder)", "LAC"]
    assert nlp.meta["sources"][1]["license"] == "Apache-2.0"


def test_nothing_to_note():
    assert add_sources()(spacy.blank("zh")).meta["sources"] == []
