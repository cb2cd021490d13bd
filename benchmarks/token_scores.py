"""`python -m benchmarks.token_scores`: scores of BIO tags, as scripts report that count tokens."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Annotated

import spacy
import typer
from spacy.training import Example
from spacy.util import minibatch
from wasabi import msg

from spacy_crf_ner.evaluation.evaluate import evaluate
from spacy_crf_ner.evaluation.examples import read_examples
from spacy_crf_ner.pipeline.token_scores import score_tokens

Row = tuple[str, float]

app = typer.Typer(add_completion=False)


@app.command()
def main(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Pipeline name or folder")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A .spacy file with entities")],
    batch_size: Annotated[int, typer.Option(min=1, help="Documents per batch")] = 64,
) -> None:
    """Score the tags of tokens as BIO, with O as a tag like the others: over all tokens, and as the
    mean over batches of documents, as training scripts often do."""
    nlp = spacy.load(model)
    examples = read_examples(nlp, data)
    evaluate(nlp, examples)
    rows = [(name, f"{value:.4f}") for name, value in summarize(examples, batch_size)]
    msg.table(rows, header=("BIO tags", ""), aligns=("l", "r"), divider=True)


def summarize(examples: Sequence[Example], batch_size: int) -> list[Row]:
    """Score the BIO tags of tokens.

    examples (Sequence[Example]): The predictions and their reference.
    batch_size (int): The number of documents in each batch; the last one may have fewer.
    RETURNS (list[Row]): What is scored, and the score.
    """
    scores = score_tokens(examples, scheme="BIO")
    batches = [score_tokens(batch, scheme="BIO") for batch in minibatch(examples, batch_size)]
    weighted = [batch["ents_token_weighted_f"] for batch in batches]
    return [
        ("accuracy", scores["ents_token_acc"]),
        ("macro F1", scores["ents_token_macro_f"]),
        ("weighted F1", scores["ents_token_weighted_f"]),
        (f"weighted F1, mean over batches of {batch_size}", mean(weighted)),
    ]


if __name__ == "__main__":
    app()
