"""The factory `crf_ner`, and what its settings mean."""

from collections.abc import Callable
from importlib.metadata import version

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import get_minor_version_range, split_requirement
from thinc.api import Config, Model

from ..layers.types import Scores
from ..tags import Scheme
from .component import CRFEntityRecognizer
from .decoding import Decoding

PACKAGE = "spacy-crf-ner"
DEFAULT_MODEL = Config().from_str(
    """
[model]
@architectures = "spacy_crf_ner.CRFTagger.v2"

[model.tok2vec]
@architectures = "spacy_crf_ner.Tok2Vec.v1"

[model.tok2vec.embed]
@architectures = "spacy_crf_ner.FeatureEmbed.v1"
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
    # doc.spans only if `spans_key` is set, the others only if `annotate_ents` is true.
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "tag_scheme": "BIOES",
        "overwrite_ents": False,
        "incorrect_spans_key": None,
        "decoding": "viterbi",
        "adversarial_epsilon": 0.0,
        "annotate_ents": True,
        "spans_key": None,
        "threshold": 0.0,
        "extension": "confidence",
        "scorer": {"@scorers": "spacy_crf_ner.ner_scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
        "ents_macro_p": None,
        "ents_macro_r": None,
        "ents_macro_f": None,
        "ents_weighted_p": None,
        "ents_weighted_r": None,
        "ents_weighted_f": None,
        "ents_overlap": None,
        "ents_token_acc": None,
        "ents_token_macro_f": None,
        "ents_token_weighted_f": None,
        "ents_token_per_type": None,
    },
)
def make_crf_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Scores],
    tag_scheme: Scheme,
    overwrite_ents: bool,
    incorrect_spans_key: str | None,
    decoding: Decoding,
    adversarial_epsilon: float,
    annotate_ents: bool,
    spans_key: str | None,
    threshold: float,
    extension: str,
    scorer: Callable | None,
    extras: float | None = None,
) -> CRFEntityRecognizer:
    """Make a `crf_ner`, an entity recognizer with a linear-chain CRF.

    model (Model[list[Doc], Scores]): The network, such as `spacy_crf_ner.CRFTagger.v2`.
    tag_scheme (Scheme): "BIOES" or "BIO": how entities are represented as tags internally.
    overwrite_ents (bool): Whether to replace the entities that a document already has. If not, they
        stay, and new entities do not overlap them.
    incorrect_spans_key (str | None): The key in `doc.spans` of gold documents for spans that are
        known not to be entities, as in spaCy's `ner`. None if there are no such spans.
    decoding (Decoding): "viterbi" for the entities of the most probable tag sequence, or "entities"
        for the set of entities with the highest expected F1: those more probable than `threshold`,
        without overlaps.
    adversarial_epsilon (float): How far adversarial training moves the embeddings in the direction
        in which the loss grows fastest, for a second forward and backward pass over each batch
        (Miyato et al. 2017, "Adversarial training methods for semi-supervised text
        classification"): the root mean square over the tokens of a document. It nearly doubles the
        training time. 0: no second pass.
    annotate_ents (bool): Whether to learn and to set `doc.ents`. If not, the component learns the
        spans of gold documents under `spans_key` that have its labels, and writes those that it
        finds there beside spans of other labels, whatever `doc.ents` has.
    spans_key (str | None): The key in `doc.spans` under which to write the entities, with their
        exact probabilities as scores. These are also in `ent._.confidence`. None: no spans.
    threshold (float): The probability below which an entity is left out of `doc.ents`, or of
        `doc.spans` without `annotate_ents`. For the decoding "entities", half of the expected F1 is
        best, and the minimum is 0.01.
    extension (str): The name of the extension attribute for the confidence of spans. Change it if
        "confidence" is already used for something else.
    scorer (Callable | None): The scoring method.
    extras (float | None): The setting of version 0.1 that `adversarial_epsilon` replaced. Pipelines
        that it saved still have it.
    """
    _require_this_package(nlp)
    return CRFEntityRecognizer(
        nlp.vocab,
        model,
        name,
        tag_scheme=tag_scheme,
        overwrite_ents=overwrite_ents,
        incorrect_spans_key=incorrect_spans_key,
        decoding=decoding,
        adversarial_epsilon=adversarial_epsilon if extras is None else extras,
        annotate_ents=annotate_ents,
        spans_key=spans_key,
        threshold=threshold,
        extension=extension,
        scorer=scorer,
    )


def _require_this_package(nlp: Language) -> None:
    """Note in the pipeline's metadata that packages of it require this package. `spacy package`
    finds out by itself only for packages that setuptools built."""
    listed = nlp.meta.get("requirements") or []
    if not any(split_requirement(each)[0] == PACKAGE for each in listed):
        required = f"{PACKAGE}{get_minor_version_range(version(PACKAGE))}"
        nlp.meta["requirements"] = [*listed, required]
