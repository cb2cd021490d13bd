"""`crf_ner` on an encoder: pipelines from configs, trained, stored and loaded."""

from pathlib import Path

import numpy as np
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.cli.debug_config import debug_config
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

pytest.importorskip("spacy_transformers", reason="needs the extra 'transformers'")

from thinc.api import Adam
from tiny_encoders import LONGEST, NO_DROPOUT, add_transformer, make_encoder

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / ".." / "shared" / "models" / "e5-small-zh"
CONFIGS = ["transformer", "transformer_bilstm"]
TRAIN = [
    ("王明在北京工作。", [(0, 2, "PERSON"), (3, 5, "LOCATION")]),
    ("上海有雨。", [(0, 2, "LOCATION")]),
    ("好的。", []),
    ("大学在上海。" * 9, [(3, 5, "LOCATION")]),
]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("encoders") / "bert", **NO_DROPOUT)


def make_examples(nlp, annotated=TRAIN):
    return [Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in annotated]


def overrides(folder, encoder):
    """What makes one of our configs small."""
    nlp = spacy.blank("zh")
    DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(folder / "train.spacy")
    (folder / "places.txt").write_text("北京\n上海\n", encoding="utf8")
    return {
        "paths.train": str(folder / "train.spacy"),
        "paths.dev": str(folder / "train.spacy"),
        "paths.encoder": encoder,
        "components.transformer.model.window": LONGEST,
        "components.transformer.model.stride": 16,
        "training.max_steps": 2,
        "training.eval_frequency": 1,
        "training.accumulate_gradient": 2,
        "training.logger": {"@loggers": "spacy.ConsoleLogger.v3", "console_output": False},
    }


def with_gazetteer(folder, name):
    """The dictionary of jieba takes seconds."""
    if name == "transformer":
        return {}
    before_init = {
        "@callbacks": "spacy_crf_ner.add_lexicon.v1",
        "gazetteers": [str(folder / "places.txt")],
    }
    return {"initialize.before_init": before_init}


@pytest.mark.parametrize(
    "name", [CONFIGS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in CONFIGS[1:])]
)
def test_configs_train_store_and_load(tmp_path, bert, name):
    settings = {**overrides(tmp_path, bert), **with_gazetteer(tmp_path, name)}
    config = load_config(ROOT / "configs" / f"{name}.cfg", overrides=settings)
    nlp = init_nlp(config)
    encoder = nlp.get_pipe("transformer").model.transformer
    before = {key: p.detach().clone() for key, p in encoder.named_parameters()}
    (tmp_path / "output").mkdir()
    nlp, _ = train(nlp, tmp_path / "output")
    # The second step is the first one with a learning rate above 0.
    changed = [key for key, p in encoder.named_parameters() if not before[key].equal(p)]
    assert len([key for key in before if "pooler" not in key]) == len(changed)
    loaded = spacy.load(tmp_path / "output" / "model-last")
    texts = [text for text, _ in TRAIN] + ["", " \n", "王" * 500]
    for ours, theirs in zip(loaded.pipe(texts), nlp.pipe(texts)):
        assert [(e.text, e.label_) for e in ours.ents] == [(e.text, e.label_) for e in theirs.ents]


@pytest.mark.parametrize("name", CONFIGS)
def test_filled_configs_are_valid(tmp_path, bert, name, capsys):
    path = ROOT / "configs" / f"{name}.cfg"
    filled = spacy.util.load_model_from_config(load_config(path), auto_fill=True).config
    filled.to_disk(tmp_path / "filled.cfg", interpolate=False)
    settings = {"paths.train": str(path), "paths.dev": str(path), "paths.encoder": bert}
    debug_config(tmp_path / "filled.cfg", overrides=settings)
    output = capsys.readouterr().out
    assert "Config validation for [training]" in output
    assert "error" not in output.lower()


def make_nlp(bert, lang="zh", **settings):
    nlp = spacy.blank(lang)
    add_transformer(nlp, bert, **settings)
    model = {
        "@architectures": "spacy_crf_ner.CRFTagger.v2",
        "tok2vec": {
            "@architectures": "spacy-transformers.TransformerListener.v1",
            "pooling": {"@layers": "reduce_mean.v1"},
        },
    }
    nlp.add_pipe("crf_ner", config={"model": model})
    return nlp


def test_learning_reaches_the_encoder(bert):
    nlp = make_nlp(bert)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.003)
    losses = [nlp.update(examples, sgd=optimizer)["crf_ner"] for _ in range(40)]
    assert losses[-1] < 0.1 * losses[0]
    for example in examples:
        doc = nlp(example.reference.text)
        assert [(e.text, e.label_) for e in doc.ents] == [
            (e.text, e.label_) for e in example.reference.ents
        ]


def test_documents_without_tokens_in_training(bert):
    nlp = make_nlp(bert)
    examples = make_examples(nlp, [*TRAIN, ("", []), (" \n ", [])])
    nlp.initialize(lambda: examples)
    assert nlp.update(examples, sgd=Adam(0.001))["crf_ner"] > 0
    assert nlp.update(examples[-2:], sgd=Adam(0.001))["crf_ner"] > 0
    assert nlp.update(examples[-2:-1], sgd=Adam(0.001))["crf_ner"] == 0
    assert nlp("").ents == ()


def test_a_tag_is_the_same_in_any_batch(bert):
    nlp = make_nlp(bert)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    for _ in range(3):
        nlp.update(examples, sgd=Adam(0.003))
    pipe = nlp.get_pipe("crf_ner")
    docs = [doc for doc, _ in zip(nlp.pipe([text for text, _ in TRAIN] * 3), range(12))]
    together = pipe.potentials(docs).emissions.numpy()
    alone = [pipe.potentials([nlp(doc.text)]).emissions.numpy() for doc in docs]
    assert_allclose(together, np.concatenate(alone), atol=1e-5)


# Like published encoders: class of the model, class of the tokenizer, and its case.
LIKE = {
    "bert-base-chinese": ("bert", {"lower": False}),
    "hfl/chinese-bert-wwm-ext": ("bert", {"lower": True}),
    "hfl/chinese-roberta-wwm-ext": ("bert", {"lower": True}),
    "hfl/chinese-roberta-wwm-ext-large": ("bert", {"lower": True, "num_hidden_layers": 4}),
    "bert-base-cased": ("bert", {"lower": False}),
    "bert-base-uncased": ("bert", {"lower": True}),
    "SIKU-BERT/sikubert": ("bert", {"lower": True}),
    "ethanyt/guwenbert-base": ("guwen", {"lower": True}),
    "roberta-base": ("roberta", {}),
}


# One of each class of tokenizer is quick.
QUICK = ("bert-base-chinese", "roberta-base")
PUBLISHED = [pytest.param(x, marks=[] if x in QUICK else [pytest.mark.slow]) for x in LIKE]


@pytest.mark.parametrize("published", PUBLISHED)
def test_encoders_like_published_ones(tmp_path, published):
    kind, settings = LIKE[published]
    english = published in ("bert-base-cased", "bert-base-uncased", "roberta-base")
    nlp = make_nlp(make_encoder(tmp_path / "encoder", kind, **settings), "en" if english else "zh")
    annotated = [("Ann went to London.", [(12, 18, "LOCATION")])] if english else TRAIN
    examples = make_examples(nlp, annotated)
    nlp.initialize(lambda: examples)
    losses = [nlp.update(examples, sgd=Adam(0.003))["crf_ner"] for _ in range(2)]
    assert np.isfinite(losses).all()
    doc = nlp(annotated[0][0])
    assert doc._.trf_data.align.lengths.min() > 0
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    for one in (nlp, loaded):
        docs = [doc._.trf_data for doc in one.pipe([annotated[0][0]] * 2)]
        assert_allclose(
            docs[0].model_output.last_hidden_state,
            doc._.trf_data.model_output.last_hidden_state,
            atol=1e-5,
        )
    model = loaded.get_pipe("transformer").model
    upper, lower = (model.tokenizer.tokenize(text) for text in ("LONDON", "london"))
    assert (upper == lower) == settings.get("lower", False)


@pytest.mark.slow
def test_a_real_encoder_has_a_piece_for_each_character():
    if not REAL.is_dir():
        pytest.skip(f"needs what is not at {REAL}")
    nlp = spacy.blank("zh")
    pipe = add_transformer(nlp, str(REAL), window=512, stride=384)
    lines = (ROOT / "assets" / "sample.zh.txt").read_text(encoding="utf8").split("\n")
    docs = [nlp.make_doc(line) for line in lines if line]
    docs.append(nlp.make_doc("".join(lines)))
    counts = np.concatenate([data.align.lengths for data in pipe.predict(docs).doc_data])
    assert len(counts) == sum(map(len, docs))
    assert counts.min() >= 1
    assert counts.mean() < 1.05
