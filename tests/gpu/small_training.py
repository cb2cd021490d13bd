"""Training with the project's configs, as small and short as can be."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config, load_model_from_config
from thinc.api import Config
from tiny_encoders import make_encoder
from util import TRAIN, make_examples

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SENTENCES = {
    "zh": TRAIN,
    "en": [
        ("Ada lives in London.", [(0, 3, "PER"), (13, 19, "LOC")]),
        ("Paris is far away.", [(0, 5, "LOC")]),
        ("It rains.", []),
        ("Jean left Paris.", [(0, 4, "PER"), (10, 15, "LOC")]),
    ],
}
# Of a process of its own, in which there is no GPU and no emulation of one.
WITHOUT_GPU = """
import json, sys, spacy
from thinc.api import get_current_ops
assert get_current_ops().name == "numpy"
docs = spacy.load(sys.argv[1]).pipe(json.loads(sys.argv[2]))
print(json.dumps([[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]))
"""
# What sizes are set to, wherever they are in a config.
SMALL = {"depth": 2, "rows": 50, "width": 16, "widths": 8}


def train_small(name: str, folder: Path, *, steps: int, learn_rate: float) -> Path:
    """Train with one of the project's configs.

    name (str): The config.
    folder (Path): Where to write.
    steps (int): How many steps.
    learn_rate (float): The learning rate.
    RETURNS (Path): The pipeline that was saved.
    """
    config = small_config(name, folder)
    config["training"].update(max_steps=steps, eval_frequency=steps)
    config["training"]["optimizer"]["learn_rate"].update(warmup_steps=1, initial_rate=learn_rate)
    nlp = init_nlp(config, use_gpu=0)
    (folder / "model").mkdir()
    train(nlp, folder / "model", use_gpu=0, stdout=StringIO(), stderr=StringIO())
    return folder / "model" / "model-last"


def small_config(name: str, folder: Path) -> Config:
    """Read one of the project's configs, and make all that it names small.

    name (str): The config.
    folder (Path): Where to write what it reads: sentences, vectors, a gazetteer, an encoder.
    RETURNS (Config): The config.
    """
    shipped = load_config(CONFIGS / f"{name}.cfg")
    config = load_model_from_config(shipped, auto_fill=True).config
    _shrink(config["components"])
    recognizer, paths = config["components"]["crf_ner"], config["paths"]
    recognizer["spans_key"] = "crf"
    if recognizer["decoding"] == "entities":
        # What has learned so little is sure of nothing.
        recognizer["threshold"] = 0.05
    nlp = spacy.blank(config["nlp"]["lang"])
    docs = [eg.reference for eg in make_examples(nlp, SENTENCES[nlp.lang])]
    DocBin(docs=docs).to_disk(folder / "corpus.spacy")
    paths.update(train=str(folder / "corpus.spacy"), dev=str(folder / "corpus.spacy"))
    if "vectors" in shipped["paths"]:
        random = np.random.RandomState(0)
        for letter in "王明北京上海，":
            nlp.vocab.set_vector(letter, random.normal(size=8).astype("f"))
        nlp.to_disk(folder / "vectors")
        paths["vectors"] = str(folder / "vectors")
    if config["initialize"]["before_init"]:
        # A whole dictionary takes long to read.
        gazetteer = folder / "place.txt"
        gazetteer.write_text("北京\n上海\n广州\n", encoding="utf8")
        config["initialize"]["before_init"].update(jieba=False, gazetteers=[str(gazetteer)])
    if "transformer" in config["components"]:
        paths["encoder"] = make_encoder(folder / "encoder")
        config["components"]["transformer"]["model"].update(window=16, stride=8)
    config["training"]["logger"] = {"@loggers": "spacy.ConsoleLogger.v3", "progress_bar": None}
    return config


def entities_in(docs: Sequence[Doc]) -> list[list[tuple[int, int, str]]]:
    """The entities of documents.

    docs (Sequence[Doc]): The documents.
    RETURNS (List[List[Tuple[int, int, str]]]): For each document (start, end, label).
    """
    return [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]


def entities_without_gpu(path: Path, texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
    """The entities that a pipeline finds in another process, which has no GPU.

    path (Path): The pipeline.
    texts (Sequence[str]): The texts.
    RETURNS (List[List[Tuple[int, int, str]]]): For each text (start, end, label).
    """
    command = [sys.executable, "-c", WITHOUT_GPU, str(path), json.dumps(texts)]
    # A real GPU is hidden.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return [[tuple(ent) for ent in ents] for ents in json.loads(result.stdout)]


def confidences_in(docs: Sequence[Doc]) -> list[float]:
    """The confidences of all spans that the settings of `small_config` have written.

    docs (Sequence[Doc]): The documents.
    RETURNS (List[float]): The confidences.
    """
    return [score for doc in docs for score in doc.spans["crf"].attrs["scores"]]


def _shrink(section: dict[str, Any]) -> None:
    for key, value in section.items():
        if isinstance(value, dict):
            _shrink(value)
        elif key in SMALL:
            section[key] = [SMALL[key]] * len(value) if isinstance(value, list) else SMALL[key]
