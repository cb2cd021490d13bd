"""What a tagger needs to know besides the graph."""

import re
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from spacy.attrs import NORM, intify_attr
from spacy.lang.lex_attrs import LEX_ATTRS
from spacy.language import Language
from spacy.strings import get_string_id
from spacy.symbols import IDS
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ..lexicon import SEPARATOR
from ..pipeline.component import CRFEntityRecognizer
from ..pipeline.constraints import constrain
from .dictionary import build_trie
from .features import ATTRIBUTES, TYPE
from .network import Network, read_letters, read_vectors
from .tagger import CHARACTERS, FORMAT

OF_NORM = re.compile("NORM|BIGRAM_LEFT|BIGRAM_RIGHT")
OF_TEXT = re.compile(f"{TYPE}|(PREFIX|SUFFIX)_[1-9]")


def describe(
    nlp: Language, component: CRFEntityRecognizer, network: Network
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Describe a component for a tagger.

    nlp (Language): The pipeline.
    component (CRFEntityRecognizer): The component.
    network (Network): The parts of its model.
    RETURNS (tuple[dict[str, Any], dict[str, np.ndarray]]): The contents of `settings.json` and
        `arrays.npz`.
    RAISES: ValueError for a feature that cannot be computed without spaCy.
    """
    names = [name for name, _ in network.features]
    _check_features(names, nlp.vocab)
    letters, words = network.find("per_word"), network.find("lexicon_embed")
    bigru, soft = network.find("pretrained_bigru"), network.find("soft_lexicon")
    # The tokenizer of Chinese has this attribute.
    is_by_character = getattr(nlp.tokenizer, "segmenter", None) == "char"
    settings = {
        "format": FORMAT,
        "spacy_crf_ner": version("spacy-crf-ner"),
        "lang": nlp.lang,
        "tokens": CHARACTERS if is_by_character else "words",
        "tags": component.tag_set.tags,
        "decoding": component.decoding,
        "threshold": component.threshold,
        "temperature": component.temperature,
        "features": [
            {"input": f"feature_{i}", "name": name, **_describe_table(table)}
            for i, (name, table) in enumerate(network.features)
        ],
        "vectors": [],
        "letters": _describe_letters(letters) if letters else None,
        "characters": bigru is not None,
        "classes": words.attrs["classes"] if words else [],
        "words": len(soft.attrs["word_vectors"].words) if soft else 0,
        "symbols": {text: i for text, i in IDS.items() if text},
    }
    has_norms = any(map(OF_NORM.fullmatch, names))
    arrays = {"norms": _to_array(_read_norms(nlp.vocab) if has_norms else {})}
    arrays |= _read_crf(component, nlp.vocab)
    if words:
        arrays |= build_trie("trie", _classes_of_words(words))
    if settings["words"] and soft:
        numbers = {word: [i] for i, word in enumerate(soft.attrs["word_vectors"].words)}
        arrays |= build_trie("words", numbers)
    if bigru:
        rows = bigru.attrs["characters"].items()
        arrays["characters"] = _to_array({get_string_id(text): row for text, row in rows})
    vectors = network.find("vectors_embed")
    if vectors:
        settings["vectors"], maps = _read_rows(vectors)
        arrays |= maps
    return settings, arrays


def _check_features(names: list[str], vocab: Vocab) -> None:
    for name in names:
        known = OF_TEXT.fullmatch(name) or OF_NORM.fullmatch(name)
        attribute = intify_attr(name)
        if not known and name not in ATTRIBUTES:
            raise ValueError(
                f"The feature {name} cannot be exported. What can be are NORM, BIGRAM_LEFT, "
                f"BIGRAM_RIGHT, {', '.join(ATTRIBUTES)}, PREFIX_n, SUFFIX_n and {TYPE}."
            )
        if name in ATTRIBUTES and attribute in LEX_ATTRS:
            _require_default(name, _getters(vocab)[attribute], vocab)


def _getters(vocab: Vocab) -> dict[int, Any]:
    """The functions that compute the attributes of tokens."""
    return vocab.lex_attr_getters  # type: ignore[attr-defined]  # not in the stub


def _require_default(name: str, getter: object, vocab: Vocab) -> None:
    if getter is not LEX_ATTRS[intify_attr(name)]:
        raise ValueError(
            f"The feature {name} cannot be exported, because the language {vocab.lang!r} has a "
            "function of its own for it. Train without it, and without bigrams if it is NORM."
        )


def _describe_table(table: Model) -> dict[str, int]:
    return {"rows": table.get_dim("nV"), "seed": table.attrs["seed"]}


def _describe_letters(layer: Model) -> dict[str, Any]:
    table, convolutions = read_letters(layer)
    return {**_describe_table(table), "sizes": [size for size, _ in convolutions]}


def _read_norms(vocab: Vocab) -> dict[int, int]:
    """The ids of tokens whose NORM is not their lower case, and the ids of the norms."""
    norms: dict[int, int] = {}
    getter = _getters(vocab)[NORM]
    while isinstance(getter, partial):
        getter, tables = getter.args
        for table in tables:
            for key, norm in table.items():
                norms.setdefault(get_string_id(key), get_string_id(norm))
    _require_default("NORM", getter, vocab)
    # Words that the tokenizer already had when the pipeline's tables were loaded.
    for lexeme in vocab:
        if lexeme.norm != norms.get(lexeme.orth, get_string_id(lexeme.lower_)):
            norms[lexeme.orth] = lexeme.norm
    return norms


def _read_crf(component: CRFEntityRecognizer, vocab: Vocab) -> dict[str, np.ndarray]:
    tag_set = component.tag_set
    # A prediction makes sure that the network has its vectors and its lexicon, even if an earlier
    # version saved it.
    raw = component.potentials([Doc(vocab, words=["a"])]).cpu()
    legal = constrain(raw, tag_set)
    return {
        "start": legal.start.numpy(),
        "transitions": legal.transitions.numpy(),
        "end": legal.end.numpy(),
        "opens": tag_set.opens,
        "continues": tag_set.continues,
        "closes": tag_set.legal_ends,
    }


def _classes_of_words(layer: Model) -> dict[str, list[int]]:
    """The classes of each word of a `LexiconEmbed`, as the layer has weights for them."""
    classes: dict[str, list[int]] = {}
    for name, text in layer.attrs["lexicon"].texts().items():
        for word in filter(None, text.split(SEPARATOR)):
            classes.setdefault(word, []).append(layer.attrs["classes"].index(name))
    return classes


def _read_rows(layer: Model) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Which rows words have in the table of a `VectorsEmbed`: the learned vectors, and after them
    the pretrained ones. These are also found by the form and the lower case of a word."""
    learned = [{"name": "learned", "forms": 1, "unknown": 0}]
    maps = {"learned": _to_array(layer.attrs["index"])}
    pretrained = read_vectors(layer)
    if not pretrained["table"].shape[1]:
        return learned, maps
    n_learned, n_pretrained = layer.get_dim("nV"), len(pretrained["table"])
    rows = pretrained["rows"].astype("u8") + np.uint64(n_learned)
    maps["pretrained"] = np.stack([pretrained["keys"], rows])
    unknown = n_learned + n_pretrained - 1
    return [*learned, {"name": "pretrained", "forms": 3, "unknown": unknown}], maps


def _to_array(pairs: dict[int, int]) -> np.ndarray:
    """(2, pairs) keys and values."""
    return np.array(list(pairs.items()), dtype="u8").reshape(-1, 2).T
