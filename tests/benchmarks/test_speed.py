"""The benchmarks of pipelines and training on tiny input: what they show, not how fast it is."""

import json

import pytest
import spacy
import torch
from numpy.testing import assert_array_equal
from spacy.tokens import DocBin
from typer.testing import CliRunner
from util import TEXTS, make_examples, make_nlp, make_trained

from benchmarks import growth, pipe, train, transformer
from benchmarks.networks import BareNetwork, Shape, padded_batches, shape_of, token_ids
from benchmarks.pipelines import score
from benchmarks.trainings import gold_tags, train_script
from spacy_crf_ner.tags import TagSet


def run(app, *arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def outputs(folder):
    return [
        *("--output", folder / "table.md"),
        *("--plot", folder / "picture.png"),
        *("--json", folder / "results.json"),
    ]


def read_outputs(folder):
    """The rows of the table, by column, and what is in the JSON file."""
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    lines = (folder / "table.md").read_text(encoding="utf8").splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:-2]]
    rows = [dict(zip(table[0], row)) for row in table[2:]]
    results = json.loads((folder / "results.json").read_text(encoding="utf8"))
    assert results["machine"]
    assert results["date"] in lines[-1]
    assert results["versions"]["torch"] == torch.__version__
    return rows, results


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS), encoding="utf8")
    return path


@pytest.fixture
def model(tmp_path):
    make_trained().to_disk(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def corpus(tmp_path):
    references = [eg.reference for eg in make_examples(spacy.blank("zh"))]
    DocBin(docs=references).to_disk(tmp_path / "train.spacy")
    return tmp_path / "train.spacy"


@pytest.mark.slow
def test_pipelines_side_by_side(tmp_path, texts, model, corpus):
    spacy.blank("zh").to_disk(tmp_path / "blank")
    processes = ("--processes", 1, "--processes", 2)
    arguments = [texts, model, tmp_path / "blank", "--runs", 1, "--gold", corpus, *processes]
    run(pipe.app, *arguments, *outputs(tmp_path))
    rows, results = read_outputs(tmp_path)
    names = [model, f"{model}, with confidences", tmp_path / "blank"]
    expected = [f"{name}{suffix}" for name in names for suffix in ("", ", 2 processes")]
    assert [row["pipeline"] for row in rows] == expected
    assert all(float(row["× the first"]) > 0 for row in rows)
    assert rows[0]["F1"] == "100.00"
    assert all(float(rows[0][name]) > 0 for name in ("÷ network", "÷ bare network", "MB"))
    assert rows[4]["÷ network"] == ""  # a pipeline without a crf_ner has none
    assert results["texts"] == 5
    assert results["results"][0]["seconds"] > 0


@pytest.mark.slow
def test_growth(tmp_path, texts, model):
    limits = ("--max-length", 20, "--max-texts", 100, "--max-labels", 4)
    run(growth.app, texts, model, *limits, *outputs(tmp_path))
    rows, results = read_outputs(tmp_path)
    assert [(row["pipeline"], row["size"]) for row in rows] == [
        *((str(model), size) for size in ("10", "20", "100")),
        ("untrained, viterbi", "4"),
        ("untrained, entities", "4"),
    ]
    assert all(float(row["µs/character"]) > 0 for row in rows)
    assert results["points"][1]["characters"] == 20


@pytest.mark.slow
def test_training_beside_a_script(tmp_path, corpus):
    run(train.app, corpus, "--steps", 4, "--warm-up", 0, *outputs(tmp_path))
    rows, results = read_outputs(tmp_path)
    trainers = (train.OURS, train.SCRIPT)
    expected = [(network, trainer) for network in ("baseline", "bilstm") for trainer in trainers]
    assert [(row["network"], row["trained by"]) for row in rows] == expected
    assert all(each["last_loss"] < each["first_loss"] for each in results["results"])
    assert all(each["batch"] == 5 for each in results["results"])


@pytest.mark.slow
def test_transformers_side_by_side(tmp_path, texts):
    pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")
    from tiny_encoders import make_encoder

    encoder = make_encoder(tmp_path / "bert", longest=512)
    sizes = ("--batch-size", 1, "--batch-size", 2)
    run(transformer.app, encoder, texts, "--runs", 1, *sizes, *outputs(tmp_path))
    rows, results = read_outputs(tmp_path)
    assert [row[""] for row in rows] == [
        "spacy-crf-ner",
        "Hugging Face, batches of 1",
        "Hugging Face, batches of 2",
        "the encoder alone",
    ]
    assert results["encoder"] == "bert"
    assert results["seconds"]["spacy-crf-ner"] > 0


def test_texts_are_joined_to_longer_ones():
    assert pipe.join_texts(["ab", "c", "defg", "h"], 4) == ["ab\nc", "defg", "h"]
    assert pipe.join_texts(["ab", "c"], 0) == ["ab", "c"]


def test_no_texts(tmp_path):
    (tmp_path / "texts.json").write_text("[]", encoding="utf8")
    result = CliRunner().invoke(pipe.app, [str(tmp_path / "texts.json"), "model"])
    assert result.exit_code == 1
    assert "no text" in result.output


def test_a_bare_network_has_the_shape_of_ours():
    nlp = make_trained()
    shape = shape_of(nlp.get_pipe("crf_ner").model)
    assert shape == Shape(32, 32, 1, len(TagSet(("PER", "LOC"))))
    scores = BareNetwork(shape, 10)(torch.tensor([[1, 2, 3], [4, 5, 0]]))
    assert scores.shape == (2, 3, shape.n_tags)


def test_ids_and_batches_of_documents():
    docs = [spacy.blank("zh").make_doc(text) for text in ("北京", "", "京北京")]
    ids, n_ids = token_ids(docs)
    assert [len(each) for each in ids] == [2, 0, 3]
    assert n_ids == 3
    assert_array_equal(ids[2], [ids[0][1], *ids[0]])
    (batch,), _ = padded_batches(docs, 4)
    assert_array_equal(batch, [[*ids[2]], [*ids[0], 0]])


def test_the_f1_is_that_of_spacy(corpus):
    assert score(make_trained(), corpus) == 1.0
    blank = make_nlp()
    blank.initialize(lambda: make_examples(blank))
    assert score(blank, corpus) == 0.0


def test_the_script_learns():
    docs = [eg.reference for eg in make_examples(spacy.blank("zh"))]
    assert gold_tags(docs)[2].tolist() == [0, 0, 0, 0]
    training = train_script(docs, Shape(8, 8, 2, 9), batch_size=5, dropout=0.0)
    losses = [next(training).loss for _ in range(20)]
    assert losses[-1] < losses[0]
