"""Random encoders, as small as they can be, of the classes that published ones have."""

import string

import torch
import transformers
from spacy_transformers.layers.trfs2arrays import trfs2arrays
from thinc.api import reduce_mean
from tokenizers import ByteLevelBPETokenizer

WIDTH = 32
# Positions of an encoder, special tokens included.
LONGEST = 24
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHINESE = [*"王明在北京大学工作上海有雨好的是。，！", "王朝"]
LETTERS = [*string.ascii_letters, *string.digits, *".,!-"]
PIECES = [*SPECIAL, *CHINESE, *LETTERS, *(f"##{x}" for x in LETTERS), "Lon", "##don", "lon"]
SIZES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    # A random encoder as published ones begin says nearly the same of everything.
    "initializer_range": 0.3,
}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def make_encoder(folder, kind="bert", *, lower=True, fast=True, longest=LONGEST, **config):
    """Save a random encoder: "bert" with wordpieces, "roberta" with bytes, or "guwen", which is a
    RoBERTa with wordpieces."""
    folder.mkdir(parents=True)
    if kind == "roberta":
        bytes_ = ByteLevelBPETokenizer()
        bytes_.train_from_iterator(
            ["the city of London, in London"],
            vocab_size=280,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        )
        bytes_.save_model(str(folder))
        cls = transformers.RobertaTokenizerFast if fast else transformers.RobertaTokenizer
        tokenizer = cls(str(folder / "vocab.json"), str(folder / "merges.txt"))
    else:
        (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf8")
        cls = transformers.BertTokenizerFast if fast else transformers.BertTokenizer
        tokenizer = cls(str(folder / "vocab.txt"), do_lower_case=lower)
    tokenizer.save_pretrained(folder)
    sizes = {**SIZES, "vocab_size": len(tokenizer), **config}
    torch.manual_seed(0)
    if kind == "bert":
        settings = transformers.BertConfig(max_position_embeddings=longest, **sizes)
        model = transformers.BertModel(settings)
    else:
        settings = transformers.RobertaConfig(max_position_embeddings=longest + 2, **sizes)
        model = transformers.RobertaModel(settings)
    model.save_pretrained(folder)
    return str(folder)


def add_transformer(nlp, name, window=LONGEST, stride=8, **settings):
    """Add the component `transformer`, initialized, to a pipeline without other components."""
    model = {"@architectures": "spacy_crf_ner.TransformerModel.v1", "name": name}
    model.update(settings, window=window, stride=stride)
    pipe = nlp.add_pipe("transformer", config={"model": model})
    nlp.initialize()
    return pipe


def pooling():
    """What a listener does with what it hears."""
    return trfs2arrays(reduce_mean(), 1.0)


def token_vectors(doc_data):
    """The vectors that it makes of documents."""
    return pooling().predict(doc_data)
