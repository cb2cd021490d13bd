"""The tokenizer for Chinese characters gives spaCy's tokens."""

import pickle

import pytest
import spacy
from hypothesis import example, given
from hypothesis import strategies as st
from spacy.lang.zh import ChineseTokenizer, Segmenter
from spacy.tokens import Doc

from spacy_crf_ner.tokenizer import CharacterTokenizer
from spacy_crf_ner.training.language import language_tokenizer

ATTRS = ["ORTH", "SPACY", "SENT_START", "NORM"]
# White space of all kinds, what only looks like it, and characters of several code points.
ODD = [*" \n\t\u3000\xa0\x1c\u2028\u200b北", "\r\n", "e\u0301", "\U0001f469\u200d\U0001f467"]
TEXTS = st.lists(st.sampled_from(ODD) | st.text(max_size=3), max_size=12).map("".join)
VOCAB = spacy.blank("zh").vocab
KINDS = (CharacterTokenizer, ChineseTokenizer)


def make_nlp(lang="zh"):
    nlp = spacy.blank(lang)
    nlp.tokenizer = language_tokenizer()(nlp)
    return nlp


@given(TEXTS)
@example("")
@example("  王明 在\n 北京  ")
def test_the_tokens_are_spacys(text):
    ours, spacys = (kind(VOCAB)(text) for kind in KINDS)
    assert ours.text == text
    assert ours.to_array(ATTRS).tolist() == spacys.to_array(ATTRS).tolist()
    assert ours.has_unknown_spaces == spacys.has_unknown_spaces


def test_only_the_tokenizer_of_chinese_is_replaced():
    assert type(make_nlp().tokenizer) is CharacterTokenizer
    for lang in ("en", "xx"):
        assert type(make_nlp(lang).tokenizer) is type(spacy.blank(lang).tokenizer)


@pytest.mark.parametrize(("saves", "loads"), [KINDS, KINDS[::-1]])
def test_either_loads_what_the_other_saved(saves, loads, tmp_path):
    saved = saves(VOCAB, Segmenter.pkuseg)
    loaded = loads(VOCAB)
    loaded.from_bytes(saved.to_bytes())
    assert loaded.segmenter == "pkuseg"
    saves(VOCAB).to_disk(tmp_path / "tokenizer")
    loaded.from_disk(tmp_path / "tokenizer")
    assert loaded.segmenter == "char"
    assert [token.text for token in loaded("在 北京")] == ["在", "北", "京"]


def test_other_segmenters_are_spacys(monkeypatch):
    def of_spacy(self, text):
        return Doc(self.vocab, words=[self.segmenter, text])

    monkeypatch.setattr(ChineseTokenizer, "__call__", of_spacy)
    tokenizer = CharacterTokenizer(VOCAB, Segmenter.pkuseg)
    assert [token.text for token in tokenizer("北京")] == ["pkuseg", "北京"]


def test_several_processes_get_it():
    nlp = make_nlp()
    docs = list(nlp.pipe(["王明在 北京", "\n李雷"], n_process=2))
    assert [[token.text for token in doc] for doc in docs] == [list("王明在北京"), ["\n", *"李雷"]]
    assert type(pickle.loads(pickle.dumps(nlp)).tokenizer) is CharacterTokenizer


def test_surrogates_are_an_error_as_in_spacy():
    for kind in KINDS:
        with pytest.raises(UnicodeEncodeError):
            kind(VOCAB)("北\ud800")
