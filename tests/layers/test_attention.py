"""Self-attention against torch's multi-head attention, and alone against in company."""

from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from numpy.testing import assert_allclose
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.util import load_config, registry
from thinc.api import Model, Ragged, fix_random_seed, glorot_uniform_init

from spacy_crf_ner.layers.attention import SelfAttention, SelfAttentionEncoder, _blocks
from spacy_crf_ner.layers.bilstm import BiLSTMEncoder
from spacy_crf_ner.layers.feature_embed import FeatureEmbed
from spacy_crf_ner.layers.tagger import CRFTagger

CONFIG = Path(__file__).parents[2] / "configs" / "bilstm_attention.cfg"
# One far longer than the others, so that they fall into several groups.
LENGTHS = [7, 3, 0, 1, 120, 7, 2, 0, 5]
WINDOW = 16


def make_sequences(width, lengths=LENGTHS, seed=0):
    random = np.random.RandomState(seed)
    return [random.normal(size=(length, width)).astype("f") for length in lengths]


def make_ragged(sequences):
    return Ragged(np.concatenate(sequences), np.array([len(x) for x in sequences], dtype="i"))


def let_attend(model):
    """Give the attention in a model, which starts without any, an effect."""
    for node in model.walk():
        if node.has_param("output"):
            node.set_param("output", glorot_uniform_init(node.ops, node.get_param("output").shape))


def make_pair(heads, width=8, window=512):
    """The layer and a torch.nn.MultiheadAttention of the same weights."""
    fix_random_seed(0)
    layer = SelfAttention(width, heads, window)
    layer.initialize()
    let_attend(layer)
    attention = torch.nn.MultiheadAttention(width, heads, bias=False, batch_first=True)
    inputs = np.concatenate([layer.get_param(name) for name in ("query", "key", "value")])
    attention.load_state_dict(
        {
            "in_proj_weight": torch.from_numpy(inputs),
            "out_proj.weight": torch.from_numpy(layer.get_param("output")),
        }
    )
    return layer, attention


def run_one_by_one(attention, sequences, window):
    """Each sequence alone and unpadded; a token does not see what is further than a block away."""
    inputs = [torch.from_numpy(x).requires_grad_() for x in sequences if len(x)]
    outputs = []
    for x in inputs:
        block = torch.arange(len(x)) // window
        hidden = (block[:, None] - block).abs() > 1
        outputs.append(attention(x[None], x[None], x[None], attn_mask=hidden)[0][0])
    return inputs, torch.cat(outputs)


@pytest.mark.parametrize("heads", [1, 2, 8])
@pytest.mark.parametrize("window", [1, WINDOW, 512])
def test_outputs_and_gradients_are_those_of_torchs_attention(heads, window):
    layer, attention = make_pair(heads, window=window)
    sequences = make_sequences(8)
    Y, backprop = layer.begin_update(make_ragged(sequences))
    inputs, expected = run_one_by_one(attention, sequences, window)
    assert_allclose(Y.dataXd, expected.detach().numpy(), atol=1e-5)
    assert Y.lengths.tolist() == LENGTHS

    dY = np.random.RandomState(1).normal(size=Y.dataXd.shape).astype("f")
    dX = backprop(Ragged(dY, Y.lengths))
    expected.backward(torch.from_numpy(dY))
    assert_allclose(dX.dataXd, torch.cat([x.grad for x in inputs]).numpy(), atol=1e-5)
    gradients = np.concatenate([layer.get_grad(name) for name in ("query", "key", "value")])
    assert_allclose(gradients, attention.in_proj_weight.grad.numpy(), atol=1e-4)
    assert_allclose(layer.get_grad("output"), attention.out_proj.weight.grad.numpy(), atol=1e-4)


@pytest.mark.parametrize("length", [1, WINDOW, WINDOW + 1, 2 * WINDOW])
def test_up_to_twice_the_window_all_is_seen(length):
    layer, attention = make_pair(2, window=WINDOW)
    (sequence,) = make_sequences(8, [length])
    _, expected = run_one_by_one(attention, [sequence], window=length)
    assert_allclose(
        layer.predict(make_ragged([sequence])).dataXd, expected.detach().numpy(), atol=1e-5
    )


def test_beyond_it_each_token_sees_the_window_to_both_sides_and_no_further_than_twice():
    lengths = np.array([3, 0, 10 * WINDOW + 3])
    sees = np.zeros((lengths.sum(), lengths.sum()), dtype=bool)
    for first, last, seen_first, seen_last in _blocks(lengths, WINDOW):
        assert not sees[first:last].any()
        sees[first:last, seen_first:seen_last] = True
    assert sees[:3, :3].all()
    assert not sees[:3, 3:].any()
    assert not sees[3:, :3].any()
    tokens = np.arange(lengths[-1])
    distance = abs(tokens[:, None] - tokens)
    assert sees[3:, 3:][distance <= WINDOW].all()
    assert not sees[3:, 3:][distance >= 2 * WINDOW].any()


def test_a_sequence_is_encoded_the_same_alone_and_in_any_batch():
    fix_random_seed(0)
    model = SelfAttentionEncoder(BiLSTMEncoder(8), heads=2, window=512)
    sequences = [*make_sequences(6), *make_sequences(6, [3000])]
    model.initialize(X=sequences)
    let_attend(model)
    together = model.predict(sequences)
    for i, sequence in enumerate(sequences):
        (alone,) = model.predict([sequence])
        assert alone.shape == (len(sequence), 8)
        assert_allclose(together[i], alone, atol=3e-5)
        # Beside the longest one only.
        assert_allclose(model.predict([sequence, sequences[-1]])[0], alone, atol=3e-5)


def test_the_encoders_gradient_is_that_of_finite_differences():
    fix_random_seed(0)
    model = SelfAttentionEncoder(BiLSTMEncoder(8), heads=2)
    sequences = make_sequences(6, [4, 0, 1, 9])
    model.initialize(X=sequences)
    let_attend(model)
    random = np.random.RandomState(1)
    Ys, backprop = model.begin_update(sequences)
    dYs = [random.normal(size=Y.shape).astype("f") for Y in Ys]
    dXs = backprop(dYs)
    direction = make_sequences(6, [4, 0, 1, 9], seed=2)

    def loss(step):
        moved = [X + step * d for X, d in zip(sequences, direction)]
        return sum((Y * dY).sum(dtype="d") for Y, dY in zip(model.predict(moved), dYs))

    step = 1e-2
    assert_allclose(
        sum((dX * d).sum() for dX, d in zip(dXs, direction)),
        (loss(step) - loss(-step)) / (2 * step),
        rtol=1e-2,
    )


def test_before_training_nothing_is_added():
    fix_random_seed(0)
    encode = BiLSTMEncoder(8)
    model = SelfAttentionEncoder(encode)
    sequences = make_sequences(6)
    model.initialize(X=sequences)
    for encoded, Y in zip(encode.predict(sequences), model.predict(sequences)):
        mean, sd = encoded.mean(axis=1, keepdims=True), encoded.std(axis=1, keepdims=True)
        assert_allclose(Y, (encoded - mean) / sd, atol=1e-3)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_nothing_to_attend_to(lengths):
    layer, _ = make_pair(2)
    X = Ragged(np.zeros((0, 8), dtype="f"), np.array(lengths, dtype="i"))
    Y, backprop = layer.begin_update(X)
    assert Y.dataXd.shape == (0, 8)
    assert backprop(Y).dataXd.shape == (0, 8)


def test_dropout_is_only_for_training():
    model = SelfAttentionEncoder(BiLSTMEncoder(8), dropout=0.5)
    sequences = make_sequences(6)
    model.initialize(X=sequences)
    let_attend(model)
    fixed = model.predict(sequences)
    assert_allclose(np.concatenate(fixed), np.concatenate(model.predict(sequences)))
    trained, _ = model.begin_update(sequences)
    assert not np.allclose(np.concatenate(trained), np.concatenate(fixed))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"heads": 3}, "heads must be a positive number that divides the width 8; got 3"),
        ({"heads": 0}, "heads must be a positive number that divides the width 8; got 0"),
        ({"window": 0}, "window must be at least 1, got 0"),
        ({"dropout": 1.0}, "dropout must be.*got 1.0"),
    ],
)
def test_impossible_settings_say_which(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SelfAttentionEncoder(BiLSTMEncoder(8), **kwargs)


def make_tagger():
    """A tagger with the layer, as a config would have it made."""
    embed = FeatureEmbed(["NORM"], [8], [100])
    encode = SelfAttentionEncoder(BiLSTMEncoder(8), heads=2)
    tok2vec: Model = registry.architectures.get("spacy.Tok2Vec.v2")(embed, encode)
    return CRFTagger(tok2vec)


def test_weights_survive_serialization():
    docs = [spacy.blank("zh").make_doc("王明在北京工作")]
    first, second = make_tagger(), make_tagger()
    for seed, model in enumerate((first, second)):
        fix_random_seed(seed)
        model.initialize(X=docs, Y=np.zeros((7, 5), dtype="f"))
        let_attend(model)
    tok2vecs = [model.get_ref("tok2vec") for model in (first, second)]
    expected = tok2vecs[0].predict(docs)[0]
    assert not np.allclose(tok2vecs[1].predict(docs)[0], expected)
    second.from_bytes(first.to_bytes())
    assert_allclose(tok2vecs[1].predict(docs)[0], expected)


def test_the_config_makes_a_pipeline_that_learns_and_is_kept():
    config = load_config(
        CONFIG,
        overrides={
            "components.crf_ner.model.tok2vec.encode.encode.width": 32,
            "training.optimizer.learn_rate.warmup_steps": 0,
        },
    )
    fix_random_seed(0)
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    training = registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    optimizer = training["optimizer"]
    assert optimizer.learn_rate == 0.001
    optimizer.learn_rate = 0.01

    gold = {"entities": [(0, 2, "PERSON"), (3, 5, "LOCATION")]}
    text = "王明在北京工作"
    examples = [Example.from_dict(nlp.make_doc(text), gold)]
    nlp.initialize(lambda: examples, sgd=optimizer)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    assert [(ent.text, ent.label_) for ent in nlp(text).ents] == [
        ("王明", "PERSON"),
        ("北京", "LOCATION"),
    ]
    loaded = spacy.util.load_model_from_config(config, auto_fill=True).from_bytes(nlp.to_bytes())
    assert [ent.text for ent in loaded(text).ents] == ["王明", "北京"]
