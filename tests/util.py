"""What tests of the component share: a few sentences, and small pipelines trained on them."""

from functools import cache

import numpy as np
import spacy
from spacy.training import Example
from thinc.api import Config, fix_random_seed

TRAIN = [
    ("王明在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("李雷去上海", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("今天下雨", []),
    ("韩梅梅住在广州", [(0, 3, "PER"), (5, 7, "LOC")]),
    ("京是北京", [(0, 1, "LOC"), (2, 4, "LOC")]),
]
TEXTS = [text for text, _ in TRAIN]

# Small, so that the tests are quick.
MODEL = """
[model]
@architectures = "spacy_crf_ner.CRFTagger.v2"

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy_crf_ner.FeatureEmbed.v1"
features = ["NORM", "BIGRAM_LEFT"]
widths = [16, 16]
rows = [500, 500]

[model.tok2vec.encode]
@architectures = "spacy_crf_ner.BiLSTMEncoder.v1"
width = 32
"""
# The same, listening to a component `tok2vec`.
LISTENER = """
[model]
@architectures = "spacy_crf_ner.CRFTagger.v2"

[model.tok2vec]
@architectures = "spacy.Tok2VecListener.v1"
width = 32
upstream = "tok2vec"
"""


def small(config=MODEL):
    """The settings of a small model: {"model": ...}, one's own to change."""
    return Config().from_str(config)


def make_examples(nlp, train=TRAIN):
    """The sentences as examples, tokenized by the pipeline."""
    return [Example.from_dict(nlp.make_doc(t), {"entities": ents}) for t, ents in train]


def make_nlp(lang="zh", *, tok2vec=False, **config):
    """A pipeline with a small `crf_ner`, not yet initialized, and with settings of its own.

    tok2vec (bool): Whether it listens to a component `tok2vec`.
    """
    fix_random_seed(0)
    nlp = spacy.blank(lang)
    if tok2vec:
        nlp.add_pipe("tok2vec", config={"model": small()["model"]["tok2vec"]})
    nlp.add_pipe("crf_ner", config={**small(LISTENER if tok2vec else MODEL), **config})
    return nlp


def fit(nlp, steps=30, train=TRAIN):
    """Initialize and train a pipeline; returns it and the loss of each step."""
    examples = make_examples(nlp, train)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    losses = [nlp.update(examples, sgd=optimizer)["crf_ner"] for _ in range(steps)]
    return nlp, losses


@cache
def _trained(steps, tok2vec, tag_scheme):
    return fit(make_nlp(tok2vec=tok2vec, tag_scheme=tag_scheme), steps)[0].to_bytes()


def make_trained(steps=30, *, tok2vec=False, tag_scheme="BIOES", **config):
    """A trained pipeline, one's own to change: what `fit` makes of `make_nlp` with these settings,
    which must be none that training depends on. It is trained once for all tests."""
    nlp = make_nlp(tok2vec=tok2vec, tag_scheme=tag_scheme, **config)
    return nlp.from_bytes(_trained(steps, tok2vec, tag_scheme))


def ents_of(doc):
    """A document's entities as (first character, one past the last, label)."""
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def numeric_gradient(pipe, examples, scores, part, step=1e-2):
    """The gradient of a component's loss by one part of the scores, by central differences."""
    gradient = np.zeros_like(scores[part])
    for i in np.ndindex(gradient.shape):
        losses = []
        for sign in (1, -1):
            moved = [np.array(x, copy=True) for x in scores]
            moved[part][i] += sign * step
            losses.append(pipe.get_loss(examples, type(scores)(*moved))[0])
        gradient[i] = (losses[0] - losses[1]) / (2 * step)
    return gradient


def make_prediction(nlp, text, gold, found):
    """An example with gold entities and others that were predicted, as (start, end, label)."""
    eg = Example.from_dict(nlp.make_doc(text), {"entities": gold})
    spans = [eg.predicted.char_span(start, end, label) for start, end, label in found]
    eg.predicted.set_ents(spans)
    return eg
