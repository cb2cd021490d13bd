"""Documents of one token each, where the probability of an entity is a logistic function."""

import numpy as np
import torch

from spacy_crf_ner.calibration.gold import Batch
from spacy_crf_ner.crf import Potentials
from spacy_crf_ner.pipeline.constraints import constrain
from spacy_crf_ner.tags import TagSet

TAG_SET = TagSet(("A",), "BIOES")


def make_batch(scores, is_gold):
    """A document for each score, whose token is an entity with the probability sigmoid(score)."""
    (single,) = TAG_SET.from_spans([(0, 1, "A")], 1)
    emissions = torch.zeros(len(scores), len(TAG_SET))
    emissions[:, single] = torch.tensor(scores, dtype=torch.float)
    zeros = torch.zeros(len(TAG_SET))
    lengths = torch.ones(len(scores), dtype=torch.long)
    p = Potentials(emissions, lengths, zeros, zeros[None] * zeros[:, None], zeros)
    gold = [{(0, 1, "A")} if each else set() for each in is_gold]
    tags = [single if each else 0 for each in is_gold]
    possible = [np.arange(len(TAG_SET))[None] == tag for tag in tags]
    return Batch(constrain(p, TAG_SET), gold, possible)
