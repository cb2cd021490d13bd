"""Trainings that tests/training/test_distributed.py compares, run by one process or by each of two:
`torchrun --nproc-per-node 2 two_ranks.py FOLDER` writes what each rank saw to FOLDER."""

import json
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import torch
from spacy import registry
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from thinc.api import Config, get_current_ops
from util import make_examples, make_nlp

from spacy_crf_ner.training.distributed import Ranks, join_ranks
from spacy_crf_ner.training.gradients import find_parameters, trainable_pipes
from spacy_crf_ner.training.train import train

VECTORS = {"@architectures": "spacy_crf_ner.VectorsEmbed.v1", "width": 16, "rows": 50}
# By name, whether crf_ner listens to a tok2vec, the batch size, and settings: of [training], or its
# embedding.
TRAININGS = {
    "plain": (False, 4, {}),
    "vectors": (False, 2, {"embed": VECTORS}),
    "listener": (True, 4, {}),
    "accumulated": (False, 5, {"accumulate_gradient": 2}),
    "small batches": (False, 1, {}),
    "dropout": (False, 4, {"dropout": 0.5}),
    "no seed": (False, 4, {"seed": None}),
    # No score is above that of the first step, because the learning rate is 0.
    "patience": (False, 4, {"patience": 3, "max_steps": 20, "learn_rate": 0.0}),
}


def make_config(folder: Path, tok2vec: bool, size: int, settings: dict) -> Config:
    """A config for a small model and a corpus of five sentences."""
    nlp = make_nlp(tok2vec=tok2vec)
    corpus = str(folder / "train.spacy")
    config = nlp.config.copy()
    config["paths"].update(train=corpus, dev=corpus)
    changed = {"seed": 3, "dropout": 0.0, "eval_frequency": 1, "max_steps": 12, **settings}
    rate, embed = changed.pop("learn_rate", 0.01), changed.pop("embed", None)
    if not tok2vec:
        layers = config["components"]["crf_ner"]["model"]["tok2vec"]
        layers["embed"] = embed or {**layers["embed"], "feature_dropout": 0.0}
    config["training"].update(changed)
    config["training"]["optimizer"]["learn_rate"] = rate
    config["training"]["batcher"] = {"@batchers": "spacy.batch_by_sequence.v1", "size": size}
    config["training"]["logger"] = {
        "@loggers": "spacy.ConsoleLogger.v3",
        "output_file": str(folder / "log.jsonl"),
    }
    config["training"]["before_update"] = {"@callbacks": "two_ranks.count.v1"}
    return config


STEPS = []


@registry.callbacks("two_ranks.count.v1")
def count_steps():
    return lambda nlp, info: STEPS.append(info["step"])


def run(name: str, folder: Path, ranks: Ranks) -> dict:
    """Train; returns what a rank knows then, its weights above all."""
    folder = folder / name
    if ranks.rank == 0:
        folder.mkdir(parents=True)
        examples = make_examples(make_nlp())
        DocBin(docs=[eg.reference for eg in examples]).to_disk(folder / "train.spacy")
    ranks.wait()
    STEPS.clear()
    nlp = init_nlp(make_config(folder, *TRAININGS[name]))
    train(nlp, ranks=ranks, stdout=StringIO(), stderr=StringIO())
    pipes = list(trainable_pipes(nlp, []).values())
    weights = [parameter.data.flatten().numpy() for parameter in find_parameters(pipes)]
    # Rank 0 alone has a log.
    log = (folder / "log.jsonl").read_text().splitlines() if ranks.rank == 0 else []
    return {
        "steps": len(STEPS),
        "losses": [json.loads(line)["losses"]["crf_ner"] for line in log],
        "weights": np.concatenate(weights).tolist(),
        # Those of a next step.
        "thinc's mask": get_current_ops().get_dropout_mask((50,), 0.5).tolist(),
        "torch's mask": torch.dropout(torch.ones(50), 0.5, train=True).tolist(),
    }


if __name__ == "__main__":
    output = Path(sys.argv[1])
    with join_ranks() as ranks:
        seen = {name: run(name, output, ranks) for name in TRAININGS}
    (output / f"{ranks.rank}.json").write_text(json.dumps(seen))
