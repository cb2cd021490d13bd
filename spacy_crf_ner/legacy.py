"""Names that version 0.1 registered, kept so that its configs and pipelines load."""

import warnings

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from .layers.feature_embed import FeatureEmbed
from .layers.tagger import CRFTagger
from .layers.types import Scores


def CharacterEmbed(
    features: list[str], widths: list[int], rows: list[int], feature_dropout: float = 0.0
) -> Model[list[Doc], list[Floats2d]]:
    """`FeatureEmbed` under its old name, which spaCy uses for a different layer.

    For the arguments see `layers.feature_embed.FeatureEmbed`.
    """
    warnings.warn(
        "spacy_crf_ner.CharacterEmbed.v1 is deprecated. Use spacy_crf_ner.FeatureEmbed.v1, which "
        "has the same settings.",
        DeprecationWarning,
        stacklevel=2,
    )
    return FeatureEmbed(features, widths, rows, feature_dropout)


def CRFTagger_v1(
    tok2vec: Model[list[Doc], list[Floats2d]],
    nO: int | None = None,
    tok2vec_learn_rate: float = 1.0,
    output_learn_rate: float = 1.0,
    crf_learn_rate: float = 1.0,
) -> Model[list[Doc], Scores]:
    """`CRFTagger` with the old names of its learning rate factors.

    For the arguments see `layers.tagger.CRFTagger`.
    """
    return CRFTagger(tok2vec, nO, tok2vec_learn_rate, output_learn_rate, crf_learn_rate)


def make_extras(
    cross_entropy: float = 0.0,
    label_smoothing: float = 0.0,
    focusing: float = 0.0,
    consistency: float = 0.0,
    perturbation: float = 0.0,
) -> float:
    """Settings of version 0.1 for additional loss terms. All but one were removed, since no config
    used them. They only affected training, not predictions.

    perturbation (float): Today's `adversarial_epsilon`.
    RETURNS (float): `perturbation`.
    """
    gone = {
        "cross_entropy": cross_entropy,
        "label_smoothing": label_smoothing,
        "focusing": focusing,
        "consistency": consistency,
    }
    ignored = [name for name, value in gone.items() if value]
    if ignored:
        warnings.warn(
            f"spacy_crf_ner.extras.v1: ignored {', '.join(ignored)}, which no longer exist. "
            "This changes training, not predictions.",
            DeprecationWarning,
            stacklevel=2,
        )
    return perturbation
