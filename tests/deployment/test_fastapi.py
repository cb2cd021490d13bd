"""The web server of docs/deployment.md."""

import importlib
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from util import TEXTS, TRAIN

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="needs FastAPI, which the extra 'deployment' has")
testclient = pytest.importorskip(
    "fastapi.testclient", reason="needs httpx, which the extra 'deployment' has"
)


@pytest.fixture
def app(in_recipes, monkeypatch):
    """The module of the server."""
    monkeypatch.delitem(sys.modules, "app", raising=False)
    yield importlib.import_module("app")
    monkeypatch.delitem(sys.modules, "app")


@pytest.fixture
def client(app):
    # As in a server, one event loop has all requests.
    with testclient.TestClient(app.app) as client:
        yield client


def ask(client, texts):
    response = client.post("/entities", json=texts)
    assert response.status_code == 200, response.text
    return response.json()


def expected(nlp, text):
    spans = [(ent, ent._.confidence) for ent in nlp(text).ents]
    return [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "label": ent.label_,
            "text": ent.text,
            "confidence": pytest.approx(confidence),
        }
        for ent, confidence in spans
    ]


def unseen(count):
    """Texts with words that are new to the vocabulary."""
    rng = random.Random(0)
    characters = [chr(code) for code in range(0x4E00, 0x9FA5)]
    return ["".join(rng.choices(characters, k=12)) + "王明在北京工作" for _ in range(count)]


def test_it_answers_with_entities_and_confidences(client, nlp):
    for text, ents in TRAIN:
        (found,) = ask(client, [text])
        assert [(ent["start"], ent["end"], ent["label"]) for ent in found] == ents
        assert all(0.5 < ent["confidence"] <= 1 for ent in found)
        assert found == expected(nlp, text)


def test_texts_may_be_empty_or_missing(client):
    assert ask(client, []) == []
    assert ask(client, [""]) == [[]]
    assert ask(client, ["", TEXTS[0]]) == [[], *ask(client, [TEXTS[0]])]


def test_a_batch_has_the_answers_of_its_texts(client, nlp):
    texts = [*TEXTS, "", *unseen(20)]
    assert ask(client, texts) == [expected(nlp, text) for text in texts]


def test_what_is_no_list_of_texts_is_refused(client):
    assert client.post("/entities", json=["王明", 1]).status_code == 422
    assert client.post("/entities", json="王明").status_code == 422


def test_many_requests_at_once_get_the_same_answers_as_one_by_one(client):
    texts = unseen(200)
    one_by_one = [ask(client, [text]) for text in texts]
    assert any(ents for (ents,) in one_by_one)
    with ThreadPoolExecutor(16) as pool:
        at_once = list(pool.map(lambda text: ask(client, [text]), texts))
    assert at_once == one_by_one


def test_new_words_do_not_stay_in_memory(app, client):
    before = len(app.nlp.vocab.strings)
    ask(client, unseen(20))
    assert len(app.nlp.vocab.strings) == before
