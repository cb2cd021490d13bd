"""The encoder over documents of any length: no wordpiece left out, each with context around it."""

import sys
import warnings

import numpy as np
import pytest
import spacy
import torch
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from thinc.api import Model

pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")

from tiny_encoders import LONGEST, add_transformer, make_encoder, pooling, token_vectors

from spacy_crf_ner.layers.concatenate import Concatenate
from spacy_crf_ner.layers.transformer.memory import WORDPIECES_ON_CPU
from spacy_crf_ner.layers.transformer.windows import (
    most_central,
    parts_of_similar_length,
    window_starts,
)
from spacy_crf_ner.layers.transformer.wordpieces import align, special_tokens, split_into_wordpieces

TEXT = "王明在北京大学工作，上海有雨。"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("encoders")


@pytest.fixture(scope="module")
def bert(folder):
    return make_encoder(folder / "bert")


@pytest.fixture(scope="module")
def pipe(bert):
    return add_transformer(spacy.blank("zh"), bert)


def make_doc(lang, text):
    return spacy.blank(lang).make_doc(text)


def pieces_of_tokens(tokenizer, doc):
    """The wordpieces of each token, as strings."""
    (pieces,) = split_into_wordpieces(tokenizer, [doc])
    aligned, counts = align(pieces, len(doc))
    strings = np.array(tokenizer.convert_ids_to_tokens(pieces.ids), dtype="O")
    return [list(some) for some in np.split(strings[aligned], counts.cumsum()[:-1])]


def from_huggingface(pipe, ids):
    """What the encoder itself says of one window."""
    before, after = special_tokens(pipe.model.tokenizer)
    model = pipe.model.transformer.eval()
    with torch.no_grad():
        output = model(torch.tensor([[*before, *ids, *after]])).last_hidden_state[0]
    return output[len(before) : len(before) + len(ids)].numpy()


# Wordpieces and tokens


def test_a_piece_for_each_character(pipe):
    doc = make_doc("zh", "王明 在\n\n北京😀𠮷")
    assert pieces_of_tokens(pipe.model.tokenizer, doc) == [
        *(["王"], ["明"], ["在"], [], ["北"], ["京"]),
        # BERT does not separate these from each other.
        *(["[UNK]"], ["[UNK]"]),
    ]


@pytest.mark.parametrize("fast", [True, False])
def test_several_pieces_of_a_token(folder, fast):
    name = make_encoder(folder / f"cased{fast}", lower=False, fast=fast)
    pipe = add_transformer(spacy.blank("en"), name, tokenizer_config={"use_fast": fast})
    assert pipe.model.tokenizer.is_fast == fast
    doc = make_doc("en", "In London,  don't 王朝")
    assert [token.text for token in doc] == ["In", "London", ",", " ", "do", "n't", "王朝"]
    assert pieces_of_tokens(pipe.model.tokenizer, doc) == [
        *(["I", "##n"], ["Lon", "##don"], [","], []),
        # A fast tokenizer has seen the whole word.
        *(["d", "##o"], ["##n" if fast else "n", "[UNK]", "t"]),
        ["王", "[UNK]"],
    ]


def test_a_piece_of_several_tokens_belongs_to_each(pipe):
    doc = Doc(pipe.vocab, words=["l", "o", "nd", "on"], spaces=[False] * 4)
    assert pieces_of_tokens(pipe.model.tokenizer, doc) == [
        ["lon"],
        ["lon"],
        ["lon", "##don"],
        ["##don"],
    ]
    vectors = token_vectors(pipe.predict([doc]).doc_data)[0]
    assert_allclose(vectors[0], vectors[1])
    assert_allclose(vectors[2], (vectors[0] + vectors[3]) / 2, atol=1e-6)


@pytest.mark.parametrize("fast", [True, False])
def test_bytes_of_characters(folder, fast):
    name = make_encoder(folder / f"roberta{fast}", "roberta", fast=fast)
    pipe = add_transformer(spacy.blank("en"), name, tokenizer_config={"use_fast": fast})
    doc = make_doc("en", "in London 😀")
    pieces = pieces_of_tokens(pipe.model.tokenizer, doc)
    # "Ġ" is the space before a word.
    assert pieces[:2] == [["i", "n"], ["ĠLondon"]]
    assert "".join(pieces[2]).lstrip("Ġ") == "ðŁĺĢ"


# Windows


@pytest.mark.parametrize(
    ("length", "size", "stride"), [(0, 5, 3), (5, 5, 5), (6, 5, 5), (97, 9, 2)]
)
def test_windows_cover_everything_and_are_full(length, size, stride):
    starts = window_starts(length, size, stride)
    assert starts[0] == 0
    assert starts[-1] == max(length - size, 0)
    assert (np.diff(starts) > 0).all()
    assert (np.diff(starts) <= stride).all()


@pytest.mark.parametrize(
    ("length", "size", "stride"), [(4, 5, 3), (30, 8, 8), (30, 8, 3), (50, 9, 1)]
)
def test_each_place_is_read_where_it_is_farthest_from_the_edges(length, size, stride):
    starts = window_starts(length, size, stride)
    chosen = starts[most_central(starts, length, size)]
    for place, start in enumerate(chosen):
        best = max(min(place - s, s + size - 1 - place) for s in starts)
        assert min(place - start, start + size - 1 - place) == best


def test_parts_are_bounded_and_mostly_not_padding():
    lengths = np.array([3, 500, 4, 3, 490, 100, 3])
    parts = list(parts_of_similar_length(lengths, 600))
    assert sorted(np.concatenate(parts)) == list(range(7))
    for part in parts:
        assert len(part) == 1 or len(part) * lengths[part[0]] <= 600
        assert lengths[part[0]] == lengths[part].max()


def test_a_document_of_one_window_is_what_the_encoder_says(pipe):
    doc = make_doc("zh", TEXT)
    (pieces,) = split_into_wordpieces(pipe.model.tokenizer, [doc])
    (vectors,) = token_vectors(pipe.predict([doc]).doc_data)
    assert_allclose(vectors, from_huggingface(pipe, pieces.ids), atol=1e-5)


def test_each_token_is_read_from_the_window_where_it_is_most_central(pipe):
    doc = make_doc("zh", TEXT * 5)
    (pieces,) = split_into_wordpieces(pipe.model.tokenizer, [doc])
    assert len(pieces.ids) == len(doc) == 75
    size = LONGEST - 2
    starts = [*range(0, 75 - size, 8), 75 - size]
    windows = [from_huggingface(pipe, pieces.ids[start : start + size]) for start in starts]
    (vectors,) = token_vectors(pipe.predict([doc]).doc_data)
    for i, vector in enumerate(vectors):
        # Where a document begins and ends is no edge.
        context = [
            min(i - start if start else 99, start + size - 1 - i if start < starts[-1] else 99)
            for start in starts
        ]
        candidates = [k for k in range(len(starts)) if context[k] == max(context)]
        nearest = [np.abs(windows[k][i - starts[k]] - vector).max() for k in candidates]
        assert min(nearest) < 1e-5


def test_one_span_for_each_window(pipe):
    docs = [make_doc("zh", text) for text in (TEXT * 3, "", TEXT)]
    batch = pipe.predict(docs)
    assert [[(s.start, s.end) for s in spans] for spans in batch.spans] == [
        [(0, 22), (8, 30), (16, 38), (23, 45)],
        [],
        [(0, 15)],
    ]
    assert batch.wordpieces.input_ids.shape == (5, LONGEST)
    assert batch.wordpieces.lengths == [LONGEST] * 4 + [17]
    for doc in pipe.pipe(docs):
        assert len(doc._.trf_data.align.lengths) == len(doc)


@pytest.mark.slow
def test_a_window_within_a_word(folder):
    name = make_encoder(folder / "within", lower=False)
    pipe = add_transformer(spacy.blank("en"), name)
    # Without this a word of more than 100 letters is unknown.
    pipe.model.tokenizer.backend_tokenizer.model.max_input_chars_per_word = 10_000
    doc = make_doc("en", f"a {'b' * 2000} c")
    batch = pipe.predict([doc])
    assert batch.align.lengths.tolist() == [1, 2000, 1]
    assert {(span.start, span.end) for span in batch.spans[0][1:-1]} == {(1, 2)}
    assert len(set(batch.align.dataXd.tolist())) == 2002
    assert np.isfinite(token_vectors(batch.doc_data)[0]).all()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_documents_of_all_kinds_beside_each_other(bert, lang):
    nlp = spacy.blank(lang)
    pipe = add_transformer(nlp, bert)
    texts = [
        "",
        " \n ",
        "王",
        "   王明  ",
        "😀👩‍👩‍👧",
        "\u200b\ufeff",
        "a" * 5000,
        "𠮷野家 ok",
        TEXT * 9,
        "[SEP]a",
    ]
    docs = [nlp.make_doc(text) for text in texts]
    together = token_vectors(pipe.predict(docs).doc_data)
    for doc, vectors in zip(docs, together):
        assert len(vectors) == len(doc)
        assert np.isfinite(vectors).all()
        alone = (
            token_vectors([doc._.trf_data for doc in pipe.pipe([doc])]) if len(doc) else [vectors]
        )
        assert_allclose(vectors, alone[0], atol=1e-5)


def test_tokens_without_a_wordpiece_are_zero_and_teach_nothing(pipe):
    words = ["王", "\n\n", "明"]
    docs = [
        Doc(pipe.vocab, words=words, spaces=[False] * 3),
        Doc(pipe.vocab, words=["\n"], spaces=[False]),
    ]
    batch, backprop = pipe.model.begin_update(docs)
    vectors, backprop_pooling = pooling().begin_update(batch.doc_data)
    assert not vectors[0][1].any()
    assert not vectors[1].any()
    assert vectors[0][0].any()
    gradients = [np.zeros_like(array) for array in vectors]
    gradients[0][1] = gradients[1][0] = 1.0
    d_data = backprop_pooling(gradients)
    assert not any(data.model_output.last_hidden_state.any() for data in d_data)
    backprop(batch.unsplit_by_doc([list(data.tensors) for data in d_data]))
    assert all(p.grad is None or not p.grad.any() for p in pipe.model.transformer.parameters())


def test_nothing_is_truncated(pipe, caplog):
    doc = make_doc("zh", TEXT * 1400)
    assert len(doc) == 21_000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch = pipe.predict([doc])
    assert batch.align.lengths.tolist() == [1] * len(doc)
    rows = batch.wordpieces.input_ids.ravel()[batch.align.dataXd]
    assert rows.tolist() == split_into_wordpieces(pipe.model.tokenizer, [doc])[0].ids
    assert "longer than" not in caplog.text


@pytest.fixture
def sizes(pipe):
    """How many wordpieces the encoder is given at once, with padding."""
    sizes = []
    hook = pipe.model.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    yield sizes
    hook.remove()


def test_a_large_batch_is_run_in_parts(pipe, sizes, monkeypatch):
    docs = [make_doc("zh", TEXT * n) for n in (1, 7, 2, 1, 30)]
    expected = token_vectors(pipe.predict(docs).doc_data)
    # On a CPU, not all at once, even if memory allows it.
    assert len(sizes) > 1
    assert max(sizes) <= WORDPIECES_ON_CPU
    sizes.clear()
    monkeypatch.setitem(pipe.model.layers[0].shims[0]._memory.limits, False, 100)
    vectors = token_vectors(pipe.predict(docs).doc_data)
    assert len(sizes) > 10
    assert max(sizes) <= 100
    for ours, theirs in zip(vectors, expected):
        assert_allclose(ours, theirs, atol=1e-5)


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": LONGEST + 1}, f"at most {LONGEST} wordpieces"),
        ({"window": 10, "stride": 9}, "room for 8 wordpieces.*stride to at most 8"),
        ({"stride": 0}, "stride must be above 0"),
        ({"stride": LONGEST + 1}, "at most window"),
        ({"layer_decay": 0.0}, "layer_decay must be"),
        ({"frozen_steps": -1}, "frozen_layers and frozen_steps"),
    ],
)
def test_settings_that_cannot_be(bert, settings, message):
    with pytest.raises(ValueError, match=message):
        add_transformer(spacy.blank("zh"), bert, **settings)


def test_a_roberta_has_fewer_positions_than_its_config_says(folder):
    name = make_encoder(folder / "positions", "roberta")
    with pytest.raises(ValueError, match=f"at most {LONGEST} wordpieces"):
        add_transformer(spacy.blank("en"), name, window=LONGEST + 1)
    pipe = add_transformer(spacy.blank("en"), name)
    pipe.predict([make_doc("en", "London " * 100)])


def test_copies_in_place_of_listeners_are_refused(pipe):
    with pytest.raises(ValueError, match="share the component 'transformer'"):
        pipe.model.attrs["replace_listener_cfg"]({}, {})


def test_without_the_extra_the_error_names_it(bert, monkeypatch):
    from spacy_crf_ner.layers.transformer.architecture import TransformerModel

    monkeypatch.setitem(sys.modules, "spacy_crf_ner.layers.transformer.model", None)
    with pytest.raises(ImportError, match=r"pip install 'spacy-crf-ner\[transformers\]'"):
        TransformerModel(bert)


# Beside other vectors


def test_concatenation_with_documents_that_have_no_tokens():
    def make(width, width_if_empty):
        def forward(model, docs, is_train):
            arrays = [
                np.full((len(doc), width if len(doc) else width_if_empty), width, dtype="f")
                for doc in docs
            ]
            return arrays, lambda d_arrays: seen.append([d.copy() for d in d_arrays]) or []

        return Model("made", forward)

    seen = []
    model = Concatenate(make(2, 0), make(3, 3))
    vocab = spacy.blank("zh").vocab
    docs = [Doc(vocab), Doc(vocab, words=["a", "b"]), Doc(vocab)]
    arrays, backprop = model.begin_update(docs)
    assert [array.shape for array in arrays] == [(0, 5), (2, 5), (0, 5)]
    assert arrays[1][0].tolist() == [2, 2, 3, 3, 3]
    backprop([np.arange(5 * len(doc), dtype="f").reshape(-1, 5) for doc in docs])
    assert [gradients[1].tolist() for gradients in seen] == [
        [[0, 1], [5, 6]],
        [[2, 3, 4], [7, 8, 9]],
    ]
