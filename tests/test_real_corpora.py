"""Training on a real corpus, as the README's results are made, only shorter."""

import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_crf_ner.evaluation.evaluate import evaluate
from spacy_crf_ner.evaluation.examples import read_examples

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    subprocess.run([sys.executable, "-m", "spacy", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def badou(corpora, tmp_path_factory):
    """A folder with the converted corpus and a pipeline trained on it."""
    folder = tmp_path_factory.mktemp("badou")
    run("crf", "convert", corpora / "badou", folder)
    run(
        *("train", ROOT / "configs" / "bilstm.cfg", "--output", folder),
        *("--paths.train", folder / "train.spacy", "--paths.dev", folder / "dev.spacy"),
        *("--training.max_steps", 1200),
    )
    return folder


@pytest.mark.slow
def test_better_than_the_scripts_it_replaces(badou):
    nlp = spacy.load(badou / "model-best")
    scores = evaluate(nlp, read_examples(nlp, badou / "test.spacy"))
    assert scores["ents_f"] > 0.68
    assert scores["ents_macro_f"] > 0.66


@pytest.mark.slow
def test_ten_thousand_sentences(badou):
    nlp = spacy.load(badou / "model-best")
    docs = DocBin().from_disk(badou / "test.spacy").get_docs(nlp.vocab)
    texts = [doc.text for doc in docs]
    stream = (texts * (10_000 // len(texts) + 1))[:10_000]
    ents = [[ent.text for ent in doc.ents] for doc in nlp.pipe(stream)]
    assert len(ents) == 10_000
    # The same text has the same entities, whatever stands beside it in the stream.
    assert all(found == ents[i % len(texts)] for i, found in enumerate(ents))
