"""`python -m benchmarks.continual`: what a pipeline forgets when it learns new labels."""

import sys
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.cli.train import train as train_config
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus
from spacy.training.loop import train
from spacy.vocab import Vocab
from wasabi import msg

from spacy_crf_ner.distillation.continual import prepare_update
from spacy_crf_ner.distillation.new_data import read_docs
from spacy_crf_ner.formats.write import write_docbins
from spacy_crf_ner.pipeline.scorer import score_entities

SETS = ("train", "dev")
BEST = "model-best"

app = typer.Typer(add_completion=False)


@app.command()
def main(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training config")],
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="Folder of train.spacy and dev.spacy")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the pipelines")],
    new: Annotated[
        Path | None,
        typer.Option(help="Folder of the corpus to learn afterwards; by default, half of CORPUS"),
    ] = None,
    n_labels: Annotated[
        int, typer.Option(help="Labels to learn first, if there is one corpus")
    ] = 6,
    base_steps: Annotated[int, typer.Option(help="Training steps before the update")] = 3000,
    max_steps: Annotated[int, typer.Option(help="Training steps of the update")] = 1000,
    weight: Annotated[float, typer.Option(help="Weight of what the pipeline knows")] = 0.5,
    n_rehearsed: Annotated[int, typer.Option(help="Old documents that are rehearsed")] = 100,
) -> None:
    """Train a pipeline on old labels, then on new documents that are annotated with new labels
    only: with `crf update`, with and without rehearsal, and with plain training. Shows the F1 of
    the old and of the new labels on dev. If OUTPUT has base/model-best, it is not trained again."""
    old_labels, new_labels = write_corpora(corpus, new, output, n_labels, n_rehearsed)
    base = output / "base" / BEST
    if not base.exists():
        overrides: dict[str, Any] = {f"paths.{n}": str(output / f"old/{n}.spacy") for n in SETS}
        overrides["training.max_steps"] = base_steps
        train_config(config, output / "base", overrides=overrides)
    old = output / "old" / "rehearse.spacy"
    models = {
        "before": base,
        "crf update": learn_more(output, "update", max_steps, new_labels, weight),
        f"… and {n_rehearsed} old documents": learn_more(
            output, "rehearsal", max_steps, new_labels, weight, rehearse=old
        ),
        # Without a teacher, and with every token outside of entities as O.
        "plain training": learn_more(output, "plain", max_steps, old_labels | new_labels, 0.0),
    }
    rows = []
    for name, model in models.items():
        scores = [
            f1_of(model, output / folder / "dev.spacy", labels)
            for folder, labels in (("old", old_labels), ("new", new_labels))
        ]
        rows.append((name, *(f"{value * 100:.2f}" for value in scores)))
    header = ("", f"F1 of {len(old_labels)} old labels", f"F1 of {len(new_labels)} new labels")
    msg.table(rows, header=header, aligns=("l", "r", "r"), divider=True)


def write_corpora(
    corpus: Path, new: Path | None, output: Path, n_labels: int, n_rehearsed: int
) -> tuple[set[str], set[str]]:
    """Write the corpora to learn first and afterwards.

    Of one corpus, the documents 0, 2, 4… are annotated with the first labels, and the others with
    the other labels. Of a second corpus, the documents 0, 2, 4… are used.

    corpus (Path): A folder with train.spacy and dev.spacy.
    new (Path | None): Another such folder, or None.
    output (Path): The folder for old/ and new/, each with train.spacy and dev.spacy. old/ also has
        rehearse.spacy, documents from all over its train.spacy.
    n_labels (int): The number of labels to learn first, in alphabetical order, of one corpus.
    n_rehearsed (int): The number of documents in rehearse.spacy.
    RETURNS (tuple[set[str], set[str]]): The labels of old/ and of new/.
    """
    old_train, old_dev = (load(corpus / f"{name}.spacy") for name in SETS)
    if new is None:
        labels = sorted(labels_of(old_train))
        old_labels, new_labels = set(labels[:n_labels]), set(labels[n_labels:])
        new_train, new_dev = old_train[1::2], old_dev
        old_train = old_train[::2]
    else:
        new_train, new_dev = (load(new / f"{name}.spacy") for name in SETS)
        new_train = new_train[::2]
        old_labels, new_labels = labels_of(old_train), labels_of(new_train)
    for folder, kept, *sets in (
        ("old", old_labels, old_train, old_dev),
        ("new", new_labels, new_train, new_dev),
    ):
        files = (output / folder / f"{name}.spacy" for name in SETS)
        write_docbins({file: [keep(doc, kept) for doc in docs] for file, docs in zip(files, sets)})
    some = old_train[:: max(1, len(old_train) // n_rehearsed)][:n_rehearsed]
    write_docbins({output / "old" / "rehearse.spacy": [keep(doc, old_labels) for doc in some]})
    return old_labels, new_labels


def load(path: Path) -> list[Doc]:
    """Read the documents of a .spacy file."""
    return list(DocBin().from_disk(path).get_docs(Vocab()))


def labels_of(docs: list[Doc]) -> set[str]:
    """The labels that occur in documents."""
    return {ent.label_ for doc in docs for ent in doc.ents}


def keep(doc: Doc, labels: set[str]) -> Doc:
    """Copy a document without the entities of other labels."""
    doc = doc.copy()
    doc.set_ents([ent for ent in doc.ents if ent.label_ in labels], default="outside")
    return doc


def learn_more(
    output: Path,
    name: str,
    max_steps: int,
    labels: set[str],
    weight: float,
    rehearse: Path | None = None,
) -> Path:
    """Train the base further on the new documents.

    output (Path): The folder with base/ and new/.
    name (str): The folder in it for the trained pipelines.
    max_steps (int): The training steps.
    labels (set[str]): The labels that the new documents are annotated for.
    weight (float): The weight of what the base knows, from 0 to 1.
    rehearse (Path | None): The old documents to rehearse.
    RETURNS (Path): The best pipeline.
    """
    nlp = spacy.load(output / "base" / BEST, config={"training.max_steps": max_steps})
    docs, dev = (read_docs(output / f"new/{set_name}.spacy", nlp)[0] for set_name in SETS)
    update = prepare_update(
        nlp,
        docs,
        dev,
        source=output / "new" / "train.spacy",
        output=output / name / "corpus",
        labels=sorted(labels),
        rehearse=read_docs(rehearse, nlp)[0] if rehearse else [],
        weight=weight,
        progress=lambda examples, _: examples,
    )
    train(update.nlp, output / name, stdout=sys.stdout, stderr=sys.stderr)
    return output / name / BEST


def f1_of(model: Path, dev: Path, labels: set[str]) -> float:
    """The F1 of some labels; predictions of others are left out."""
    nlp = spacy.load(model)
    examples = list(Corpus(dev)(nlp))
    for eg, doc in zip(examples, nlp.pipe([eg.predicted for eg in examples])):
        eg.predicted = keep(doc, labels)
    return score_entities(examples)["ents_f"]


if __name__ == "__main__":
    app()
