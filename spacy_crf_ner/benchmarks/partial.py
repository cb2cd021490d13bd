"""An experiment: what half of the annotation is worth if the other half is said to be missing."""

import random
from pathlib import Path
from typing import Any, Dict, List

from spacy.cli.train import train
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from ..formats.docbin import write_docbins

MISSING, OUTSIDE = "said to be missing", "taken as O"


def remove_entities(doc: Doc, share: float, generator: random.Random, *, missing: bool) -> None:
    """Remove the annotation of some of a document's entities.

    doc (Doc): The document, changed in place.
    share (float): How many entities to remove, from 0 to 1.
    generator (random.Random): Draws which.
    missing (bool): Whether their tokens' annotation becomes missing, or else O.
    """
    kept: List[Span] = []
    removed: List[Span] = []
    for ent in doc.ents:
        (removed if generator.random() < share else kept).append(ent)
    doc.set_ents(kept, missing=removed if missing else [])


def train_on_parts(
    config: Path, corpus: Path, output: Path, share: float, seed: int, max_steps: int
) -> Dict[str, Path]:
    """Train on a corpus without some of its annotation, once for each way to see that.

    config (Path): The training config.
    corpus (Path): A folder with train.spacy and dev.spacy.
    output (Path): A folder for the corpora and the pipelines.
    share (float): How many of the entities of train to remove, from 0 to 1.
    seed (int): Draws which.
    max_steps (int): The training steps.
    RETURNS (Dict[str, Path]): The best pipeline of each.
    """
    vocab = Vocab()
    models = {}
    for name, folder in ((MISSING, "missing"), (OUTSIDE, "outside")):
        generator = random.Random(seed)  # the same entities either way
        docs = list(DocBin().from_disk(corpus / "train.spacy").get_docs(vocab))
        for doc in docs:
            remove_entities(doc, share, generator, missing=name == MISSING)
        path = output / folder / "train.spacy"
        write_docbins({path: docs})
        overrides: Dict[str, Any] = {
            "paths.train": str(path),
            "paths.dev": str(corpus / "dev.spacy"),
            "training.max_steps": max_steps,
        }
        train(config, output / folder, overrides=overrides)
        models[name] = output / folder / "model-best"
    return models
