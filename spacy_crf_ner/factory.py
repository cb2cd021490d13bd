"""The factory `crf_ner`: its default settings, and what they mean."""

from typing import Callable, List, Optional

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model

from .component import CRFEntityRecognizer, Decoding
from .layers.tagger import Scores
from .tags import Scheme
from .training.losses import Extras

DEFAULT_MODEL = Config().from_str(
    """
[model]
@architectures = "spacy_crf_ner.CRFTagger.v1"

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy_crf_ner.CharacterEmbed.v1"
features = ["NORM", "BIGRAM_LEFT", "BIGRAM_RIGHT", "PREFIX", "PREFIX_3", "SUFFIX_2", "SUFFIX",
    "SHAPE", "TYPE"]
widths = [96, 64, 64, 32, 32, 32, 32, 16, 16]
rows = [10000, 20000, 20000, 2000, 5000, 2000, 5000, 2000, 500]
feature_dropout = 0.1

[model.tok2vec.encode]
@architectures = "spacy_crf_ner.BiLSTMEncoder.v1"
width = 384
depth = 1
dropout = 0.0
"""
)["model"]


@Language.factory(
    "crf_ner",
    # And doc.spans, if `spans_key` is set.
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "tag_scheme": "BIOES",
        "overwrite_ents": False,
        "incorrect_spans_key": None,
        "decoding": "viterbi",
        "extras": {"@losses": "spacy_crf_ner.extras.v1"},
        "spans_key": None,
        "threshold": 0.0,
        "extension": "confidence",
        "scorer": {"@scorers": "spacy_crf_ner.ner_scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_macro_f": None,
        "ents_per_type": None,
    },
)
def make_crf_ner(
    nlp: Language,
    name: str,
    model: Model[List[Doc], Scores],
    tag_scheme: Scheme,
    overwrite_ents: bool,
    incorrect_spans_key: Optional[str],
    decoding: Decoding,
    extras: Extras,
    spans_key: Optional[str],
    threshold: float,
    extension: str,
    scorer: Optional[Callable],
) -> CRFEntityRecognizer:
    """Make a `crf_ner`, an entity recognizer with a linear-chain CRF.

    model (Model[List[Doc], Scores]): The network, such as `spacy_crf_ner.CRFTagger.v1`.
    tag_scheme (Scheme): "BIOES" or "BIO": how entities are written as tags inside.
    overwrite_ents (bool): Whether to replace the entities that a document already has. If not, they
        stay, and the others are found around them.
    incorrect_spans_key (Optional[str]): Where in `doc.spans` of gold documents there are spans that
        are known to be no entities, as for spaCy's `ner`. None: nowhere.
    decoding (Decoding): "viterbi" for the most probable tagging, "minimum_risk" for the one with
        the most right tags to be expected, or "entities" for the spans with the highest F1 to be
        expected, by their probabilities: those worth more than `threshold`, without overlaps.
    extras (Extras): What training adds to the negative log-likelihood, such as
        `spacy_crf_ner.extras.v1` says.
    spans_key (Optional[str]): Where in `doc.spans` to write the entities found with the exact
        probability of each as its score, which is `ent._.confidence` as well. None: nowhere.
    threshold (float): The probability below which an entity is left out of `doc.ents`. For the
        decoding "entities" half of the F1 to be expected is best, and at least 0.01 is taken.
    extension (str): The name of the extension attribute of spans that has their confidence, if
        something else has "confidence" already.
    scorer (Optional[Callable]): The scoring method.
    """
    return CRFEntityRecognizer(
        nlp.vocab,
        model,
        name,
        tag_scheme=tag_scheme,
        overwrite_ents=overwrite_ents,
        incorrect_spans_key=incorrect_spans_key,
        decoding=decoding,
        extras=extras,
        spans_key=spans_key,
        threshold=threshold,
        extension=extension,
        scorer=scorer,
    )
