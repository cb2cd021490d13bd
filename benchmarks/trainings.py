"""Two ways to train the same network on the same sentences: with spaCy and spacy-crf-ner, and with
the usual script in plain PyTorch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import spacy
import torch
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc
from spacy.training.loop import create_train_batches
from spacy.util import load_config, registry, resolve_dot_names
from thinc.api import Config, fix_random_seed, get_torch_default_device
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from torchcrf import CRF

from spacy_crf_ner.evaluation.examples import read_examples
from spacy_crf_ner.tags import TagSet

from .networks import BareNetwork, Shape, token_ids

# The baseline of CHisIEC, of which only the attention is left out.
BASELINE_EMBED = {"@architectures": "spacy_crf_ner.VectorsEmbed.v1", "width": 300, "rows": 10000}
BASELINE_ENCODE = {"width": 512, "depth": 3}
BASELINE_BATCH = 128
BASELINE_BUFFER = 16 * BASELINE_BATCH
# The same for both: that of the configs changes with the steps.
LEARN_RATE = 0.001
# The script's.
MAX_NORM = 5.0


class Step(NamedTuple):
    """A step of training.

    sentences (int): The number of sentences in the batch.
    tokens (int): The number of tokens, without padding.
    loss (float): The negative log-likelihood of all of them, in nats.
    """

    sentences: int
    tokens: int
    loss: float


def read_docs(corpus: Path, lang: str) -> list[Doc]:
    """Read the sentences to train on.

    corpus (Path): A .spacy file.
    lang (str): The language.
    RETURNS (list[Doc]): The annotated documents.
    RAISES: CorpusError if the file cannot be read, or has no annotation of entities.
    """
    return [eg.reference for eg in read_examples(spacy.blank(lang), corpus)]


def make_config(path: Path, corpus: Path, lang: str, tokens: int | None) -> Config:
    """Change a training config so that a plain script can do the same: without adversarial
    training, without changed copies of sentences, and with one learning rate.

    path (Path): The config, like configs/bilstm.cfg.
    corpus (Path): A .spacy file to train on.
    lang (str): The language.
    tokens (int | None): For the baseline's network, the size of a batch in tokens. None: the
        config's own network and batches.
    RETURNS (Config): The changed config.
    """
    files = {"paths.train": str(corpus), "paths.dev": str(corpus)}
    config = load_config(path, {**files, "nlp.lang": lang})
    recognizer = config["components"]["crf_ner"]
    recognizer["adversarial_epsilon"] = 0.0
    config["corpora"]["train"]["augmenter"] = None
    config["training"]["optimizer"]["learn_rate"] = LEARN_RATE
    if tokens is not None:
        recognizer["model"]["tok2vec"]["embed"] = BASELINE_EMBED
        recognizer["model"]["tok2vec"]["encode"].update(BASELINE_ENCODE)
        # The buffer is sorted by length. A small one would leave a remainder of a batch each time.
        config["training"]["batcher"].update(size=tokens, buffer=BASELINE_BUFFER)
    return config


def train_ours(nlp: Language) -> Iterator[Step]:
    """Train a pipeline with `nlp.update` on the batches of its config.

    nlp (Language): The pipeline, initialized.
    YIELDS (Step): Each step after it is done, without end.
    """
    config = nlp.config.interpolate()
    settings = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    (corpus,) = resolve_dot_names(config, [settings["train_corpus"]])
    for _, batch in create_train_batches(nlp, corpus, settings["batcher"], 0):
        losses = nlp.update(batch, drop=settings["dropout"], sgd=settings["optimizer"])
        tokens = sum(len(eg.predicted) for eg in batch)
        yield Step(len(batch), tokens, losses["crf_ner"] * len(batch))


def train_script(
    docs: Sequence[Doc], shape: Shape, batch_size: int, dropout: float
) -> Iterator[Step]:
    """Train as scripts do: random batches padded with zeros, pytorch-crf, Adam, clipped gradients.

    docs (Sequence[Doc]): The sentences.
    shape (Shape): The size of the network.
    batch_size (int): The number of sentences in a batch.
    dropout (float): The dropout rate.
    YIELDS (Step): Each step after it is done, without end.
    """
    fix_random_seed(0)
    device = get_torch_default_device()
    ids, n_ids = token_ids(docs)
    network = BareNetwork(shape, n_ids, dropout).to(device)
    crf = CRF(shape.n_tags, batch_first=True).to(device)
    parameters = [*network.parameters(), *crf.parameters()]
    optimizer = torch.optim.Adam(parameters, LEARN_RATE)
    # A list is as good as a Dataset.
    sentences: Any = list(zip(ids, gold_tags(docs)))
    loader: DataLoader = DataLoader(sentences, batch_size, shuffle=True, collate_fn=_pad)
    while True:
        for tokens, tags in loader:
            tokens, tags = tokens.to(device), tags.to(device)
            mask = tokens > 0
            loss = -crf(network(tokens), tags, mask, reduction="mean")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM)
            optimizer.step()
            yield Step(len(tokens), int(mask.sum()), float(loss.detach()) * len(tokens))


def gold_tags(docs: Sequence[Doc]) -> list[Tensor]:
    """The tags of sentences.

    docs (Sequence[Doc]): The sentences.
    RETURNS (list[Tensor]): The BIOES tag ids of each.
    """
    tag_set = TagSet(tuple(sorted({ent.label_ for doc in docs for ent in doc.ents})))
    return [
        torch.tensor(tag_set.from_spans([(e.start, e.end, e.label_) for e in doc.ents], len(doc)))
        for doc in docs
    ]


def _pad(sentences: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    ids, tags = zip(*sentences)
    return pad_sequence(list(ids), batch_first=True), pad_sequence(list(tags), batch_first=True)
