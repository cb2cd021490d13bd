"""`VectorsEmbed`: pretrained vectors, and what is learned beside them."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.vectors import Vectors
from thinc.api import Adam, NumpyOps
from util import TRAIN, make_examples, make_nlp

from spacy_crf_ner.layers.vectors import VectorsEmbed

EMBED = {"@architectures": "spacy_crf_ner.VectorsEmbed.v1", "width": 3, "rows": 50}


@pytest.fixture
def vocab():
    vocab = spacy.blank("zh").vocab
    for i, char in enumerate("中国人,a"):
        vocab.set_vector(char, np.arange(4, dtype="f") + 10 * i)
    return vocab


def make_doc(vocab, text):
    return Doc(vocab, words=list(text), spaces=[False] * len(text))


def make_model(vocab, rows=10, token_dropout=0.0):
    model = VectorsEmbed(3, rows, token_dropout)
    model.initialize(X=[make_doc(vocab, "中")])
    return model


def near(values):
    return pytest.approx(values, abs=1e-4)


def train(model, docs, target=1.0):
    """One step that pulls all vectors up."""
    outputs, backprop = model.begin_update(docs)
    backprop([np.full_like(output, -target) for output in outputs])
    model.finish_update(Adam(0.1, L2=0.0, use_averages=False))


def test_starts_with_the_pretrained_vectors(vocab):
    (output,) = make_model(vocab).predict([make_doc(vocab, "中人x中")])
    assert output.tolist() == [[0, 1, 2, 3], [20, 21, 22, 23], [0] * 4, [0, 1, 2, 3]]


def test_similar_characters_share_a_vector(vocab):
    """A full-width comma and capital have those of their plain, lower-case forms."""
    (output,) = make_model(vocab).predict([make_doc(vocab, "，Ａ")])
    assert output[:, 0].tolist() == [30, 40]


def test_what_training_met_is_learned_and_others_keep_their_vectors(vocab):
    model = make_model(vocab)
    train(model, [make_doc(vocab, "中x")])
    (output,) = model.predict([make_doc(vocab, "中x人y")])
    assert output[:2].tolist() == [near([0.1, 1.1, 2.1, 3.1]), near([0.1] * 4)]
    assert output[2:].tolist() == [[20, 21, 22, 23], [0] * 4]


def test_unknown_tokens_are_learned_by_hiding_known_ones(vocab):
    model = make_model(vocab, token_dropout=0.999999)
    train(model, [make_doc(vocab, "中国")])
    (output,) = model.predict([make_doc(vocab, "人y")])
    assert output.tolist() == [near([20.1, 21.1, 22.1, 23.1]), near([0.1] * 4)]


def test_when_the_rows_are_full_what_is_new_is_unknown(vocab):
    model = make_model(vocab, rows=2)
    train(model, [make_doc(vocab, "中国人")])
    assert sorted(model.attrs["index"].values()) == [1, 2]
    known = np.array([doc[0, 0] for doc in model.predict([make_doc(vocab, c) for c in "中国人"])])
    assert (known - [0, 10, 20]).tolist() == near([0.1] * 3)


def test_prediction_learns_no_tokens(vocab):
    model = make_model(vocab)
    model.predict([make_doc(vocab, "中")])
    assert model.attrs["index"] == {}


def test_without_vectors_all_is_learned():
    vocab = spacy.blank("zh").vocab
    model = make_model(vocab)
    (output,) = model.predict([make_doc(vocab, "中国")])
    assert output.shape == (2, 3)
    assert output.any()


def test_gradient(vocab):
    """The gradient of a token is the sum over its occurrences."""
    model = make_model(vocab)
    docs = [make_doc(vocab, "中国中"), make_doc(vocab, ""), make_doc(vocab, "国")]
    _, backprop = model.begin_update(docs)
    backprop([np.full((len(doc), 4), i + 1, dtype="f") for i, doc in enumerate(docs)])
    index, gradient = model.attrs["index"], model.get_grad("E")
    assert gradient[index[vocab.strings["中"]]].tolist() == [2] * 4
    assert gradient[index[vocab.strings["国"]]].tolist() == [4] * 4


def test_empty_documents(vocab):
    model = make_model(vocab)
    docs = [make_doc(vocab, ""), make_doc(vocab, "中"), make_doc(vocab, "")]
    assert [output.shape for output in model.predict(docs)] == [(0, 4), (1, 4), (0, 4)]
    assert [output.shape for output in model.predict(docs[:1])] == [(0, 4)]


def test_bytes(vocab):
    model = make_model(vocab)
    train(model, [make_doc(vocab, "中x")])
    other = VectorsEmbed(3, 10).from_bytes(model.to_bytes())
    doc = make_doc(vocab, "中x人")
    assert NumpyOps().to_numpy(other.predict([doc])[0]).tolist() == model.predict([doc])[0].tolist()


def test_the_vocab_does_not_matter_any_more(vocab):
    model = make_model(vocab)
    (expected,) = model.predict([make_doc(vocab, "中，x人")])
    for width in (4, 7):
        other = spacy.blank("zh").vocab
        for char in "中x":
            other.set_vector(char, np.full(width, 5, dtype="f"))
        assert model.predict([make_doc(other, "中，x人")])[0].tolist() == expected.tolist()
    learned = make_model(spacy.blank("zh").vocab)
    (expected,) = learned.predict([make_doc(other, "中")])
    assert learned.predict([make_doc(vocab, "中")])[0].tolist() == expected.tolist()


def test_equal_vectors_are_there_once(vocab):
    model, other = make_model(vocab), make_model(vocab)
    vectors = model.attrs["vectors"]
    assert other.attrs["vectors"] is vectors
    assert model.copy().attrs["vectors"] is vectors
    assert VectorsEmbed(3, 10).from_bytes(model.to_bytes()).attrs["vectors"] is vectors


def test_they_are_kept_in_half_precision():
    vocab = spacy.blank("zh").vocab
    exact = np.random.RandomState(0).normal(size=(2, 500)).astype("f")
    for char, vector in zip("中国", exact):
        vocab.set_vector(char, vector)
    model = make_model(vocab)
    (found,) = model.predict([make_doc(vocab, "中国")])
    assert found.dtype == "f"
    assert (found == exact.astype("f2").astype("f")).all()
    assert len(model.attrs["vectors"].data) < exact.nbytes


def test_a_model_that_was_saved_without_its_vectors(vocab):
    model = make_model(vocab)
    train(model, [make_doc(vocab, "中x")])
    doc = make_doc(vocab, "中x人")
    (expected,) = model.predict([doc])
    message = model.to_dict()
    for attrs in message["attrs"]:
        del attrs["vectors"], attrs["has_vectors"]
    old = VectorsEmbed(3, 10).from_dict(message)
    other = spacy.blank("zh").vocab
    other.set_vector("中", np.ones(7, dtype="f"))
    with pytest.raises(ValueError, match="earlier version.*has others"):
        old.predict([make_doc(other, "中x人")])
    assert old.predict([doc])[0].tolist() == expected.tolist()
    assert old.predict([make_doc(other, "中x人")])[0].tolist() == expected.tolist()


def test_floret_vectors():
    vocab = spacy.blank("zh").vocab
    vocab.vectors = Vectors(
        mode="floret", data=np.ones((8, 4), dtype="f"), hash_count=2, strings=vocab.strings
    )
    with pytest.raises(ValueError, match="floret"):
        make_model(vocab)


@pytest.mark.parametrize(("width", "rows", "dropout"), [(0, 5, 0.0), (5, 0, 0.0), (5, 5, 1.0)])
def test_bad_settings(width, rows, dropout):
    with pytest.raises(ValueError, match="VectorsEmbed"):
        VectorsEmbed(width, rows, dropout)


def test_a_pipeline_learns_with_it_and_is_kept(tmp_path):
    """The model has the vectors and what was learned beside them."""
    nlp = make_nlp(model={"tok2vec": {"embed": EMBED}})
    for i, char in enumerate("王明李雷去上海北京"):
        nlp.vocab.set_vector(char, np.eye(9, dtype="f")[i])
    examples = make_examples(nlp, TRAIN)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    for text, ents in TRAIN:
        doc = loaded(text)
        assert [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] == ents
    model = loaded.get_pipe("crf_ner").model
    node = next(node for node in model.walk() if node.name == "vectors_embed")
    assert node.get_dim("nO") == 9
    assert len(node.attrs["index"]) == len(set("".join(text for text, _ in TRAIN)))
