"""`python -m benchmarks.audit`: of annotation errors that were put into a corpus, how many does
`crf audit` find, beside cleanlab?"""

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import spacy
import typer
from spacy.cli._util import parse_config_overrides
from spacy.tokens import Doc, DocBin, Span
from spacy.util import load_config
from wasabi import msg

from spacy_crf_ner.crf import Posterior
from spacy_crf_ner.evaluation.audit.audit import as_example, rank
from spacy_crf_ner.evaluation.audit.folds import Fold, cross_fit, split_folds
from spacy_crf_ner.evaluation.audit.mentions import count_mentions
from spacy_crf_ner.evaluation.audit.suspects import Suspect, find_suspects
from spacy_crf_ner.pipeline.gold import gold_tags
from spacy_crf_ner.pipeline.probabilities import legal_potentials
from spacy_crf_ner.pipeline.recognizer import recognizer_of, run_before_recognizer

from .report import plot_lines

# A place in the corpus: a document, its first token, and the token after its last one.
Place = tuple[int, int, int]
# How many places are looked at, as shares of the number of entities; and those in the table.
BUDGETS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)
SHOWN = (0.05, 0.1, 0.2)

app = typer.Typer(add_completion=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training config")],
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A .spacy file")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the pipelines")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of entities to spoil")] = 0.05,
    folds: Annotated[int, typer.Option(min=2, help="Number of folds")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of errors and folds")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Image file; needs matplotlib")] = None,
) -> None:
    """Change the label of some entities, drop some and shift some; then look for them at the places
    where annotation is least probable, and at those where cleanlab's scores are lowest. Settings of
    the config are changed as in `spacy train`. cleanlab is needed: pip install cleanlab."""
    docs = list(DocBin().from_disk(corpus).get_docs(spacy.blank("xx").vocab))
    n_entities = sum(len(doc.ents) for doc in docs)
    spoiled, errors = spoil(docs, share, random.Random(seed))
    settings = load_config(config, overrides=parse_config_overrides(ctx.args))
    parts = split_folds(spoiled, folds, seed)
    suspects: list[Suspect] = []
    token_scores: list[tuple[float, Place]] = []
    for fold in cross_fit(
        settings,
        spoiled,
        parts,
        output,
        announce=lambda number, _: msg.divider(f"Fold {number + 1} of {folds}"),
    ):
        examples = [as_example(fold.nlp, spoiled[i]) for i in fold.numbers]
        for suspect in find_suspects(fold.nlp, examples):
            suspects.append(suspect._replace(document=fold.numbers[suspect.document]))
        token_scores += rank_by_cleanlab(fold, spoiled)
    recalls = {}
    by_probability = sorted(suspects, key=lambda each: each.probability)
    by_both = rank(suspects, count_mentions(spoiled))
    rankings = {
        "crf audit": [place_of(each, spoiled[each.document]) for each in by_both],
        "probability alone": [place_of(each, spoiled[each.document]) for each in by_probability],
        "cleanlab": [place for _, place in sorted(token_scores)],
    }
    for name, places in rankings.items():
        recalls[name] = [recall(errors, places[: round(b * n_entities)]) for b in BUDGETS]
    msg.info(f"{len(errors):,} errors among {n_entities:,} entities")
    rows = [
        (name, *(f"{values[BUDGETS.index(b)]:.3f}" for b in SHOWN))
        for name, values in recalls.items()
    ]
    header = ("recall at", *(f"{b:.0%}" for b in SHOWN))
    msg.table(rows, header=header, aligns=("l", *"r" * len(SHOWN)), divider=True)
    if plot is not None:
        percent = [100 * b for b in BUDGETS]
        x_label = "places looked at, in per cent of the number of entities"
        plot_lines(plot, percent, recalls, x_label, "share of the errors found")


def spoil(
    docs: Sequence[Doc], share: float, generator: random.Random
) -> tuple[list[Doc], list[Place]]:
    """Put errors into annotation: a third of them each is another label, an entity dropped, and a
    boundary moved by a token.

    docs (Sequence[Doc]): The documents; they are not modified.
    share (float): The share of the entities to spoil, from 0 to 1.
    generator (random.Random): Draws the errors.
    RETURNS (tuple[list[Doc], list[Place]]): The documents, and the places of the errors: what the
        entity was before and is now.
    """
    labels = sorted({ent.label_ for doc in docs for ent in doc.ents})
    spoiled, errors = [], []
    for number, doc in enumerate(docs):
        changed = doc.copy()
        spans = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
        for i, (start, end, label) in enumerate(spans):
            if generator.random() >= share:
                continue
            kind = generator.choice(("label", "dropped", "shifted"))
            if kind == "label":
                others = [other for other in labels if other != label]
                spans[i] = (start, end, generator.choice(others))
            elif kind == "dropped":
                spans[i] = (start, start, label)
            else:
                spans[i] = (*_shift(start, end, spans, len(doc), generator), label)
            if spans[i] != (start, end, label):
                first, last = min(start, spans[i][0]), max(end, spans[i][1])
                errors.append((number, first, last))
        changed.ents = [
            Span(changed, *span[:2], label=span[2]) for span in spans if span[0] < span[1]
        ]
        spoiled.append(changed)
    return spoiled, errors


def _shift(
    start: int,
    end: int,
    spans: Sequence[tuple[int, int, str]],
    length: int,
    generator: random.Random,
) -> tuple[int, int]:
    """Move one end of a span by a token; where there is no room, nowhere."""
    others = {i for first, last, _ in spans if first != start for i in range(first, last)}
    moved = [(start - 1, end), (start + 1, end), (start, end - 1), (start, end + 1)]
    possible = [
        (first, last)
        for first, last in moved
        if 0 <= first < last <= length and others.isdisjoint(range(first, last))
    ]
    return generator.choice(possible) if possible else (start, end)


def place_of(suspect: Suspect, doc: Doc) -> Place:
    """Where a suspect is: the entity annotated, and the one suggested.

    suspect (Suspect): The suspect.
    doc (Doc): Its document.
    RETURNS (Place): The place.
    """
    tokens = [t.i for t in doc if t.idx < suspect.reach[1] and t.idx + len(t) > suspect.reach[0]]
    return suspect.document, tokens[0], tokens[-1] + 1


def rank_by_cleanlab(fold: Fold, docs: Sequence[Doc]) -> Iterator[tuple[float, Place]]:
    """The places of a fold in the order of cleanlab's scores of tokens (Wang and Mueller 2022).

    Its tokens are merged to places, so that both lists are of the same kind: a token belongs to the
    entity that is annotated there, or else, with its neighbours, to what the pipeline predicts
    there. The score of a place is the lowest of its tokens.

    fold (Fold): The fold.
    docs (Sequence[Doc]): All documents.
    YIELDS (tuple[float, Place]): The score and the place.
    """
    from cleanlab.token_classification.rank import get_label_quality_scores

    pipe = recognizer_of(fold.nlp, "The pipeline")
    for batch in spacy.util.minibatch(fold.numbers, 256):
        examples = [as_example(fold.nlp, docs[i]) for i in batch if len(docs[i])]
        copies = run_before_recognizer(fold.nlp, [eg.predicted for eg in examples])
        marginals = Posterior(legal_potentials(pipe, copies)).marginals.numpy()
        probabilities = np.split(marginals, np.cumsum([len(doc) for doc in copies])[:-1])
        labels = [gold_tags(eg, pipe.tag_set).tolist() for eg in examples]
        _, scores = get_label_quality_scores(labels, probabilities)
        kept = [i for i in batch if len(docs[i])]
        for number, gold, values, of_tokens in zip(kept, labels, probabilities, scores):
            best = values.argmax(1)
            for first, last in _merge(docs[number], gold, best.tolist()):
                yield float(np.min(np.asarray(of_tokens)[first:last])), (number, first, last)


def _merge(doc: Doc, gold: Sequence[int], predicted: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of tokens that are looked at together."""
    first = 0
    names = [token.ent_iob_ == "B" for token in doc]
    for i in range(1, len(doc) + 1):
        if i < len(doc):
            same_entity = gold[i] > 0 and gold[i - 1] > 0 and not names[i]
            same_guess = gold[i] == gold[i - 1] == 0 and (predicted[i] > 0) == (
                predicted[i - 1] > 0
            )
            if same_entity or (same_guess and predicted[i] > 0):
                continue
        yield first, i
        first = i


def recall(errors: Iterable[Place], inspected: Sequence[Place]) -> float:
    """The share of errors that overlap one of the places.

    errors (Iterable[Place]): The places of the errors.
    inspected (Sequence[Place]): The places looked at.
    RETURNS (float): The share, from 0 to 1.
    """
    tokens: set[tuple[int, int]] = set()
    for number, first, last in inspected:
        tokens.update((number, i) for i in range(first, last))
    found = [
        any((number, i) in tokens for i in range(first, last)) for number, first, last in errors
    ]
    return sum(found) / len(found) if found else 0.0


if __name__ == "__main__":
    app()
