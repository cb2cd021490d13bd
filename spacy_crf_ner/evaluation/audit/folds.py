"""k-fold cross-fitting: each document is judged by a pipeline that was not trained on it."""

import hashlib
import random
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

from ...util import replacing

# What a finished training leaves in the folder of its fold.
DONE = "done.json"


class Fold(NamedTuple):
    """A pipeline, and the documents that it was not trained on.

    nlp (Language): The pipeline.
    numbers (list[int]): The numbers of the documents.
    """

    nlp: Language
    numbers: list[int]


def split_folds(docs: Sequence[Doc], n_folds: int, seed: int) -> list[list[int]]:
    """Divide documents into folds. Documents with the same text are in the same fold, as they would
    otherwise confirm each other's errors.

    docs (Sequence[Doc]): The documents.
    n_folds (int): The number of folds, at least 2.
    seed (int): The seed.
    RETURNS (list[list[int]]): The numbers of the documents of each fold, sorted.
    RAISES: ValueError if there are not enough different documents.
    """
    same: dict[str, list[int]] = defaultdict(list)
    for i, doc in enumerate(docs):
        same[doc.text].append(i)
    groups = list(same.values())
    if not 2 <= n_folds <= len(groups):
        raise ValueError(
            f"{n_folds} folds need at least 2 folds and as many different documents; there are "
            f"{len(groups)}."
        )
    random.Random(seed).shuffle(groups)
    return [sorted(i for group in groups[k::n_folds] for i in group) for k in range(n_folds)]


def cross_fit(
    config: Config,
    docs: Sequence[Doc],
    folds: Sequence[Sequence[int]],
    folder: Path,
    *,
    use_gpu: int = -1,
    announce: Callable[[int, bool], None] = lambda number, is_done: None,
) -> Iterator[Fold]:
    """Train a pipeline for each fold, on the documents of all others.

    The last weights are taken, so that nothing about the pipeline is chosen on the fold. A training
    that was finished by an earlier call with the same config and documents is not repeated.

    config (Config): The training config, with its variables. It has [paths] with train and dev.
    docs (Sequence[Doc]): The documents.
    folds (Sequence[Sequence[int]]): What `split_folds` returned.
    folder (Path): A folder for the corpora and the pipelines.
    use_gpu (int): The GPU, or -1.
    announce (Callable[[int, bool], None]): Called before each fold with its number, from 0, and
        whether it was already trained.
    YIELDS (Fold): The pipeline of each fold.
    RAISES: ValueError if the config is not one for training.
    """
    missing = [name for name in ("paths", "training") if name not in config]
    if missing or not {"train", "dev"} <= set(config["paths"]):
        raise ValueError(
            "The config needs paths.train and paths.dev, which name its corpora, and [training]. "
            "`python -m spacy init fill-config` completes a config."
        )
    for number, held_out in enumerate(folds):
        place = folder / f"fold-{number}"
        settings = _settings(config, place)
        corpora = _divide(docs, held_out)
        state = {"checksum": _checksum(settings, corpora)}
        is_done = (place / DONE).is_file() and srsly.read_json(place / DONE) == state
        announce(number, is_done)
        if not is_done:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            for name, data in corpora.items():
                (place / f"{name}.spacy").write_bytes(data)
            nlp = init_nlp(settings, use_gpu=use_gpu)
            train(nlp, place, use_gpu=use_gpu, stdout=sys.stdout, stderr=sys.stderr)
            # It was chosen on the fold.
            shutil.rmtree(place / "model-best", ignore_errors=True)
            with replacing(place / DONE) as path:
                srsly.write_json(path, state)
        yield Fold(spacy.load(place / "model-last"), list(held_out))


def _divide(docs: Sequence[Doc], held_out: Sequence[int]) -> dict[str, bytes]:
    """The corpora of a fold, as .spacy files."""
    inside = set(held_out)
    parts = {
        "train": [doc for i, doc in enumerate(docs) if i not in inside],
        "dev": [docs[i] for i in held_out],
    }
    # User data says which labels a document is annotated for.
    return {
        name: DocBin(docs=part, store_user_data=True).to_bytes() for name, part in parts.items()
    }


def _settings(config: Config, place: Path) -> Config:
    """The config of a fold."""
    changed: dict[str, Any] = config.copy()
    changed["paths"].update({name: str(place / f"{name}.spacy") for name in ("train", "dev")})
    training = changed["training"]
    max_steps = Config(changed).interpolate()["training"].get("max_steps")
    if max_steps:
        # What the pipeline scores meanwhile is not used.
        training.update(eval_frequency=max_steps, patience=0)
    return Config(changed)


def _checksum(config: Config, content: dict[str, bytes]) -> str:
    checksum = hashlib.sha256(config.to_bytes())
    for data in content.values():
        checksum.update(data)
    return checksum.hexdigest()
