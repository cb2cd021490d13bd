"""A small trained pipeline of each kind, in processes and threads. A test runs this as a program of
its own, so that torch has as many threads as it takes by itself:

python tests/faults/several_at_once.py KIND FOLDER
"""

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import spacy
from spacy.language import Language
from tiny_encoders import CHINESE, LONGEST, make_encoder
from util import MODEL, TRAIN, fit, small

LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "pooling": {"@layers": "reduce_mean.v1"},
}
Found = list[tuple[list[tuple[int, int, str]], np.ndarray]]


def make_pipeline(kind: str, folder: Path) -> Language:
    """A pipeline of the kind "bilstm", "attention" or "transformer", trained a little."""
    model = small(MODEL)["model"]
    nlp = spacy.blank("zh")
    if kind == "attention":
        encode = model["tok2vec"]["encode"]
        attention = {"@architectures": "spacy_crf_ner.SelfAttentionEncoder.v1", "encode": encode}
        model["tok2vec"]["encode"] = attention
    elif kind == "transformer":
        name = make_encoder(folder / "encoder")
        encoder = {"@architectures": "spacy_crf_ner.TransformerModel.v1", "name": name}
        encoder.update(window=LONGEST, stride=8)
        nlp.add_pipe("transformer", config={"model": encoder})
        model["tok2vec"] = LISTENER
    nlp.add_pipe("crf_ner", config={"model": model, "spans_key": "crf"})
    return fit(nlp, steps=20, train=TRAIN)[0]


def make_texts(count: int) -> list[str]:
    """Short texts of random characters."""
    rng = random.Random(0)
    return ["".join(rng.choices(CHINESE, k=rng.randint(1, 12))) for _ in range(count)]


def find(nlp: Language, texts: list[str], **settings) -> Found:
    """The entities and the confidences in texts."""
    return [
        (
            [(ent.start, ent.end, ent.label_) for ent in doc.ents],
            doc.spans["crf"].attrs["scores"],
        )
        for doc in nlp.pipe(texts, **settings)
    ]


def assert_same(found: Found, expected: Found) -> None:
    """Whether the entities are the same, and the confidences up to what rounding may change."""
    assert [ents for ents, _ in found] == [ents for ents, _ in expected]
    for (_, scores), (_, others) in zip(found, expected):
        np.testing.assert_allclose(scores, others, atol=1e-4)


def main(kind: str, folder: str) -> None:
    nlp = make_pipeline(kind, Path(folder))
    texts = make_texts(200)
    # Long ones, so that torch uses its threads before the processes are forked.
    long = [text * 20 for text in texts[:64]]
    alone = find(nlp, texts, batch_size=4)
    assert any(ents for ents, _ in alone)
    with ThreadPoolExecutor(2) as pool:
        for other in pool.map(lambda _: find(nlp, texts, batch_size=4), range(4)):
            assert_same(other, alone)
    expected = find(nlp, long)
    assert_same(find(nlp, long, n_process=2, batch_size=16), expected)


if __name__ == "__main__":
    main(*sys.argv[1:])
