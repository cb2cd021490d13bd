"""An exported tagger finds what `nlp.pipe` finds."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
from exported import (
    BIGRU,
    ENCODER,
    FEATURES,
    LETTERS,
    LEXICON,
    SOFT,
    TEXTS,
    VECTORS,
    assert_same,
    entities_of,
    make_random,
    make_tagger,
)
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_crf_ner.export import features as features_module
from spacy_crf_ner.export import tagger as tagger_module
from spacy_crf_ner.export.tagger import Tagger

NETWORKS = [
    pytest.param((FEATURES,), {}, id="features"),
    pytest.param((FEATURES, VECTORS, LEXICON), {}, id="all of bilstm.cfg"),
    pytest.param((VECTORS,), {"vectors": False}, id="learned vectors"),
    pytest.param((LEXICON, VECTORS), {}, id="no features"),
    pytest.param((FEATURES, BIGRU), {}, id="pretrained"),
    pytest.param((BIGRU, LETTERS), {}, id="pretrained, letters"),
    pytest.param((FEATURES, SOFT, LEXICON), {}, id="words"),
    pytest.param((SOFT,), {}, id="only words"),
    pytest.param((SOFT + "empty = true", FEATURES), {}, id="no words"),
    pytest.param((LETTERS,), {}, id="letters"),
    pytest.param((FEATURES, LETTERS), {"encoder": {**ENCODER, "depth": 2}}, id="two layers"),
    pytest.param((LETTERS, LEXICON, FEATURES, VECTORS), {}, id="another order"),
    pytest.param(
        (FEATURES,), {"encoder": {**ENCODER, "layer_norm": False, "depth": 3}}, id="no LayerNorm"
    ),
    pytest.param((FEATURES,), {"encoder": {**ENCODER, "width": 22}}, id="another width"),
]


def expect(nlp, texts):
    return [entities_of(doc) for doc in nlp.pipe(texts)]


@pytest.mark.parametrize(("embeddings", "settings"), NETWORKS)
def test_networks(embeddings, settings, tmp_path):
    nlp = make_random(*embeddings, **settings)
    expected = expect(nlp, TEXTS)
    assert sum(map(len, expected)) > 5
    assert_same(make_tagger(nlp, tmp_path / "tagger")(TEXTS), expected)


@pytest.mark.parametrize("tag_scheme", ["BIO", "BIOES"])
@pytest.mark.parametrize(
    ("decoding", "threshold"), [("viterbi", 0.0), ("viterbi", 0.3), ("entities", 0.2)]
)
def test_decodings(tag_scheme, decoding, threshold, tmp_path):
    nlp = make_random(FEATURES, tag_scheme=tag_scheme, decoding=decoding, threshold=threshold)
    nlp.get_pipe("crf_ner").temperature = 1.5
    expected = [[ent for ent in ents if ent[3] >= threshold] for ents in expect(nlp, TEXTS)]
    assert any(expected)
    assert_same(make_tagger(nlp, tmp_path / "tagger")(TEXTS), expected)


def test_words(tmp_path):
    nlp = make_random(FEATURES, LETTERS, VECTORS, lang="en")
    texts = [
        ["Wang", "lives", "in", "X", "NOUN"],
        [],
        ["\n"],
        ["a" * 150, "«", "Łódź", "US$"],
        ["x"],
    ]
    docs = [Doc(nlp.vocab, words=words) for words in texts]
    expected = [entities_of(doc, in_words=True) for doc in nlp.pipe(docs)]
    assert any(expected)
    assert_same(make_tagger(nlp, tmp_path / "tagger").tag_words(texts), expected)


@pytest.mark.parametrize("separator", ["", " "])
def test_words_of_the_dictionary_in_words(separator, tmp_path):
    nlp = make_random(LEXICON, FEATURES)
    words = ["王明", "在", "北京", "大学"]
    doc = Doc(nlp.vocab, words=words, spaces=[separator == " "] * 3 + [False])
    (expected,) = [entities_of(doc, in_words=True) for doc in nlp.pipe([doc])]
    tagger = make_tagger(nlp, tmp_path / "tagger")
    assert_same(tagger.tag_words([words], separator=separator), [expected])


def test_a_text_is_tagged_alike_in_any_batch(tmp_path):
    tagger = make_tagger(make_random(FEATURES, VECTORS, LEXICON, LETTERS), tmp_path / "tagger")
    assert_same(tagger(TEXTS), [tagger([text])[0] for text in TEXTS], 1e-6)


def test_batches_are_of_limited_size(tmp_path, monkeypatch):
    tagger = make_tagger(make_random(FEATURES), tmp_path / "tagger")
    expected = tagger(TEXTS)
    monkeypatch.setattr(tagger_module, "MAX_ROWS", 2)
    monkeypatch.setattr(tagger_module, "MAX_TOKENS", 30)
    assert_same(tagger(TEXTS), expected, 1e-6)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 8))
def test_the_lstm_reads_each_text_from_its_own_first_and_last_token(lengths, max_rows):
    lengths = np.array(sorted(lengths, reverse=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tagger_module, "MAX_ROWS", max_rows)
        inputs = tagger_module._arrange(lengths)
    starts = (lengths.cumsum() - lengths).tolist()
    texts = [list(range(s, s + n)) for s, n in zip(starts, lengths)]
    assert (inputs["keep"] == 0).sum() == len(lengths)
    n_rows = inputs["forward"].shape[1]
    for direction, order in (("forward", 1), ("backward", -1)):
        tokens, places = inputs[direction], inputs[f"{direction}_places"]
        assert tokens.ravel()[places].tolist() == list(range(lengths.sum()))
        for text in texts:
            step, row = divmod(int(places[text[::order][0]]), n_rows)
            assert inputs["keep"][step, row] == 0
            assert tokens[step : step + len(text), row].tolist() == text[::order]
            assert (inputs["keep"][step + 1 : step + len(text), row] == 1).all()


def test_forgotten_tokens_are_looked_up_again(tmp_path, monkeypatch):
    tagger = make_tagger(make_random(FEATURES, LETTERS), tmp_path / "tagger")
    expected = tagger(TEXTS)
    n_known = len(tagger._features._index)
    monkeypatch.setattr(features_module, "MAX_KNOWN", 3)
    assert_same(tagger(TEXTS[:3]) + tagger(TEXTS[3:]), expected, 1e-6)
    assert len(tagger._features._index) < n_known


def test_no_texts(tmp_path):
    tagger = make_tagger(make_random(FEATURES), tmp_path / "tagger")
    assert tagger([]) == []
    assert tagger(["", ""]) == [[], []]


def test_a_pipeline_with_other_tokens_takes_words_only(tmp_path):
    tagger = make_tagger(make_random(FEATURES, lang="en"), tmp_path / "tagger")
    with pytest.raises(ValueError, match="call tag_words"):
        tagger(["Wang lives in Beijing"])


def test_another_format_is_an_error(tmp_path):
    folder = tmp_path / "tagger"
    make_tagger(make_random(FEATURES), folder)
    settings = json.loads((folder / "settings.json").read_text(encoding="utf8"))
    (folder / "settings.json").write_text(json.dumps({**settings, "format": 99}), "utf8")
    with pytest.raises(ValueError, match="has the format 99, this tagger reads 1"):
        Tagger(folder)


def test_the_command_runs_without_torch_and_spacy(tmp_path):
    nlp, folder = make_random(FEATURES, VECTORS, LEXICON), tmp_path / "tagger"
    make_tagger(nlp, folder)
    texts = ["王明在北京大学工作", "", "京\t"]
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf8")
    forbidden = ["torch", "spacy", "thinc", "spacy_crf_ner", "srsly", "ahocorasick_rs", "onnx"]
    program = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({forbidden})); "
        "path = sys.argv[1]; sys.path[0] = path.rpartition('tagger.py')[0]; del sys.argv[0]; "
        "runpy.run_path(path, run_name='__main__')"
    )
    command = [sys.executable, "-c", program, folder / "tagger.py", tmp_path / "texts.txt"]
    result = subprocess.run(command, capture_output=True, encoding="utf8", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["text"] for row in rows] == texts
    found = [
        [(ent["start"], ent["end"], ent["label"], ent["confidence"]) for ent in row["entities"]]
        for row in rows
    ]
    assert any(found)
    assert_same(found, expect(nlp, texts))
    assert all(
        ent["text"] == row["text"][ent["start"] : ent["end"]]
        for row in rows
        for ent in row["entities"]
    )


def test_the_folder_can_be_imported(tmp_path, monkeypatch):
    nlp = make_random(FEATURES)
    make_tagger(nlp, tmp_path / "exported_package")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("exported_package.tagger")
    found = module.Tagger(tmp_path / "exported_package")(TEXTS)
    assert_same(found, expect(nlp, TEXTS))
