"""The five pipelines of the conformance tests, and what they are trained on."""

from collections.abc import Iterable

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from util import ents_of, make_examples, small

# Every character is one that the tiny encoder knows.
TRAIN = [
    ("王明在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("王大雨在上海", [(0, 3, "PER"), (4, 6, "LOC")]),
    ("北京有雨", [(0, 2, "LOC")]),
    ("工作是好的", []),
    ("大学在上海", [(3, 5, "LOC")]),
]
TEXTS = [text for text, _ in TRAIN]
GOLD = [ents for _, ents in TRAIN]

# spaCy's own `ner` is the yardstick: what it can do, `crf_ner` is to do as well.
CRF_KINDS = ("bilstm", "cnn", "tok2vec", "transformer")
KINDS = (*CRF_KINDS, "ner")

CNN = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 32,
    "depth": 2,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "tok2vec"}
TRANSFORMER_LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "pooling": {"@layers": "reduce_mean.v1"},
}


def crf_on(tok2vec: dict) -> dict:
    return {"model": {"@architectures": "spacy_crf_ner.CRFTagger.v2", "tok2vec": tok2vec}}


def first_is_quick(values: Iterable) -> list:
    """Parameters of which the first one is in the quick suite; the others take `make test-slow`,
    and so does whatever has the transformer."""
    return [
        pytest.param(value, marks=[pytest.mark.slow] if i or value == "transformer" else [])
        for i, value in enumerate(values)
    ]


def kinds(*names: str):
    """Let a test run with these kinds only."""
    return pytest.mark.parametrize("kind", first_is_quick(names), indirect=True)


def make_nlp(kind: str, encoder: str = "", lang: str = "zh", tokenizer=None) -> Language:
    """A pipeline of the kind, not yet initialized."""
    fix_random_seed(0)
    nlp = spacy.blank(lang, config={"nlp": {"tokenizer": tokenizer}} if tokenizer else {})
    if kind == "ner":
        model = {
            "@architectures": "spacy.TransitionBasedParser.v2",
            "state_type": "ner",
            "extra_state_tokens": False,
            "hidden_width": 32,
            "maxout_pieces": 2,
            "use_upper": True,
            "tok2vec": CNN,
        }
        nlp.add_pipe("ner", config={"model": model})
        return nlp
    tok2vec = small()["model"]["tok2vec"]
    if kind == "cnn":
        tok2vec = CNN
    elif kind == "tok2vec":
        nlp.add_pipe("tok2vec", config={"model": tok2vec})
        tok2vec = LISTENER
    elif kind == "transformer":
        from tiny_encoders import LONGEST

        model = {"@architectures": "spacy_crf_ner.TransformerModel.v1", "name": encoder}
        nlp.add_pipe("transformer", config={"model": {**model, "window": LONGEST, "stride": 8}})
        tok2vec = TRANSFORMER_LISTENER
    nlp.add_pipe("crf_ner", config=crf_on(tok2vec))
    return nlp


def learn_rate(nlp: Language) -> float:
    """At which a few steps are enough."""
    return 0.003 if nlp.has_pipe("transformer") else 0.01


def update(nlp: Language, examples: list[Example], optimizer, steps: int | None = None) -> dict:
    """Train, by default for as long as it takes; returns the losses of the last step."""
    if steps is None:
        steps = 50 if nlp.has_pipe("transformer") else 30
    losses: dict[str, float] = {}
    for _ in range(steps):
        losses = nlp.update(examples, sgd=optimizer)
    return losses


def fit(nlp: Language, train=TRAIN, steps: int | None = None) -> Language:
    examples = make_examples(nlp, train)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = learn_rate(nlp)
    update(nlp, examples, optimizer, steps)
    return nlp


def found(docs: Iterable[Doc]) -> list[list[tuple[int, int, str]]]:
    return [ents_of(doc) for doc in docs]


def is_trained(nlp: Language) -> bool:
    """Whether it finds what it was trained to find."""
    return found(nlp.pipe(TEXTS)) == GOLD
