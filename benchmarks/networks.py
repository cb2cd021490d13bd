"""The network of a recognizer as a plain PyTorch module: what a speed is compared with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import Model
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence


class Shape(NamedTuple):
    """The size of a network.

    width (int): The width of the embeddings.
    hidden (int): The width of the LSTMs, half of it for each direction.
    depth (int): The number of LSTM layers.
    n_tags (int): The number of tags.
    """

    width: int
    hidden: int
    depth: int
    n_tags: int


class BareNetwork(nn.Module):
    """Embeddings, LSTMs and a linear layer, without documents, features and CRF.

    shape (Shape): Its size.
    n_ids (int): How many tokens have an embedding. Id 0 is padding.
    dropout (float): The dropout rate of what goes into each layer.
    """

    def __init__(self, shape: Shape, n_ids: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Embedding(n_ids, shape.width, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.encode = nn.LSTM(
            shape.width,
            shape.hidden // 2,
            shape.depth,
            batch_first=True,
            bidirectional=True,
            # torch warns about a dropout between layers if there is only one.
            dropout=dropout if shape.depth > 1 else 0.0,
        )
        self.output = nn.Linear(shape.hidden, shape.n_tags)

    def forward(self, ids: Tensor) -> Tensor:
        """Score the tags of tokens.

        ids (Tensor): (B, T) the ids of tokens.
        RETURNS (Tensor): (B, T, C) the scores.
        """
        states, _ = self.encode(self.dropout(self.embed(ids)))
        return self.output(self.dropout(states))


def shape_of(model: Model) -> Shape | None:
    """Find the size of a network.

    model (Model): The network of a `crf_ner`, initialized.
    RETURNS (Shape | None): Its size; None if its encoder is more than BiLSTMs.
    """
    nodes = list(model.walk())
    lstms = [node for node in nodes if node.name == "bilstm"]
    if not lstms or any(node.name == "self_attention" for node in nodes):
        return None
    n_tags = model.get_ref("output_layer").get_dim("nO")
    return Shape(lstms[0].get_dim("nI"), lstms[0].get_dim("nO"), len(lstms), n_tags)


def padded_batches(docs: Sequence[Doc], batch_size: int) -> tuple[list[Tensor], int]:
    """Make batches for a bare network of documents sorted by length, so that there is little
    padding. It is not packed: on a CPU, that takes twice the time.

    docs (Sequence[Doc]): The documents.
    batch_size (int): The number of documents in a batch.
    RETURNS (tuple[list[Tensor], int]): The ids of each batch, (B, T); and how many ids there are.
    """
    ids, n_ids = token_ids(docs)
    ids = sorted((each for each in ids if len(each)), key=len, reverse=True)
    batches = minibatch(ids, batch_size)
    return [pad_sequence(batch, batch_first=True) for batch in batches], n_ids


def token_ids(docs: Sequence[Doc]) -> tuple[list[Tensor], int]:
    """Number the different tokens of documents from 1.

    docs (Sequence[Doc]): The documents.
    RETURNS (tuple[list[Tensor], int]): The ids of each document; and how many ids there are, with
        0 for padding.
    """
    orths = [doc.to_array("ORTH") for doc in docs]
    different, ids = np.unique(np.concatenate(orths), return_inverse=True)
    parts = torch.from_numpy(ids + 1).split([len(each) for each in orths])
    return list(parts), len(different) + 1


@torch.inference_mode()
def run_network(network: BareNetwork, batches: Sequence[Tensor]) -> None:
    """Run a network over batches.

    network (BareNetwork): The network, in evaluation mode.
    batches (Sequence[Tensor]): The ids of each batch, on its device.
    """
    for ids in batches:
        network(ids)
