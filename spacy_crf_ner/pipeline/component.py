"""The component `crf_ner`, which sets `doc.ents` or `doc.spans`."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, cast

import srsly
from spacy import util
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import logger
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from torch import Tensor

from ..crf import Potentials, cross_entropy, expectations
from ..layers.device import use_device
from ..layers.tagger import count_trained_tags
from ..layers.types import Scores
from ..tags import Scheme, TagSet, make_tag_set
from . import confidence
from .annotations import (
    at_least,
    to_spans,
    without_kept,
    write_confidences,
    write_ents,
    write_spans,
)
from .constraints import allowed_tags, constrain
from .decoding import Decoding, Entity, alternatives, find_entities, probable_spans
from .denormals import flush_denormals
from .finite import discard_gradients, explain_gradients, explain_loss
from .gold import gold_examples, incorrect_spans, survey_gold
from .loading import check_tags, read_cfg, read_file, read_message
from .loss import batch_loss
from .potentials import differentiate, to_potentials
from .serialize import LoadedLayer, check_storable, read_safetensors, to_safetensors
from .soft_targets import extend_earlier
from .update import backpropagate, finish_update


class CRFEntityRecognizer(TrainablePipe):
    """Find entities with a linear-chain CRF over the tags of a document's tokens.

    Lample et al. (2016), "Neural architectures for named entity recognition".
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Scores],
        name: str = "crf_ner",
        *,
        tag_scheme: Scheme = "BIOES",
        overwrite_ents: bool = False,
        incorrect_spans_key: str | None = None,
        decoding: Decoding = "viterbi",
        adversarial_epsilon: float = 0.0,
        annotate_ents: bool = True,
        spans_key: str | None = None,
        threshold: float = 0.0,
        extension: str = confidence.NAME,
        scorer: Callable | None = None,
    ) -> None:
        """Initialize the component. `factory.make_crf_ner` describes the arguments.

        RAISES: ValueError for an unknown tag scheme, a threshold outside [0, 1], a negative
            adversarial_epsilon, neither annotate_ents nor a spans_key, an extension attribute that
            is already used for something else, or a model that is not a `CRFTagger`.
        """
        if adversarial_epsilon < 0:
            raise ValueError(
                f"[{name}] adversarial_epsilon must not be negative, got {adversarial_epsilon}."
            )
        if not 0 <= threshold <= 1:
            raise ValueError(f"[{name}] threshold is a probability from 0 to 1, got {threshold}.")
        if not annotate_ents and spans_key is None:
            raise ValueError(
                f"[{name}] annotate_ents = false needs a spans_key, the key in doc.spans of the "
                'entities to learn and to find, such as spans_key = "sc".'
            )
        if not all(model.has_ref(ref) for ref in ("tok2vec", "output_layer", "crf")):
            raise ValueError(
                f"[{name}] the model is '{model.name}', which is no CRF tagger. Use the "
                "architecture spacy_crf_ner.CRFTagger.v2."
            )
        confidence.add_extension(extension)
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.overwrite_ents = overwrite_ents
        self.incorrect_spans_key = incorrect_spans_key
        self.decoding = decoding
        self.adversarial_epsilon = adversarial_epsilon
        self.annotate_ents = annotate_ents
        self.spans_key = spans_key
        self.threshold = threshold
        self.extension = extension
        # `nlp.resume_training` sets this if the attribute exists.
        self._rehearsal_model: Model[list[Doc], Scores] | None = None
        # How many steps of training are complete: the number of the next one in spaCy's table.
        self._steps = 0
        # Settings that are saved with the weights.
        self.cfg: dict[str, Any] = {"labels": [], "tag_scheme": tag_scheme, "temperature": 1.0}
        self.tag_set  # noqa: B018 (an unknown scheme fails here, not at the first document)

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity labels, in the order of their tags."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """The labels in the form that `spacy init labels` writes and `initialize` reads."""
        return list(self.cfg["labels"])

    @property
    def tag_set(self) -> TagSet:
        """The tags of the labels under the component's scheme."""
        return make_tag_set(self.labels, self.cfg["tag_scheme"])

    @property
    def temperature(self) -> float:
        """The number that scores are divided by before they become probabilities (Guo et al. 2017).

        Values above 1 lower the confidences. `spacy crf calibrate` fits the temperature. It is
        saved with the weights.
        """
        return self.cfg["temperature"]

    @temperature.setter
    def temperature(self, value: float) -> None:
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"[{self.name}] temperature must be a number above 0, got {value}.")
        self.cfg["temperature"] = value

    def add_label(self, label: str) -> int:
        """Add a label. A trained model keeps its weights for the other labels.

        label (str): The label.
        RETURNS (int): 0 if the component already has the label, otherwise 1.
        RAISES: ValueError if the label is empty or not a string (E187).
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.labels:
            return 0
        tag_set = make_tag_set((*self.labels, label), self.cfg["tag_scheme"])
        if self._is_initialized:
            self.model.attrs["resize_output"](self.model, len(tag_set))
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1

    def predict(self, docs: Iterable[Doc]) -> list[list[Entity]]:
        """Find the entities of documents, without modifying them.

        docs (Iterable[Doc]): The documents.
        RETURNS (list[list[Entity]]): The entities of each document, in order. They have a
            confidence if the settings ask for it, except those that the document already had.
        RAISES: ValueError if the component is not initialized (E109).
        """
        self._require_initialized()
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [[] for _ in docs]
        potentials = self.potentials(docs)
        keep_ents = self.annotate_ents and not self.overwrite_ents
        allowed = allowed_tags(docs, self.tag_set, keep_ents=keep_ents)
        found = find_entities(
            constrain(potentials, self.tag_set, allowed),
            self.tag_set,
            self.decoding,
            self.threshold,
            with_confidence=self.spans_key is not None or self.threshold > 0,
        )
        if not keep_ents:
            return found
        return [without_kept(doc, ents) for doc, ents in zip(docs, found)]

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Find the entities of a stream of documents.

        If a batch fails and the error handler does not raise an error, its documents are tried one
        by one, so that only the bad ones are lost.

        stream (Iterable[Doc]): The documents.
        batch_size (int): The number of documents to process at once.
        YIELDS (Doc): The documents in order, without those passed to the error handler.
        """
        for docs in util.minibatch(stream, size=batch_size):
            yield from self._pipe_batch(docs)

    def _pipe_batch(self, docs: list[Doc]) -> Iterator[Doc]:
        handler = self.get_error_handler()
        entities: list[list[Entity]] | None = None
        try:
            entities = self.predict(docs)
        except Exception as error:
            if handler is util.raise_error or len(docs) == 1:
                handler(self.name, self, docs, error)
                return
        if entities is None:
            # Outside the except block, since the error keeps the failed batch's memory in use.
            for doc in docs:
                yield from self._pipe_batch([doc])
            return
        for doc, found in zip(docs, entities):
            try:
                self.set_annotations([doc], [found])
            except Exception as error:
                handler(self.name, self, [doc], error)
            else:
                yield doc

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[list[Entity]]) -> None:
        """Set `doc.ents` or `doc.spans` of documents, or both, as the settings say; and the
        confidences of the entities that have one.

        docs (Iterable[Doc]): The documents to modify.
        scores (Sequence[list[Entity]]): Their entities, as `predict` returns them.
        """
        for doc, found in zip(docs, scores):
            probable = set(at_least(found, self.threshold))
            if not self.annotate_ents:
                found = [ent for ent in found if ent in probable]
            spans = list(zip(to_spans(doc, found), (ent.confidence for ent in found)))
            if self.annotate_ents:
                ents = [span for (span, _), ent in zip(spans, found) if ent in probable]
                write_ents(doc, ents, overwrite=self.overwrite_ents)
            if self.spans_key is not None:
                replaced = None if self.annotate_ents else self.labels
                write_spans(doc, self.spans_key, spans, replaced)
            write_confidences(spans, self.extension)

    def potentials(self, docs: Sequence[Doc]) -> Potentials:
        """The scores of all tag sequences of documents, without constraints.

        docs (Sequence[Doc]): The documents. At least one must have a token.
        RETURNS (Potentials): The scores, divided by the temperature.
        """
        self._use_device()
        potentials = to_potentials(self.model.predict(cast(list[Doc], docs)), docs)
        temperature = self.temperature
        # The temperature changes the confidences, but not the best tag sequence.
        return potentials if temperature == 1 else potentials.map(lambda x: x / temperature)

    def alternatives(self, doc: Doc, k: int) -> list[tuple[float, list[Entity]]]:
        """The k most probable sets of entities of a document.

        doc (Doc): The document; it is not modified.
        k (int): The number of sets, at least 1.
        RETURNS (list[tuple[float, list[Entity]]]): At most k sets, the most probable first, each
            with its probability among all possible sets.
        RAISES: ValueError for a k below 1, or if the component is not initialized (E109).
        """
        if k < 1:
            raise ValueError(f"[{self.name}] alternatives: k must be at least 1, got {k}.")
        self._require_initialized()
        if not len(doc):
            return [(1.0, [])]
        return alternatives(constrain(self.potentials([doc]), self.tag_set), self.tag_set, k)

    def probable_spans(self, docs: Iterable[Doc], threshold: float) -> list[list[Entity]]:
        """All spans whose probability as an entity is at least `threshold`, in `doc.ents` or not.

        docs (Iterable[Doc]): The documents; they are not modified.
        threshold (float): The minimum probability, greater than 0.
        RETURNS (list[list[Entity]]): The spans of each document by position. They may overlap.
        RAISES: ValueError if the component is not initialized (E109).
        """
        self._require_initialized()
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [[] for _ in docs]
        potentials = constrain(self.potentials(docs), self.tag_set)
        return probable_spans(potentials, self.tag_set, threshold)

    @property
    def gold_key(self) -> str | None:
        """The key in `doc.spans` of gold documents for the entities to learn; None: `doc.ents`."""
        return None if self.annotate_ents else self.spans_key

    def gold_examples(self, examples: Iterable[Example]) -> list[Example]:
        """The examples with the entities to learn as `reference.ents`, wherever they come from.

        examples (Iterable[Example]): The examples.
        RETURNS (list[Example]): The examples themselves, or with copies of their references.
        """
        return list(gold_examples(examples, self.gold_key, self.labels))

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score predictions, in `doc.spans` if the component does not set `doc.ents`.

        examples (Iterable[Example]): The predictions and their reference.
        RETURNS (dict[str, Any]): What the scorer returns.
        """
        return super().score(examples, **{"spans_key": self.gold_key, **kwargs})

    def get_loss(self, examples: Iterable[Example], scores: Scores) -> tuple[float, Scores]:
        """The loss of a batch, averaged over documents, and its gradient.

        The loss is the negative log-likelihood of the gold tags, with missing tags marginalized
        (`loss.negative_log_likelihood`). Where there are soft targets, their loss is mixed in
        (`soft_targets.mix_soft_targets`).

        examples (Iterable[Example]): The batch.
        scores (Scores): The model's output for the batch.
        RETURNS (tuple[float, Scores]): The loss in nats, and its gradient with respect to each part
            of the scores.
        RAISES: ValueError if the component does not have a gold label, if the tags of a teacher
            differ from its own, or if the loss is not finite, with the likely cause.
        """
        validate_examples(examples, "CRFEntityRecognizer.get_loss")
        examples = list(examples)
        docs = [eg.predicted for eg in examples]
        raw = to_potentials(scores, docs, requires_grad=True)
        key = self.incorrect_spans_key
        incorrect = [] if key is None else incorrect_spans(examples, key, self.tag_set)
        loss = batch_loss(raw, self.gold_examples(examples), self.tag_set, incorrect)
        return self._differentiate(loss, raw, scores, docs)

    @flush_denormals()
    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch.

        examples (Iterable[Example]): The batch.
        drop (float): The dropout rate.
        sgd (Optimizer | None): The optimizer. Without one, gradients accumulate.
        losses (dict[str, float] | None): Losses by component name. The batch's loss is added.
        RETURNS (dict[str, float]): The updated losses.
        RAISES: ValueError if the component is not initialized (E109), or if the loss or a gradient
            is not finite, with the likely cause. Then the weights are those before the step.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        self._require_initialized()
        validate_examples(examples, "CRFEntityRecognizer.update")
        examples = list(examples)
        docs = [eg.predicted for eg in examples]
        if not any(len(doc) for doc in docs):
            return losses
        self._use_device()
        set_dropout_rate(self.model, drop)
        get_loss = partial(self.get_loss, examples)
        losses[self.name] += backpropagate(self.model, docs, get_loss, self.adversarial_epsilon)
        self._check_gradients()
        if sgd is not None:
            self.finish_update(sgd)
        return losses

    @flush_denormals()
    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Train on a batch, annotated or not, to match the model as it was when
        `nlp.resume_training` was called.

        The loss is the exact cross-entropy between both distributions over tag sequences (see
        `crf.cross_entropy`). The earlier model knows entities of labels added since then from the
        gold annotation only: they count as outside of the entities that it knows, and where there
        are none, the new labels have probability 0. It makes no difference whether a label was
        added before or after `nlp.resume_training`.

        examples (Iterable[Example]): The batch.
        drop (float): The dropout rate.
        sgd (Optimizer | None): The optimizer. Without one, gradients accumulate.
        losses (dict[str, float] | None): Losses by component name. The batch's loss is added.
        RETURNS (dict[str, float]): The updated losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        validate_examples(examples, "CRFEntityRecognizer.rehearse")
        examples = list(examples)
        docs = [eg.predicted for eg in examples]
        if self._rehearsal_model is None or not any(len(doc) for doc in docs):
            return losses
        self._use_device()
        before = to_potentials(self._rehearsal_model.predict(docs), docs)
        known = self._tags_of(count_trained_tags(self._rehearsal_model))
        gold = self.gold_examples(examples)
        expected = expectations(extend_earlier(before, known, self.tag_set, gold))
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update(docs)
        raw = to_potentials(scores, docs, requires_grad=True)
        loss = cross_entropy(constrain(raw, self.tag_set), expected).mean()
        value, gradient = self._differentiate(loss, raw, scores, docs)
        backprop(gradient)
        self._check_gradients()
        losses[self.name] += value
        if sgd is not None:
            self.finish_update(sgd)
        return losses

    @flush_denormals()
    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights. Each part of the network has its own learning rate.

        sgd (Optimizer): The optimizer.
        """
        finish_update(self.model, sgd)
        # `nlp.rehearse` passes a function that collects gradients.
        self._steps += isinstance(sgd, Optimizer)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Initialize the component for training.

        get_examples (Callable[[], Iterable[Example]]): Returns a sample of gold examples.
        nlp (Language): The pipeline.
        labels (Sequence[str] | None): The labels. If None, the labels of the examples.
        RAISES: ValueError if there are no labels (E143) or no examples, if a .spacy file is
            damaged, or if the model cannot be stored as safetensors.
        """
        check_storable(self.model)
        try:
            validate_get_examples(get_examples, "CRFEntityRecognizer.initialize")
            survey = survey_gold(get_examples(), self.gold_key, labels)
        except ValueError as error:
            if "E1014" not in str(error):
                raise
            path = nlp.config["paths"].get("train") if nlp is not None else None
            raise ValueError(
                f"[{self.name}] {path or 'The train corpus'} cannot be read: the .spacy file is "
                "damaged or incomplete. Convert the corpus again."
            ) from error
        for warning in survey.warnings:
            logger.warning("[%s] %s", self.name, warning)
        for label in survey.labels if labels is None else labels:
            self.add_label(label)
        self._require_labels()
        docs = [eg.predicted for eg in islice(get_examples(), 10)]
        if not docs:
            # spaCy's reader leaves out documents without tokens.
            raise ValueError(
                f"[{self.name}] There is no document to initialize the model with. Check that the "
                "train corpus is not empty."
            )
        self._steps = 0
        n_tags = len(self.tag_set)
        self.model.get_ref("output_layer").set_dim("nO", n_tags)
        self.model.get_ref("crf").set_dim("nO", n_tags)
        self.model.initialize(X=docs)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the component, with the weights as safetensors.

        exclude (Iterable[str]): Names of fields to leave out: "cfg", "vocab", "model".
        RETURNS (bytes): The payload.
        """
        serialize = {
            "cfg": lambda: srsly.json_dumps(self.cfg),
            "vocab": lambda: self.vocab.to_bytes(exclude=exclude),
            "model": lambda: to_safetensors(self.model),
        }
        return util.to_bytes(serialize, exclude)

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "CRFEntityRecognizer":
        """Load the component from the output of `to_bytes`.

        bytes_data (bytes): The output.
        exclude (Iterable[str]): Names of fields to leave out.
        RETURNS (CRFEntityRecognizer): The component itself.
        RAISES: ValueError for a damaged payload. Then the component stays as it was.
        """
        readers: dict[str, Callable[[Any], Any]] = {
            "cfg": read_cfg,
            "model": lambda b: read_safetensors(self.model, b),
            "vocab": lambda b: self.vocab.from_bytes(b, exclude=exclude),
        }
        readers = {name: read for name, read in readers.items() if name not in exclude}
        message = read_message(bytes_data, readers.keys() - {"vocab"})
        found = {name: read(message[name]) for name, read in readers.items() if name in message}
        self._take(found.get("cfg"), found.get("model"))
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the component to a folder: `cfg` and `model.safetensors`.

        path (str | Path): The folder.
        exclude (Iterable[str]): Names of fields to leave out.
        """
        serialize = {
            "cfg": lambda p: srsly.write_json(p, self.cfg),
            "vocab": lambda p: self.vocab.to_disk(p, exclude=exclude),
            "model.safetensors": lambda p: p.write_bytes(to_safetensors(self.model)),
        }
        util.to_disk(path, serialize, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "CRFEntityRecognizer":
        """Load the component from a folder that `to_disk` wrote.

        path (str | Path): The folder.
        exclude (Iterable[str]): Names of fields to leave out.
        RETURNS (CRFEntityRecognizer): The component itself.
        RAISES: ValueError naming a file that is missing or damaged. Then the component stays as it
            was.
        """
        readers: dict[str, Callable[[Path], Any]] = {
            "cfg": lambda p: read_cfg(p.read_bytes()),
            "model.safetensors": lambda p: read_safetensors(self.model, p.read_bytes()),
            "vocab": lambda p: self.vocab.from_disk(p, exclude=exclude),
        }
        folder = Path(path)
        found = {
            name: read_file(folder / name, read)
            for name, read in readers.items()
            if name.split(".")[0] not in exclude
        }
        self._take(found.get("cfg"), found.get("model.safetensors"))
        return self

    def _take(self, cfg: dict[str, Any] | None, weights: list[LoadedLayer] | None) -> None:
        """Take over what was read, all or nothing."""
        cfg = {**self.cfg, **(cfg or {})}
        check_tags(cfg, self.model, weights)
        if cfg["tag_scheme"] != self.cfg["tag_scheme"]:
            logger.warning(
                "[%s] The model was trained with tag_scheme %s. The setting %s is ignored.",
                self.name,
                cfg["tag_scheme"],
                self.cfg["tag_scheme"],
            )
        for layer in weights or ():
            layer.fill()
        self.cfg.update(cfg)

    @property
    def _is_initialized(self) -> bool:
        return bool(self.model.get_ref("crf").has_param("transitions"))

    def _require_initialized(self) -> None:
        if not self._is_initialized:
            raise ValueError(Errors.E109.format(name=self.name))

    def _tags_of(self, n_tags: int) -> TagSet:
        """The tags of the first labels, which are `n_tags` in number."""
        sets = (
            make_tag_set(self.labels[:n], self.cfg["tag_scheme"]) for n in range(len(self.labels))
        )
        return next((tags for tags in sets if len(tags) == n_tags), self.tag_set)

    def _differentiate(
        self, loss: Tensor, potentials: Potentials, scores: Scores, docs: list[Doc]
    ) -> tuple[float, Scores]:
        value, gradient = differentiate(loss, potentials, scores)
        if not math.isfinite(value):
            self._stop_step(explain_loss(self.model, docs))
        return value, gradient

    def _check_gradients(self) -> None:
        problem = explain_gradients(self.model)
        if problem is not None:
            self._stop_step(problem)

    def _stop_step(self, problem: str) -> NoReturn:
        discard_gradients(self.model)
        raise ValueError(
            f"[{self.name}] Step {self._steps}: {problem} The weights are those before this step."
        )

    def _use_device(self) -> None:
        use_device(self.model.ops, self.model.get_ref("crf").get_param("transitions"))


def crf_pipes(nlp: Language) -> dict[str, CRFEntityRecognizer]:
    """The `crf_ner` components of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (dict[str, CRFEntityRecognizer]): The enabled ones by name, in pipeline order.
    """
    return {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, CRFEntityRecognizer)}
