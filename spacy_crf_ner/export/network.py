"""The parts of a network that can be exported."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import srsly
from thinc.api import Model, to_numpy

# These only hand on what they get, in prediction.
GLUE = ("list2ragged", "ragged2list", "dropout", "ints-getitem")
EMBEDDINGS = (
    "token_features",
    "vectors_embed",
    "lexicon_embed",
    "soft_lexicon",
    "per_word",
    "pretrained_bigru",
)


@dataclass
class Network:
    """A network of embeddings, a BiLSTM and an output layer.

    embeddings (list[Model]): The layers of EMBEDDINGS, in the order in which their vectors are
        concatenated.
    tables (list[Model]): The HashEmbed of each feature of `token_features`.
    encoders (list[tuple[Model, Model | None]]): The layers of the BiLSTM, each with the LayerNorm
        after it, if there is one.
    output (Model): The output layer.
    """

    output: Model
    embeddings: list[Model] = field(default_factory=list)
    tables: list[Model] = field(default_factory=list)
    encoders: list[tuple[Model, Model | None]] = field(default_factory=list)

    @property
    def features(self) -> list[tuple[str, Model]]:
        """The name and the HashEmbed of each feature of the tokens."""
        layer = self.find("token_features")
        return list(zip(layer.attrs["features"], self.tables)) if layer else []

    def find(self, name: str) -> Model | None:
        """Find an embedding.

        name (str): Its name, one of EMBEDDINGS.
        RETURNS (Model | None): The layer, or None if the network has none.
        """
        return next((e for e in self.embeddings if kind_of(e) == name), None)


def read_network(model: Model) -> Network:
    """Find the parts of a network.

    model (Model): A `CRFTagger`.
    RETURNS (Network): The parts.
    RAISES: ValueError naming a layer that cannot be exported.
    """
    network = Network(model.get_ref("output_layer"))
    encoders, width = network.encoders, 0
    for part in _parts(model.get_ref("tok2vec")):
        kind = kind_of(part)
        if kind in EMBEDDINGS and not encoders and network.find(kind) is None:
            network.embeddings.append(part)
        elif kind == "hashembed" and not encoders:
            network.tables.append(part)
        elif kind == "bilstm" and part.get_dim("nI") == width:
            encoders.append((part, None))
        elif kind == "layernorm" and encoders and encoders[-1][1] is None:
            encoders[-1] = (encoders[-1][0], part)
        else:
            raise _cannot_export(part)
        # The width of all embeddings together, or of the last layer of the encoder.
        if kind != "token_features":
            width = part.get_dim("nO") + (0 if encoders else width)
    if not encoders:
        raise _cannot_export(model.get_ref("tok2vec"))
    return network


def kind_of(layer: Model) -> str:
    """What a layer is.

    layer (Model): The layer.
    RETURNS (str): Its name, without those of the layers in it.
    """
    return layer.name.partition("(")[0]


def _parts(layer: Model) -> Iterator[Model]:
    """The layers with weights or features, in order."""
    names = [inner.name for inner in layer.layers]
    if layer.name in (">>".join(names), "|".join(names), f"with_array({'>>'.join(names)})"):
        for inner in layer.layers:
            yield from _parts(inner)
    elif layer.name not in GLUE:
        yield layer


def _cannot_export(layer: Model) -> ValueError:
    return ValueError(
        f"The layer '{layer.name:.80}' cannot be exported. What can be are networks like those of "
        "configs/bilstm.cfg and configs/bilstm_words.cfg: FeatureEmbed, VectorsEmbed, "
        "LexiconEmbed, SoftLexicon, CharacterCNN and PretrainedBiGRU, each at most once, and "
        "BiLSTMEncoder."
    )


def weights_of(layer: Model, name: str) -> np.ndarray:
    """The weights of a layer.

    layer (Model): The layer.
    name (str): The name of the parameter.
    RETURNS (np.ndarray): The weights.
    """
    return to_numpy(layer.get_param(name))


def read_vectors(layer: Model) -> dict[str, np.ndarray]:
    """The pretrained vectors of a `VectorsEmbed`.

    layer (Model): The layer.
    RETURNS (dict[str, np.ndarray]): The "keys" of words, their "rows" and the "table", whose last
        row is for other words. The table has no columns if there are no vectors.
    """
    return srsly.msgpack_loads(layer.attrs["vectors"].data)


def read_letters(layer: Model) -> tuple[Model, list[tuple[int, Model]]]:
    """The parts of a `CharacterCNN`.

    layer (Model): The layer.
    RETURNS (tuple[Model, list[tuple[int, Model]]]): The table of characters; and the size of each
        convolution's window, and its weights.
    """
    inner = list(layer.walk(order="dfs_pre"))
    (table,) = (node for node in inner if node.name == "hashembed")
    sizes = [2 * n.attrs["window_size"] + 1 for n in inner if n.name == "expand_window"]
    return table, list(zip(sizes, (node for node in inner if node.name == "linear")))
