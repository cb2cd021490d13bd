"""Continual learning: a trained pipeline learns from new data, with labels that it does not know,
and keeps what it knows."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Corpus, Example
from spacy.util import minibatch, registry

from ..formats.write import write_docbins
from ..pipeline.gold import Survey, survey_gold
from ..pipeline.partial import annotated_labels, keep_annotated_labels
from ..pipeline.recognizer import recognizer_of, run_before_recognizer
from ..tags import make_tag_set
from .student import READER, Progress, write_distilled
from .teacher import annotate_unknown, is_labelled

# The share of the steps in which the learning rate rises.
WARMUP = 0.1
# The learning rate of spaCy's Adam, for configs that do not name one.
LEARN_RATE = 0.001
# A reader without an augmenter.
PLAIN = {
    "@readers": "spacy.Corpus.v1",
    "gold_preproc": False,
    "max_length": 0,
    "limit": 0,
    "augmenter": None,
}


class Update(NamedTuple):
    """A pipeline that is ready to be trained further by `spacy.training.loop.train`.

    nlp (Language): The pipeline. The corpora in its config are those of the update.
    known (list[str]): The labels that it had.
    new (list[str]): The labels that were added.
    annotated (list[str]): The labels that the new data is annotated for, new or known.
    survey (Survey): The entities of the new training examples.
    train (int): The number of new training examples, with those of the augmenter.
    rehearsed (int): The number of examples with the annotation of the known labels.
    dev (int): The number of dev examples.
    predicted (int): The number of entities in them that the pipeline predicted.
    unlabelled (int): The number of documents left out because they are not annotated.
    """

    nlp: Language
    known: list[str]
    new: list[str]
    annotated: list[str]
    survey: Survey
    train: int
    rehearsed: int
    dev: int
    predicted: int
    unlabelled: int


def prepare_update(
    nlp: Language,
    train: Iterable[Doc],
    dev: Iterable[Doc],
    *,
    source: Path,
    output: Path,
    labels: Sequence[str] = (),
    rehearse: Iterable[Doc] = (),
    weight: float,
    progress: Progress,
) -> Update:
    """Prepare a trained pipeline for learning from new data, and write the corpora for that.

    In the new data, a token outside of all entities is only known to be in none of the annotated
    labels. What it is of the other labels, the pipeline as it was says: its expectations, given
    the new annotation, become soft targets. The dev set gets its predictions of these labels.

    nlp (Language): The pipeline. It gets the new labels, and settings for a short training.
    train (Iterable[Doc]): The new training documents.
    dev (Iterable[Doc]): The new documents for choosing the best pipeline; changed in place.
    source (Path): The file that the training documents come from, for the config.
    output (Path): A folder for the corpora that are written: train.spacy and dev.spacy.
    labels (Sequence[str]): The labels that the new data is annotated for. By default, those that
        occur in it.
    rehearse (Iterable[Doc]): Documents with gold annotation of the known labels.
    weight (float): The weight of the soft targets, from 0 to 1.
    progress (Progress): Given the examples and their number, shows progress over them.
    RETURNS (Update): The pipeline and what it will learn from.
    RAISES: ValueError if the pipeline does not have exactly one `crf_ner`, if documents have labels
        that they are not annotated for, or if there are no annotated documents.
    """
    pipe = recognizer_of(nlp, "The pipeline")
    if not pipe.annotate_ents:
        raise ValueError(f"The component {pipe.name} learns doc.spans. Only doc.ents are updated.")
    known = list(pipe.labels)
    corpora = augmented(nlp, train), plain(nlp, dev), augmented(nlp, rehearse)
    all_examples = [list(examples) for examples in corpora]
    train_egs, dev_egs, old_egs = ([*filter(is_labelled, egs)] for egs in all_examples)
    for name, examples in (("training", train_egs), ("dev", dev_egs)):
        if not examples:
            raise ValueError(f"No new {name} document has annotation of entities.")
    survey = survey_gold(train_egs)
    occurring = [*survey.labels, *survey_gold(dev_egs).labels]
    annotated = sorted(set(labels or occurring))
    _require(occurring, annotated, "The new data has", "--labels has")
    _require(survey_gold(old_egs).labels, known, "The data to rehearse has", "The pipeline has")
    _mark(train_egs, annotated)
    _mark(old_egs, known)
    new = [label for label in annotated if label not in known]
    tag_set = make_tag_set((*known, *new), pipe.tag_set.scheme)
    taught = list(progress(annotate_unknown(nlp, train_egs, tag_set, weight), len(train_egs)))
    predicted = add_predictions(nlp, dev_egs, annotated)
    write_distilled([*taught, *old_egs], output / "train.spacy")
    write_docbins({output / "dev.spacy": [eg.reference for eg in dev_egs]})
    for label in new:
        pipe.add_label(label)
    # The soft targets have been divided by it already.
    pipe.temperature = 1.0
    _set_training(nlp, source, output)
    return Update(
        nlp,
        known,
        new,
        annotated,
        survey,
        train=len(train_egs),
        rehearsed=len(old_egs),
        dev=len(dev_egs),
        predicted=predicted,
        unlabelled=sum(map(len, all_examples)) - len(train_egs) - len(dev_egs) - len(old_egs),
    )


def add_predictions(nlp: Language, examples: Sequence[Example], annotated: Sequence[str]) -> int:
    """Add what a pipeline predicts to gold documents, where they are not annotated for it.

    nlp (Language): The pipeline.
    examples (Sequence[Example]): The examples; entities are added to their references.
    annotated (Sequence[str]): The labels that are annotated. Their predictions are left out, and so
        are entities that overlap gold entities.
    RETURNS (int): The number of entities added.
    """
    pipe = recognizer_of(nlp, "The pipeline")
    n_added = 0
    for batch in minibatch(examples, nlp.batch_size):
        docs = run_before_recognizer(nlp, [eg.predicted for eg in batch])
        pipe.set_annotations(docs, pipe.predict(docs))
        for doc, gold in zip(docs, (eg.reference for eg in batch)):
            found = [ent for ent in doc.ents if ent.label_ not in annotated]
            spans = Example(doc, gold).get_aligned_spans_x2y(found)
            taken = {token.i for ent in gold.ents for token in ent}
            free = [span for span in spans if taken.isdisjoint(range(span.start, span.end))]
            added = [Span(gold, span.start, span.end, span.label_) for span in free]
            gold.set_ents(added, default="unmodified")
            n_added += len(added)
    return n_added


def augmented(nlp: Language, docs: Iterable[Doc]) -> Iterator[Example]:
    """Make examples as the pipeline's own train corpus does, with its augmenter.

    nlp (Language): The pipeline.
    docs (Iterable[Doc]): The gold documents.
    YIELDS (Example): The examples.
    """
    settings = nlp.config.interpolate()["corpora"].get("train", {})
    corpus = Corpus("")
    # A distilled corpus has no augmenter: its examples are augmented already.
    if settings.get("@readers") == "spacy.Corpus.v1":
        corpus = registry.resolve({"train": {**settings, "path": ""}})["train"]
    for eg in corpus.make_examples(nlp, docs):
        yield from corpus.augmenter(nlp, eg)


def plain(nlp: Language, docs: Iterable[Doc]) -> Iterator[Example]:
    """Make examples as spaCy's corpus reader does.

    nlp (Language): The pipeline.
    docs (Iterable[Doc]): The gold documents.
    YIELDS (Example): The examples.
    """
    return Corpus("").make_examples(nlp, docs)


def _require(found: Sequence[str], allowed: Sequence[str], whose: str, instead: str) -> None:
    unknown = sorted(set(found) - set(allowed))
    if unknown:
        raise ValueError(
            f"{whose} entities with the labels {', '.join(unknown)}. {instead} only "
            f"{', '.join(sorted(allowed))}."
        )


def _mark(examples: Sequence[Example], labels: Sequence[str]) -> None:
    for eg in examples:
        # A document may say itself what it is annotated for.
        if annotated_labels(eg.reference) is None:
            keep_annotated_labels(eg.reference, labels)


def _set_training(nlp: Language, source: Path, output: Path) -> None:
    """Set the corpora, the components that learn, and the learning rates."""
    config = nlp.config
    # The pipeline's own corpora stay, because the next update needs their augmenter.
    for name in ("train", "dev"):
        config["paths"][name] = str(source)
    train, dev = (str(output / f"{name}.spacy") for name in ("train", "dev"))
    config["corpora"]["update"] = {"@readers": READER, "path": train}
    config["corpora"]["update_dev"] = {**PLAIN, "path": dev}
    training = config["training"]
    training["train_corpus"], training["dev_corpus"] = "corpora.update", "corpora.update_dev"
    training["frozen_components"], shared = _others(nlp)
    annotating = training.get("annotating_components", [])
    training["annotating_components"] = list(dict.fromkeys([*annotating, *shared]))
    steps = training["max_steps"]
    rate = config.interpolate()["training"]["optimizer"].get("learn_rate", LEARN_RATE)
    schedule = rate if isinstance(rate, dict) else {"initial_rate": rate}
    if schedule.get("total_steps") != steps:
        training["optimizer"]["learn_rate"] = {
            "@schedules": "warmup_linear.v1",
            "warmup_steps": round(WARMUP * steps),
            "total_steps": steps,
            "initial_rate": schedule.get("initial_rate", LEARN_RATE),
        }


def _others(nlp: Language) -> tuple[list[str], list[str]]:
    """The components that do not learn, and those of them whose output the recognizer needs.

    What only the recognizer listens to learns with it. Other components would no longer fit a
    shared tok2vec that had changed.
    """
    name = recognizer_of(nlp, "The pipeline").name
    frozen, shared = [], []
    for other, pipe in nlp.pipeline:
        listeners = [n for n in getattr(pipe, "listening_components", []) if n in nlp.pipe_names]
        if other != name and getattr(pipe, "is_trainable", False) and listeners != [name]:
            frozen.append(other)
            if name in listeners:
                shared.append(other)
    return frozen, shared
