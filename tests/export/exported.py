"""What the tests of `crf export` share: untrained pipelines with random weights, and taggers."""

import numpy as np
import spacy
import torch
from spacy import registry
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config, fix_random_seed
from util import TRAIN

from spacy_crf_ner.export.folder import export_pipeline
from spacy_crf_ner.export.tagger import Tagger
from spacy_crf_ner.layers.pretrained_bigru import BiGRUWeights
from spacy_crf_ner.layers.soft_lexicon import WordVectors
from spacy_crf_ner.lexicon import set_lexicon

FEATURES = """
[embed.features]
@architectures = "spacy_crf_ner.FeatureEmbed.v1"
features = ["NORM", "BIGRAM_LEFT", "BIGRAM_RIGHT", "PREFIX", "SUFFIX_2", "SHAPE", "TYPE"]
widths = [12, 6, 8, 4, 4, 4, 4]
rows = [50, 60, 70, 20, 20, 20, 20]
"""
VECTORS = """
[embed.vectors]
@architectures = "spacy_crf_ner.VectorsEmbed.v1"
width = 10
rows = 8
"""
LEXICON = """
[embed.lexicon]
@architectures = "spacy_crf_ner.LexiconEmbed.v1"
width = 6
"""
LETTERS = """
[embed.letters]
@architectures = "spacy_crf_ner.CharacterCNN.v1"
width = 12
char_width = 5
kernel_sizes = [3, 5]
rows = 40
"""
BIGRU = """
[embed.bigru]
@architectures = "spacy_crf_ner.PretrainedBiGRU.v1"
[embed.bigru.weights]
@misc = "tests.bigru_weights.v1"
"""
SOFT = """
[embed.words]
@architectures = "spacy_crf_ner.SoftLexicon.v1"
width = 6
[embed.words.vectors]
@misc = "tests.word_vectors.v1"
"""
ENCODER = {"@architectures": "spacy_crf_ner.BiLSTMEncoder.v1", "width": 16}
WORDS = [
    ("北京", "ns"),
    ("北京大学", "nt"),
    ("京", "ns"),
    ("王明", "nr"),
    ("大学", "ns"),
    ("大学", "nt"),
]
TEXTS = [
    "王明在北京大学工作",
    "",
    " ",
    "今天 下雨，王明  去\n北京。",
    "\t王明 ",
    "京",
    "ＡＢＣ１２三，x X NOUN 😀𠀀龘",
    "李雷去上海" * 40,
    "北京北京大学大学",
]


@registry.misc("tests.bigru_weights.v1")
def make_bigru_weights():
    return lambda: BiGRUWeights(
        {"王": 1, "京": 2, "北": 3, " ": 4, "N": 1, "😀": 2, "NOUN": 3},
        np.random.default_rng(0).standard_normal((5, 6)).astype("f4"),
        [_random_gru(6), _random_gru(8)],
        {"name": "random"},
    )


@registry.misc("tests.word_vectors.v1")
def make_word_vectors(empty: bool = False):
    words = (
        []
        if empty
        else ["北京", "北京大学", "京大", "大学", "王明", "上海", "去上海", "NOUN", "三，x"]
    )
    table = np.random.default_rng(1).standard_normal((len(words), 4))
    return lambda: WordVectors.of(words, table)


def _random_gru(width):
    torch.manual_seed(width)
    module = torch.nn.GRU(width, 4, bidirectional=True)
    return {name: x.detach().numpy() for name, x in module.named_parameters()}


def make_random(*embeddings, lang="zh", encoder=ENCODER, vectors=True, **config):
    """A pipeline whose weights are all random, so that it finds many entities."""
    fix_random_seed(0)
    nlp = spacy.blank(lang)
    if vectors:
        rng = np.random.default_rng(0)
        for word in ("王", "京", "大", ",", "北", "abc"):
            nlp.vocab.set_vector(word, rng.standard_normal(10).astype("f4"))
    set_lexicon(nlp.vocab, WORDS)
    layers = Config().from_str("[embed]" + "".join(embeddings))["embed"]
    tok2vec = {
        "@architectures": "spacy_crf_ner.Tok2Vec.v1",
        "embed": {"@architectures": "spacy_crf_ner.Concatenate.v1", "*": layers},
        "encode": encoder,
    }
    model = {"@architectures": "spacy_crf_ner.CRFTagger.v2", "tok2vec": tok2vec}
    nlp.add_pipe("crf_ner", config={"spans_key": "found", "model": model, **config})
    docs = [Doc(nlp.vocab, words=list(t), spaces=[False] * len(t)) for t, _ in TRAIN]
    gold = [{"entities": ents} for _, ents in TRAIN]
    examples = list(map(Example.from_dict, docs, gold))
    nlp.initialize(lambda: examples)
    randomize(nlp.get_pipe("crf_ner").model)
    return nlp


def randomize(model):
    rng = np.random.default_rng(1)
    for node in model.walk():
        for name in node.param_names:
            weights = node.get_param(name)
            scale = 2.0 if node.name in ("linear", "crf") else 0.5
            node.set_param(name, rng.normal(0, scale, weights.shape).astype("f4"))


def make_tagger(nlp, folder):
    """Export a pipeline and load the tagger."""
    export_pipeline(nlp, folder)
    return Tagger(folder, threads=1)


def entities_of(doc, *, in_words=False):
    """A document's entities in doc.spans, as a tagger has them."""
    return [
        (
            *((ent.start, ent.end) if in_words else (ent.start_char, ent.end_char)),
            ent.label_,
            ent._.confidence,
        )
        for ent in doc.spans["found"]
    ]


def assert_same(found, expected, tolerance=1e-5):
    """Check that entities are the same, and their confidences nearly so."""
    assert [[ent[:3] for ent in ents] for ents in found] == [
        [ent[:3] for ent in ents] for ents in expected
    ]
    for ents, others in zip(found, expected):
        for ent, other in zip(ents, others):
            assert abs(ent[3] - other[3]) < tolerance
