"""Search spaces, and what is wrong with them."""

import json
from pathlib import Path

import pytest
from spacy.util import load_config

from spacy_crf_ner.tuning.ranges import Choices, Range, make_values
from spacy_crf_ner.tuning.run import prepare_search
from spacy_crf_ner.tuning.space import own_params, read_space, to_values, with_values

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SPACE = """\
# A comment.
[training]
dropout = {"low": 0.1, "high": 0.6}

[training.optimizer]
grad_clip = {"low": 0.5, "high": 2.0, "step": 0.5}

[training.batcher]
size = {"low": 100, "high": 1000, "log": true}

[components.crf_ner.model.tok2vec.embed.*.characters]
widths = [[96, 64, 64, 32, 32, 32, 32, 16, 16], [48, 32, 32, 16, 16, 16, 16, 8, 8]]

[components.crf_ner.model.tok2vec.encode]
width = [192, 384]
"""


@pytest.fixture
def prepare(tmp_path):
    """Read a space for bilstm.cfg."""

    def prepare(text, **overrides):
        path = tmp_path / "space.cfg"
        path.write_text(text, encoding="utf8")
        return prepare_search(CONFIGS / "bilstm.cfg", path, overrides)

    return prepare


def test_lists_are_choices_and_others_ranges(tmp_path):
    path = tmp_path / "space.cfg"
    path.write_text(SPACE, encoding="utf8")
    space = read_space(path)
    embed = "components.crf_ner.model.tok2vec.embed.*.characters"
    assert space["training.dropout"] == Range(0.1, 0.6)
    assert space["training.batcher.size"] == Range(100, 1000, log=True)
    assert space[f"{embed}.widths"].values[1] == [48, 32, 32, 16, 16, 16, 16, 8, 8]
    assert space["components.crf_ner.model.tok2vec.encode.width"] == Choices((192, 384))


def test_the_configs_own_values_and_its_defaults_are_found(prepare):
    search = prepare(SPACE)
    own, outside = search.own
    assert outside == []
    values = to_values(search.space, own)
    assert values["training.dropout"] == 0.3
    assert values["training.optimizer.grad_clip"] == 1.0
    assert values["training.batcher.size"] == 750
    config = with_values(search.config, {**values, "training.dropout": 0.25})
    assert config["training"]["dropout"] == 0.25
    assert config["training"]["optimizer"]["learn_rate"]["total_steps"] == "${training.max_steps}"
    assert search.config["training"]["dropout"] == 0.3


def test_values_outside_of_the_space_are_named(prepare):
    search = prepare('[training]\ndropout = {"low": 0.0, "high": 0.2}\npatience = [0, 100]\n')
    assert search.own == (
        {"training.dropout": None, "training.patience": "0"},
        ["training.dropout"],
    )


def test_what_the_command_line_sets_is_not_searched(prepare):
    search = prepare(SPACE, **{"training.dropout": 0.2})
    assert search.fixed == ["training.dropout"]
    assert "training.dropout" not in search.space
    assert search.config["training"]["dropout"] == 0.2
    with pytest.raises(ValueError, match="nothing to tune"):
        prepare("[training]\ndropout = [0.1, 0.2]\n", **{"training.dropout": 0.2})


@pytest.mark.parametrize(
    ("values", "own", "expected"),
    [
        (Range(1, 5), 5, 5),
        (Range(1, 5), 6, None),
        (Range(1, 5), 2.5, None),
        (Range(1, 5, step=2), 4, None),
        (Range(0.1, 0.5), 0.1, 0.1),
        (Range(0.1, 0.5, step=0.1), 0.3, 0.3),
        (Range(0.1, 0.5), None, None),
        (Range(0, 1), True, None),
        (Choices((None, "a")), None, "null"),
        (Choices((1, 2)), 3, None),
    ],
)
def test_what_is_in_a_range(values, own, expected):
    assert values.to_param(own) == expected


def test_integers_stay_integers():
    assert Range(1, 5).is_integer
    assert Range(10, 20, step=5).is_integer
    assert not Range(1, 5, step=0.5).is_integer
    assert isinstance(Range(1, 5).to_value(3), int)
    assert Range(0.0, 1.0).to_value(0.12345678) == 0.123457


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (0.5, "expected .*got 0.5"),
        ("a", 'got "a"'),
        ([], "the list is empty"),
        ({"low": 1}, '"high" is missing'),
        ({"low": 1, "high": 2, "max": 3}, 'unknown "max". Known are low, high, log, step'),
        ({"low": 2, "high": 2}, '"low" must be less'),
        ({"low": 0, "high": 1, "log": True}, "must be greater than 0"),
        ({"low": "0", "high": 1}, '"low" must be a number, got "0"'),
        ({"low": 0, "high": float("inf")}, '"high" must be a number'),
        ({"low": True, "high": 2}, '"low" must be a number'),
        ({"low": 1, "high": 2, "log": "yes"}, '"log" must be true or false'),
        ({"low": 1, "high": 2, "log": True, "step": 1}, "exclude each other"),
        ({"low": 1, "high": 4, "step": 2}, "do not lead to 4"),
        ({"low": 1, "high": 4, "step": 0}, "do not lead to 4"),
    ],
)
def test_ranges_that_cannot_be_are_errors(given, error, tmp_path):
    with pytest.raises(ValueError, match=error):
        make_values(given)
    path = tmp_path / "space.cfg"
    path.write_text(f"[training]\ndropout = {json.dumps(given)}\n")
    with pytest.raises(ValueError, match=r"space.cfg: \[training\] dropout: "):
        read_space(path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[training]\ndropuot = [0.1, 0.2]\n", "no training.dropuot. Is it training.dropout?"),
        ("[trainning]\ndropout = [0.1, 0.2]\n", "Is it training.dropout?"),
        ("[training.dropout]\nrate = [0.1, 0.2]\n", "no training.dropout.rate"),
        ("[training]\nseed = [0, 1]\n", r"the config has training.seed = \$\{system.seed\}"),
        ("[corpora.train]\npath = [1, 2]\n", r"corpora.train.path = \$\{paths.train\}"),
        ("[training.batcher]\nsize = [1]\n[training]\nbatcher = [1]\n", "in this section"),
        ("dropout = [0.1, 0.2]\n", r"space.cfg: not the syntax of a config: .*\[line 1\]|line: 1"),
        ("[training]\n[training]\n", "line  ?2"),
        ("[training]\n", "no settings"),
        ("", "the file is empty"),
    ],
)
def test_spaces_that_do_not_fit_are_errors(text, error, prepare):
    with pytest.raises(ValueError, match=error) as caught:
        prepare(text)
    assert "space.cfg" in str(caught.value)


def test_missing_files_are_named(tmp_path):
    space = CONFIGS / "spaces" / "bilstm.cfg"
    with pytest.raises(ValueError, match=r"none.cfg: there is no such file"):
        prepare_search(tmp_path / "none.cfg", space, {})
    with pytest.raises(ValueError, match=r"none.cfg: there is no such file"):
        prepare_search(CONFIGS / "bilstm.cfg", tmp_path / "none.cfg", {})


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("spaces/*.cfg")), ids=lambda path: path.stem)
def test_the_spaces_shipped_have_their_configs_values(path):
    search = prepare_search(CONFIGS / path.name, path, {})
    assert search.own[1] == []
    assert len(search.space) >= 5
    assert own_params(search.space, load_config(CONFIGS / path.name))[1] == []
