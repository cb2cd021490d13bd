"""A random BERT whose vocabulary has more than characters, to make vectors of."""

import pytest
import torch

WIDTH = 12
# What must not become a vector: special tokens, words, what cannot be seen or written.
OTHERS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "##", "the", "##ing", "中国"]
OTHERS += ["\u200b", "\u3000", "\x07", "\ufffd"]
PIECES = [*OTHERS, *"abcde#，", "##中", "##国", "##a", "中", *"京北上海大学"]
CHARACTERS = [*"abcde#，国中京北上海大学"]


def make_bert(folder, pieces=tuple(PIECES), **kwargs):
    """Save a random BERT with a vocabulary, and get its embeddings."""
    transformers = pytest.importorskip("transformers", reason="needs the extra 'transformers'")
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": WIDTH, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=len(pieces), num_hidden_layers=1, **sizes)
    torch.manual_seed(0)
    model = transformers.BertModel(config)
    model.save_pretrained(folder, **kwargs)
    return model.get_input_embeddings().weight.detach().double().numpy()
