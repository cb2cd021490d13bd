"""From a pipeline and a corpus to the page about them."""

from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NamedTuple

from markupsafe import Markup
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ...pipeline.component import CRFEntityRecognizer, crf_pipes
from ..evaluate import Progress, evaluate
from ..intervals import Interval, count_entities, f1_intervals
from .confusion import confuse, kinds_by_label
from .corpus import count_labels, find_ambiguity, find_leakage, measure
from .errors import MAX_ERRORS, describe_errors, select_errors
from .learning_curve import Evaluation
from .mentions import Mentions, read_mentions
from .pairs import KINDS, Pair, pair_mentions
from .plots import plot_learning_curve, plot_reliability, plot_thresholds
from .render import render
from .slices import by_entity_length, by_familiarity, by_sentence_length
from .suggestions import N_SHOWN, Suggestion
from .thresholds import best_point, score_thresholds

NO_PROBABILITIES = "The pipeline has no crf_ner that sets doc.ents, and so no confidences."
CERTAIN_FIRST = (
    "The pipeline is most certain of the first ones. Certainty is the probability of the predicted "
    "entity; of a missed one, the probability that it is none."
)


class Inputs(NamedTuple):
    """What a report may be made of, beside the pipeline and the corpus.

    train (Sequence[Doc] | None): The training corpus.
    log (Sequence[Evaluation] | None): The log of the training.
    audit (Sequence[Suggestion] | None): Likely annotation errors.
    """

    train: Sequence[Doc] | None = None
    log: Sequence[Evaluation] | None = None
    audit: Sequence[Suggestion] | None = None


NOTHING_ELSE = Inputs()


class Errors(NamedTuple):
    """The list of errors.

    shown (list[dict[str, Any]]): The errors, as `describe_errors` returns them.
    left_out (int): How many there are besides.
    labels (list[str]): Their labels.
    has_certainty (bool): Whether the component says how certain it is.
    order (str): What comes first.
    """

    shown: list[dict[str, Any]]
    left_out: int
    labels: list[str]
    has_certainty: bool
    order: str


def make_report(
    nlp: Language,
    examples: Sequence[Example],
    inputs: Inputs = NOTHING_ELSE,
    *,
    model: str,
    data: str,
    progress: Progress = lambda docs, _: docs,
) -> str:
    """Make a page about a pipeline on a labelled corpus.

    nlp (Language): The pipeline. Its `crf_ner` components, if any, compute confidences from now on.
    examples (Sequence[Example]): The corpus; the predicted documents are replaced.
    inputs (Inputs): What else is known.
    model (str): What to call the pipeline.
    data (str): What to call the corpus.
    progress (Progress): Given the documents and their number, shows progress over them.
    RETURNS (str): The page, a complete HTML file.
    RAISES: ImportError without matplotlib.
    """
    if find_spec("matplotlib") is None:
        raise ImportError("A report needs matplotlib: pip install 'spacy-crf-ner[report]'.")
    scores = evaluate(nlp, examples, progress)
    pipe = _recognizer(nlp)
    mentions = read_mentions(examples, pipe)
    pairs = pair_mentions(mentions)
    docs = [eg.reference for eg in examples]
    errors = _list_errors(pairs, mentions, docs)
    labels = _score_labels(scores, examples)
    return render(
        {
            "model": model,
            "data": data,
            "version": version("spacy-crf-ner"),
            "facts": _facts(nlp, pipe),
            "cards": _cards(scores, labels[-1]["interval"], pairs),
            "unannotated": sum(not doc.has_annotation("ENT_IOB") for doc in docs),
            "size": measure(docs),
            "labels": labels,
            "kinds": KINDS,
            "kinds_by_label": kinds_by_label(pairs),
            "confusion": confuse(pairs),
            "errors": errors,
            "lengths": by_entity_length(pairs),
            "sentences": by_sentence_length(pairs),
            "no_probabilities": NO_PROBABILITIES,
            "ece": scores.get("calibration", {}).get("ece"),
            "reliability": pipe and Markup(plot_reliability(scores["calibration"]["bins"])),
            "thresholds": pipe and _threshold_section(pipe, examples, scores["ents_f"]),
            "learning_curve": inputs.log and Markup(plot_learning_curve(inputs.log)),
            "suggestions": inputs.audit,
            "n_suggestions": N_SHOWN,
            "hues": _hues(mentions, inputs.audit or ()),
            **_corpus_section(docs, inputs.train, pairs),
        }
    )


def _recognizer(nlp: Language) -> CRFEntityRecognizer | None:
    """The last component that sets `doc.ents` with confidences."""
    return next((p for p in reversed(crf_pipes(nlp).values()) if p.annotate_ents), None)


def _facts(nlp: Language, pipe: CRFEntityRecognizer | None) -> list[tuple[str, str]]:
    facts = [
        ("pipeline", f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}"),
        ("components", ", ".join(nlp.pipe_names)),
    ]
    if pipe is not None:
        facts += [
            ("decoding", pipe.decoding),
            ("threshold", f"{pipe.threshold:.2f}"),
            ("temperature", f"{pipe.temperature:.3f}"),
        ]
    return facts


def _cards(
    scores: dict[str, Any], interval: Interval | None, pairs: Sequence[Pair]
) -> list[tuple[str, str, str]]:
    found = sum(pair.found is not None for pair in pairs)
    correct = sum(pair.kind == "correct" for pair in pairs)
    likely = " to ".join(_percent(*interval)) if interval else "no entities"
    f, p, r, macro = _percent(*(scores[f"ents_{key}"] for key in ("f", "p", "r", "macro_f")))
    ece = scores.get("calibration", {}).get("ece")
    return [
        ("F1", f, likely),
        ("precision", p, f"of {found:,} predicted"),
        ("recall", r, f"of {sum(scores['ents_support'].values()):,} gold"),
        ("macro F1", macro, "mean of the labels"),
        ("errors", f"{len(pairs) - correct:,}", f"{correct:,} entities are correct"),
        ("calibration error", "–" if ece is None else f"{ece:.3f}", "0 is perfect"),
        ("documents", f"{scores['docs']:,}", f"{scores['words']:,} tokens"),
    ]


def _percent(*values: float | None) -> tuple[str, ...]:
    return tuple("–" if value is None else f"{100 * value:.2f}" for value in values)


def _score_labels(scores: dict[str, Any], examples: Sequence[Example]) -> list[dict[str, Any]]:
    """The rows of the table of scores: the labels, and all of them together."""
    intervals = f1_intervals(count_entities(examples))
    support = scores["ents_support"]
    rows = [
        {"name": label, **prf, "interval": intervals.per_label.get(label), "gold": support[label]}
        for label, prf in sorted((scores["ents_per_type"] or {}).items())
    ]
    micro = {key: scores[f"ents_{key}"] for key in ("p", "r", "f")}
    gold = sum(support.values())
    return [*rows, {"name": "all (micro)", **micro, "interval": intervals.micro, "gold": gold}]


def _list_errors(
    pairs: Sequence[Pair], mentions: Sequence[Mentions], docs: Sequence[Doc]
) -> Errors:
    errors = select_errors(pairs)
    shown = describe_errors(errors[:MAX_ERRORS], mentions, docs)
    has_certainty = any(pair.certainty is not None for pair in errors)
    in_order = f"{NO_PROBABILITIES} The errors are in the order of the corpus."
    return Errors(
        shown,
        len(errors) - len(shown),
        sorted({label for error in shown for label in error["labels"]}),
        has_certainty,
        CERTAIN_FIRST if has_certainty else in_order,
    )


def _threshold_section(
    pipe: CRFEntityRecognizer, examples: Sequence[Example], own_f: float | None
) -> dict[str, Any]:
    points = score_thresholds(pipe, examples)
    best = best_point(points)
    own, highest = _percent(own_f, best.counts.f1)
    text = (
        f"With the decoding “{pipe.decoding}”. Its own threshold is {pipe.threshold:.2f}, with an "
        f"F1 of {own}; the highest F1 here is {highest}, at {best.threshold:.2f}. A threshold that "
        "is chosen on these documents looks better than it is: choose it on dev."
    )
    plot = plot_thresholds(points, pipe.threshold, best.threshold)
    return {"text": text, "plot": Markup(plot)}


def _corpus_section(
    docs: Sequence[Doc], train: Sequence[Doc] | None, pairs: Sequence[Pair]
) -> dict[str, Any]:
    corpora = {"this corpus": docs} if train is None else {"train": train, "this corpus": docs}
    labels = [count_labels(corpus) for corpus in corpora.values()]
    return {
        "sizes": [(name, measure(corpus)) for name, corpus in corpora.items()],
        "balance": [
            (label, [(counts[label], counts[label] / (counts.total() or 1)) for counts in labels])
            for label in sorted(set().union(*labels))
        ],
        "ambiguity": find_ambiguity([doc for corpus in corpora.values() for doc in corpus]),
        "leakage": None if train is None else find_leakage(train, docs),
        "familiarity": None if train is None else by_familiarity(pairs, train),
    }


def _hues(mentions: Sequence[Mentions], audit: Sequence[Suggestion]) -> dict[str, int]:
    """The colour of each label, in degrees of the colour wheel."""
    labels = {m.span.label_ for of_doc in mentions for side in of_doc for m in side}
    labels |= {suggestion.label for suggestion in audit}
    return {label: 360 * i // len(labels) for i, label in enumerate(sorted(labels))}
