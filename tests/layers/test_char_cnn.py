"""The convolution over characters against torch's, and alone against in company."""

import numpy as np
import pytest
import spacy
import torch
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from thinc.api import concatenate, fix_random_seed

from spacy_crf_ner.layers.char_cnn import BEGIN, END, CharacterCNN
from spacy_crf_ner.layers.feature_embed import FeatureEmbed

NLP = spacy.blank("en")
WORDS = [["Peking", "is", "a", "city", "is", "it", "Peking"], [], ["é", "x" * 40], ["is"]]


def make_docs(words=WORDS):
    return [Doc(NLP.vocab, words=doc) for doc in words]


def make_model(*args, **kwargs):
    fix_random_seed(0)
    model = CharacterCNN(*args, **kwargs)
    model.initialize(X=make_docs())
    return model


def convolve(model, words, kernel_sizes):
    """Token by token with torch.nn.functional.conv1d. Returns the outputs, the weights and biases
    of the convolutions, and the vectors of all characters, from which gradients flow back."""
    (embed,) = [node for node in model.walk() if node.name == "hashembed"]
    linear = [node for node in model.walk() if node.name == "linear"]
    weights = [
        # Thinc has the characters of the window one after another, torch has them last.
        torch.from_numpy(node.get_param("W").reshape(node.get_dim("nO"), size, -1))
        .transpose(1, 2)
        .requires_grad_()
        for node, size in zip(linear, kernel_sizes)
    ]
    biases = [torch.from_numpy(node.get_param("b")).requires_grad_() for node in linear]
    outputs = []
    for word in words:
        codes = np.array([ord(c) for c in f"{BEGIN}{word}{END}"], dtype="uint64")
        X = torch.from_numpy(embed.predict(codes)).T[None]
        convolved = [
            torch.nn.functional.conv1d(X, W, b, padding=size // 2)
            for W, b, size in zip(weights, biases, kernel_sizes)
        ]
        outputs.append(torch.cat([Y[0].max(dim=1).values for Y in convolved]))
    return torch.stack(outputs), weights, biases, linear


@pytest.mark.parametrize("kernel_sizes", [[3], [1], [3, 5]])
def test_outputs_and_gradients_are_those_of_torchs_convolution(kernel_sizes):
    model = make_model(8, 6, kernel_sizes)
    docs = make_docs()
    Ys, backprop = model.begin_update(docs)
    assert [Y.shape for Y in Ys] == [(len(doc), 8) for doc in docs]
    words = [token.text for doc in docs for token in doc]
    expected, weights, biases, linear = convolve(model, words, kernel_sizes)
    assert_allclose(np.concatenate(Ys), expected.detach().numpy(), atol=1e-6)

    random = np.random.RandomState(1)
    dYs = [random.normal(size=Y.shape).astype("f") for Y in Ys]
    backprop(dYs)
    expected.backward(torch.from_numpy(np.concatenate(dYs)))
    for node, W, b in zip(linear, weights, biases):
        gradient = W.grad.transpose(1, 2).reshape(node.get_dim("nO"), -1)
        assert_allclose(node.get_grad("W"), gradient.numpy(), atol=1e-5)
        assert_allclose(node.get_grad("b"), b.grad.numpy(), atol=1e-5)


@pytest.mark.parametrize("kernel_sizes", [[3], [3, 5]])
def test_the_characters_gradient_is_that_of_finite_differences(kernel_sizes):
    model = make_model(8, 6, kernel_sizes, rows=50)
    docs = make_docs()
    random = np.random.RandomState(1)
    Ys, backprop = model.begin_update(docs)
    dYs = [random.normal(size=Y.shape).astype("f") for Y in Ys]
    backprop(dYs)
    (embed,) = [node for node in model.walk() if node.name == "hashembed"]
    table, gradient = embed.get_param("E"), embed.get_grad("E")
    direction = random.normal(size=table.shape).astype("f")

    def loss(step):
        embed.set_param("E", table + step * direction)
        return sum((Y * dY).sum(dtype="d") for Y, dY in zip(model.predict(docs), dYs))

    step = 1e-4
    assert_allclose(
        (gradient * direction).sum(), (loss(step) - loss(-step)) / (2 * step), rtol=1e-2
    )


def test_a_word_has_the_same_vector_alone_and_in_any_batch():
    model = make_model(8)
    together = model.predict(make_docs([*WORDS, ["y" * 5000]]))
    for words, vectors in zip(WORDS, together):
        for word, vector in zip(words, vectors):
            ((alone,),) = model.predict(make_docs([[word]]))
            assert_allclose(vector, alone, atol=1e-6)


def test_every_character_of_a_long_word_counts():
    model = make_model(8)
    word = "y" * 3000
    docs = make_docs([[word], [word[:1500] + "z" + word[1501:]]])
    plain, changed = model.predict(docs)
    assert not np.allclose(plain, changed)


def test_order_and_position_in_the_word_count():
    model = make_model(8)
    vectors = model.predict(make_docs([["ab", "ba", "aba", "bab", "a", "aa", "ab."]]))[0]
    assert len(np.unique(vectors.round(5), axis=0)) == 7


@pytest.mark.parametrize("words", [[], [[]], [[], []]])
def test_nothing_to_embed(words):
    model = make_model(8)
    Ys, backprop = model.begin_update(make_docs(words))
    assert [Y.shape for Y in Ys] == [(0, 8)] * len(words)
    assert backprop(Ys) == []


def test_beside_other_features_and_through_serialization():
    def make(seed):
        fix_random_seed(seed)
        embed = concatenate(FeatureEmbed(["NORM"], [8], [100]), CharacterCNN(8))
        encode = registry.architectures.get("spacy.MaxoutWindowEncoder.v2")(16, 1, 2, 1)
        tok2vec = registry.architectures.get("spacy.Tok2Vec.v2")(embed, encode)
        tok2vec.initialize(X=docs)
        return tok2vec

    docs = make_docs()
    first, second = make(0), make(1)
    Ys, backprop = first.begin_update(docs)
    backprop(Ys)
    expected = np.concatenate(first.predict(docs))
    assert not np.allclose(np.concatenate(second.predict(docs)), expected)
    second.from_bytes(first.to_bytes())
    assert_allclose(np.concatenate(second.predict(docs)), expected)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"width": 8, "kernel_sizes": []}, r"positive odd numbers, at least one; got \[\]"),
        ({"width": 8, "kernel_sizes": [3, 4]}, r"positive odd numbers.*got \[3, 4\]"),
        ({"width": 8, "kernel_sizes": [-1]}, r"positive odd numbers.*got \[-1\]"),
        ({"width": 9, "kernel_sizes": [3, 5]}, "multiple of the number of kernel sizes, 2; got 9"),
        ({"width": 0}, "got 0"),
    ],
)
def test_impossible_settings_say_which(kwargs, message):
    with pytest.raises(ValueError, match=message):
        CharacterCNN(**kwargs)


def test_a_pipeline_learns_with_it_and_is_kept():
    # What a config says as [components.crf_ner.model.tok2vec.embed.*.characters].
    characters = {"@architectures": "spacy_crf_ner.CharacterCNN.v1", "width": 16}
    words = {
        "@architectures": "spacy_crf_ner.FeatureEmbed.v1",
        **{"features": ["SHAPE"], "widths": [16], "rows": [500]},
    }
    embed = {"@layers": "concatenate.v1", "*": {"words": words, "characters": characters}}
    encode = {"@architectures": "spacy_crf_ner.BiLSTMEncoder.v1", "width": 32}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    model = {"@architectures": "spacy_crf_ner.CRFTagger.v2", "tok2vec": tok2vec}
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("crf_ner", config={"model": model})
    text = "Ann lives in Rome."
    gold = {"entities": [(0, 3, "PERSON"), (13, 17, "LOCATION")]}
    examples = [Example.from_dict(nlp.make_doc(text), gold)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    assert [ent.text for ent in nlp(text).ents] == ["Ann", "Rome"]
    loaded = spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert [ent.text for ent in loaded(text).ents] == ["Ann", "Rome"]
    assert len(loaded("")) == 0
