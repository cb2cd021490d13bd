"""A small pipeline with all layers, whose files the tests damage."""

import numpy as np
import spacy
from thinc.api import Config, fix_random_seed
from util import fit

from spacy_crf_ner.lexicon import set_lexicon

MODEL = """
[model]
@architectures = "spacy_crf_ner.CRFTagger.v2"

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy_crf_ner.Concatenate.v1"

[model.tok2vec.embed.*.features]
@architectures = "spacy_crf_ner.FeatureEmbed.v1"
features = ["NORM", "BIGRAM_LEFT", "TYPE", "SUFFIX_2"]
widths = [6, 6, 4, 4]
rows = [60, 60, 20, 20]

[model.tok2vec.embed.*.characters]
@architectures = "spacy_crf_ner.CharacterCNN.v1"
width = 6
char_width = 4
rows = 30

[model.tok2vec.embed.*.vectors]
@architectures = "spacy_crf_ner.VectorsEmbed.v1"
width = 6
rows = 12

[model.tok2vec.embed.*.lexicon]
@architectures = "spacy_crf_ner.LexiconEmbed.v1"
width = 4

[model.tok2vec.encode]
@architectures = "spacy_crf_ner.SelfAttentionEncoder.v1"
heads = 2
window = 4

[model.tok2vec.encode.encode]
@architectures = "spacy_crf_ner.BiLSTMEncoder.v1"
width = 12
"""


def make_pipeline(steps=12):
    """A trained pipeline with confidences."""
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    for i, char in enumerate("王明李雷去上海北京"):
        nlp.vocab.set_vector(char, np.eye(9, 6, dtype="f")[i])
    set_lexicon(nlp.vocab, [("北京", "place"), ("上海", "place"), ("王明", "name")])
    config = {**Config().from_str(MODEL), "spans_key": "sc"}
    nlp.add_pipe("crf_ner", config=config)
    return fit(nlp, steps)[0]
