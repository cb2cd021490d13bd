"""Settings of a wrong type, sign or size are errors when the component is made."""

import pytest
import spacy
from hostile_pipelines import MODEL
from thinc.api import Config

NAN, INF = float("nan"), float("inf")
EMBED = "model.tok2vec.embed.*"
ENCODE = "model.tok2vec.encode"
WRONG = {
    "tag_scheme": ["IO", "", None, 1, []],
    "decoding": ["best", None, 1],
    "threshold": [-0.1, 1.1, NAN, INF, None, "x", []],
    "adversarial_epsilon": [-1, None, "x"],
    "annotate_ents": [None, "x", 2],
    "extension": [None, [], 1],
    "spans_key": [[], {}],
    "model.nO": [0, -1, 1.5, "x"],
    "model.tok2vec_lr_scale": [-1, NAN, INF, "x", None],
    "model.output_lr_scale": [-1, NAN],
    "model.crf_lr_scale": [-1, NAN],
    f"{EMBED}.features.features": [["X"] * 4, ["NORM"], [], "NORM", None, [1, 2, 3, 4]],
    f"{EMBED}.features.widths": [[0, 6, 4, 4], [-1, 6, 4, 4], [6], 6, ["x"] * 4],
    f"{EMBED}.features.rows": [[0, 60, 20, 20], [60, 60, 20, -1], [60]],
    f"{EMBED}.features.feature_dropout": [1.0, -0.1, NAN, "x"],
    f"{EMBED}.characters.width": [0, -1, 1.5, None],
    f"{EMBED}.characters.char_width": [0, -1],
    f"{EMBED}.characters.rows": [0, -1],
    f"{EMBED}.characters.kernel_sizes": [[], [2], [0], [-1], ["x"]],
    f"{EMBED}.vectors.width": [0, -1],
    f"{EMBED}.vectors.rows": [0, -1],
    f"{EMBED}.vectors.token_dropout": [1.0, -0.1, NAN],
    f"{EMBED}.lexicon.width": [0, -1],
    f"{EMBED}.lexicon.feature_dropout": [1.0, -0.1, NAN],
    f"{ENCODE}.heads": [0, -1, 5],
    f"{ENCODE}.window": [0, -1],
    f"{ENCODE}.dropout": [1.0, -0.1, NAN],
    f"{ENCODE}.encode.width": [0, -2, 3, 1.5],
    f"{ENCODE}.encode.depth": [0, -1],
    f"{ENCODE}.encode.dropout": [1.0, -0.1, NAN],
    f"{ENCODE}.encode.precision": ["float16", "load", None],
}
# The first value of each always, the others with the slow tests.
CASES = [
    pytest.param(path, value, id=f"{path}={value}"[-50:], marks=[pytest.mark.slow] * (i > 0))
    for path, values in WRONG.items()
    for i, value in enumerate(values)
]


def make(path, value):
    config = {**Config().from_str(MODEL), "spans_key": "sc"}
    *sections, name = path.split(".")
    section = config
    for key in sections:
        section = section[key]
    section[name] = value
    return spacy.blank("zh").add_pipe("crf_ner", config=config)


@pytest.mark.parametrize(("path", "value"), CASES)
def test_wrong_settings(path, value):
    with pytest.raises(ValueError, match=r"\w"):
        make(path, value)


def test_right_settings():
    assert make("threshold", 0.5).threshold == 0.5
