"""The lexicon's features against a plain computation, and their weights."""

import pickle
import random

import numpy as np
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.lookups import Lookups
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config, concatenate, fix_random_seed

from spacy_crf_ner.layers.feature_embed import FeatureEmbed
from spacy_crf_ner.layers.lexicon import SHAPES, LexiconEmbed, set_words
from spacy_crf_ner.lexicon import set_lexicon

CONFIG = """
[nlp]
lang = "zh"
pipeline = ["tok2vec", "crf_ner"]

[components]

[components.tok2vec]
factory = "tok2vec"

[components.tok2vec.model]
@architectures = "spacy.Tok2Vec.v2"

[components.tok2vec.model.embed]
@architectures = "spacy_crf_ner.LexiconEmbed.v1"
width = 8

[components.tok2vec.model.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = 8
depth = 1
window_size = 1
maxout_pieces = 2

[components.crf_ner]
factory = "crf_ner"

[components.crf_ner.model]
@architectures = "spacy_crf_ner.CRFTagger.v2"

[components.crf_ner.model.tok2vec]
@architectures = "spacy.Tok2VecListener.v1"
width = 8

[initialize]

[initialize.before_init]
@callbacks = "spacy_crf_ner.add_lexicon.v1"
"""


def make(entries, lang="zh", width=4, feature_dropout=0.0):
    """A tokenizer with a lexicon, and a model for it."""
    fix_random_seed(0)
    nlp = spacy.blank(lang)
    set_lexicon(nlp.vocab, entries)
    model = LexiconEmbed(width, feature_dropout)
    model.initialize(X=[nlp.make_doc("a")])
    return nlp, model


def features_of(model, doc):
    """The names of each token's features, read off vectors that are one-hot."""
    names = [f"{name}-{shape}" for name in model.attrs["classes"] for shape in SHAPES]
    probe = LexiconEmbed(len(names))
    probe.attrs.update(model.attrs)
    probe.set_param("W", np.eye(len(names), dtype="f"))
    return [{names[i] for i in np.flatnonzero(row)} for row in probe.predict([doc])[0]]


def plain_features(entries, doc):
    found = [set() for _ in doc]
    for start in range(len(doc)):
        for end in range(start + 1, len(doc) + 1):
            text = doc[start:end].text
            for word, label in entries:
                if text == word:
                    n = end - start
                    places = ["S"] if n == 1 else ["B", *"M" * (n - 2), "E"]
                    bucket = "" if n == 1 else str(min(n, 4))
                    for i, place in enumerate(places):
                        found[start + i].add(f"{label}-{place}{bucket}")
    return found


def test_features():
    entries = [("北京", "ns"), ("北京大学", "nt"), ("大学生", "n"), ("北", "x")]
    nlp, model = make(entries)
    assert features_of(model, nlp.make_doc("去北京大学生了")) == [
        set(),
        {"ns-B2", "nt-B4", "x-S"},
        {"ns-E2", "nt-M4"},
        {"nt-M4", "n-B3"},
        {"nt-E4", "n-M3"},
        {"n-E3"},
        set(),
    ]


@pytest.mark.parametrize("seed", range(10))
def test_features_are_those_of_a_plain_computation(seed):
    rng = random.Random(seed)
    pieces = ["a", "bb", "京", "😀", "𠮷x"]
    # Words of characters that may be split otherwise than tokens are.
    entries = [
        (
            (" " if rng.random() < 0.3 else "").join(
                rng.choices(pieces, k=rng.choice([1, 2, 3, 5]))
            ),
            x,
        )
        for x in rng.choices("ABC", k=40)
    ]
    nlp, model = make(entries)
    for length in (0, 1, 2, 30):
        words = rng.choices(pieces, k=length)
        doc = Doc(nlp.vocab, words=words, spaces=[rng.random() < 0.5 for _ in words])
        assert features_of(model, doc) == plain_features(entries, doc)


def test_words_begin_and_end_where_tokens_do():
    nlp, model = make([("York", "S"), ("New York", "GPE"), ("in New", "X")], "en")
    doc = nlp.make_doc("Yorkshire, in New  York and New York")
    found = {token.text: x for token, x in zip(doc, features_of(model, doc)) if x}
    assert found == {
        "York": {"S-S", "GPE-E2"},
        "New": {"GPE-B2"},
        "in": {"X-B2"},
    }
    # Not over two spaces.
    assert features_of(model, nlp.make_doc("New  York"))[0] == set()


def test_white_space_and_line_ends_in_the_text():
    nlp, model = make([("北京", "ns"), ("New York", "GPE")])
    doc = nlp.make_doc(" 北京\n\n北\n京 北 京 New York\n")
    found = [(token.i, token.text) for token, x in zip(doc, features_of(model, doc)) if x]
    assert "".join(text for _, text in found).replace(" ", "") == "北京NewYork"


def test_a_feature_counts_once():
    # 天天 begins and ends at the second token, and 天天天 is around it.
    nlp, model = make([("天天", "t"), ("天天天", "t"), ("今天天", "t")])
    (vectors,) = model.predict([nlp.make_doc("天天天")])
    W = {shape: model.get_param("W")[i] for i, shape in enumerate(SHAPES)}
    assert_allclose(vectors[1], W["B2"] + W["E2"] + W["M3"], atol=1e-6)
    assert_allclose(vectors[0], W["B2"] + W["B3"], atol=1e-6)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["无"], ["", "无", ""]])
def test_nothing_found(texts):
    nlp, model = make([("北京", "ns")])
    docs = [nlp.make_doc(text) for text in texts]
    vectors, backprop = model.begin_update(docs)
    assert [v.shape for v in vectors] == [(len(text), 4) for text in texts]
    assert all(v.dtype == "f" and not v.any() for v in vectors)
    backprop([np.ones_like(v) for v in vectors])
    assert not model.get_grad("W").any()


def test_the_batch_changes_nothing():
    nlp, model = make([("北京", "ns"), ("京上", "x"), ("上海", "ns"), ("北京上海", "n")])
    docs = [nlp.make_doc(text) for text in ("北京", "上海市", "", "北京上海", "京", "上")]
    for doc, vectors in zip(docs, model.predict(docs)):
        assert_array_equal(vectors, model.predict([doc])[0])


def test_gradient():
    nlp, model = make([("北京", "ns"), ("北京大学", "nt"), ("天天", "d"), ("天", "d")])
    docs = [nlp.make_doc(text) for text in ("去北京大学", "", "天天天", "无")]
    random_state = np.random.RandomState(0)
    Y, backprop = model.begin_update(docs)
    dY = [random_state.normal(size=y.shape).astype("f") for y in Y]
    assert backprop(dY) == []
    W, analytic = model.get_param("W"), model.get_grad("W").copy()

    def value(W):
        model.set_param("W", W)
        return sum((y * d).sum(dtype="d") for y, d in zip(model.predict(docs), dY))

    numeric = np.zeros_like(W)
    for index in np.ndindex(*W.shape):
        step = np.zeros_like(W)
        step[index] = 0.5  # the output is linear in W
        numeric[index] = value(W + step) - value(W - step)
    assert_allclose(analytic, numeric, atol=1e-4)
    assert analytic.any()


def test_words_are_hidden_in_training_only():
    nlp, model = make([("北京", "a"), ("北京", "b")], feature_dropout=0.25)
    docs = [nlp.make_doc("北京" * 1000)]
    (seen,) = model.predict(docs)
    assert_allclose(seen[:2], seen[-2:])
    (trained,), _ = model.begin_update(docs)
    # All of a word is hidden or nothing, for its tokens and for its classes.
    hidden = ~trained.any(axis=1)
    assert_array_equal(hidden[::2], hidden[1::2])
    assert_allclose(trained[~hidden], seen[~hidden])
    assert hidden.mean() == pytest.approx(0.25, abs=0.05)


def test_beside_other_embeddings():
    nlp, _ = make([("北京", "ns")])
    model = concatenate(FeatureEmbed(["NORM"], widths=[8], rows=[100]), LexiconEmbed(4))
    docs = [nlp.make_doc("北京"), nlp.make_doc("")]
    model.initialize(X=docs)
    assert model.get_dim("nO") == 12
    vectors, backprop = model.begin_update(docs)
    assert [v.shape for v in vectors] == [(2, 12), (0, 12)]
    backprop(vectors)


def test_no_lexicon():
    nlp = spacy.blank("zh")
    with pytest.raises(ValueError, match=r"no lexicon.*before(?s:.*)initialize\.before_init"):
        LexiconEmbed(4).initialize(X=[nlp.make_doc("北京")])


def test_a_lexicon_without_words():
    nlp, model = make([])
    docs = [nlp.make_doc("北京"), nlp.make_doc("")]
    vectors, backprop = model.begin_update(docs)
    assert [v.tolist() for v in vectors] == [[[0.0] * 4] * 2, []]
    backprop(vectors)


def test_another_lexicon():
    nlp, model = make([("北京", "ns"), ("王明", "nr"), ("人", "n")])
    doc = nlp.make_doc("王明去北京")
    before = model.predict([doc])[0]
    # Classes keep their weights in another order, and some may be gone.
    assert set_words(model, [("王明", "nr"), ("上海", "ns")]) == 1
    after = model.predict([doc])[0]
    assert_array_equal(after[:2], before[:2])
    assert not after[2:].any()
    with pytest.raises(ValueError, match="not trained with: person.*one of ns, nr, n, or train"):
        set_words(model, [("王明", "person"), ("上海", "ns")])
    assert_array_equal(model.predict([doc])[0], after)


def test_the_vocab_does_not_matter_any_more():
    nlp, model = make([("北京", "ns")])
    (expected,) = model.predict([nlp.make_doc("去北京")])
    assert expected.any()
    other = spacy.blank("zh")
    assert_array_equal(model.predict([other.make_doc("去北京")])[0], expected)
    for entries in ([("去", "ns")], [("北京", "other")]):
        set_lexicon(other.vocab, entries)
        set_lexicon(nlp.vocab, entries)
        for tokenizer in (nlp, other):
            assert_array_equal(model.predict([tokenizer.make_doc("去北京")])[0], expected)


def test_a_model_that_was_saved_without_its_lexicon():
    nlp, model = make([("北京", "ns")])
    doc = nlp.make_doc("去北京")
    (expected,) = model.predict([doc])
    message = model.to_dict()
    for attrs in message["attrs"]:
        del attrs["lexicon"], attrs["has_lexicon"]
    old = LexiconEmbed(4).from_dict(message)
    with pytest.raises(ValueError, match="earlier version.*another vocab"):
        old.predict([spacy.blank("zh").make_doc("去北京")])
    assert_array_equal(old.predict([doc])[0], expected)
    # Now it has it.
    assert_array_equal(old.predict([spacy.blank("zh").make_doc("去北京")])[0], expected)
    again = LexiconEmbed(4).from_bytes(old.to_bytes())
    assert again.attrs["lexicon"] is model.attrs["lexicon"]


def test_impossible_settings_say_which():
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        LexiconEmbed(0)
    with pytest.raises(ValueError, match=r"feature_dropout must be.*got 1\.0"):
        LexiconEmbed(4, feature_dropout=1.0)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A pipeline trained from a config, and where it was saved."""
    fix_random_seed(0)
    folder = tmp_path_factory.mktemp("lexicon")
    (folder / "city.txt").write_text("北京\n上海\n", encoding="utf8")
    config = Config().from_str(CONFIG)
    config["initialize"]["before_init"]["gazetteers"] = [str(folder / "city.txt")]
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": [(0, 2, "CITY")]})
        for text in ("北京很大", "上海有雨")
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(folder / "model")
    return nlp, folder / "model"


def test_a_saved_pipeline_is_the_same(pipeline):
    nlp, path = pipeline
    text = "我在上海住"
    expected = nlp(text)
    assert expected.tensor.any()
    assert [ent.text for ent in expected.ents] == ["上海"]
    loaded = spacy.load(path)
    others = [loaded, pickle.loads(pickle.dumps(loaded))]
    others.append(spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes()))
    for other in others:
        assert_array_equal(other(text).tensor, expected.tensor)
        assert [ent.text for ent in other(text).ents] == ["上海"]


def test_copies(pipeline):
    nlp, _ = pipeline
    model = nlp.get_pipe("tok2vec").model
    docs = [nlp.make_doc("我在上海住")]
    assert_array_equal(model.copy().predict(docs)[0], model.predict(docs)[0])


def test_processes(pipeline):
    nlp, _ = pipeline
    texts = ["我在上海住", "去北京", "雨"] * 3
    expected = [doc.tensor for doc in nlp.pipe(texts)]
    found = [doc.tensor for doc in nlp.pipe(texts, n_process=2, batch_size=3)]
    for one, other in zip(expected, found, strict=True):
        assert_allclose(one, other, atol=1e-6)


def test_lookups_that_replace_the_lexicon(pipeline):
    @spacy.registry.misc("test_lexicon.lookups")
    def make_lookups():
        lookups = Lookups()
        lookups.add_table("other")
        return lookups

    nlp = spacy.util.load_model_from_config(pipeline[0].config)
    nlp.config["initialize"]["lookups"] = {"@misc": "test_lexicon.lookups"}
    example = Example.from_dict(nlp.make_doc("北京"), {"entities": [(0, 2, "CITY")]})
    with pytest.raises(ValueError, match=r"no lexicon(?s:.*)\[initialize\.lookups\] would replace"):
        nlp.initialize(lambda: [example])
