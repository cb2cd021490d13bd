"""A tagger that runs what `crf export` wrote. It needs NumPy and onnxruntime, and nothing else:

    python FOLDER/tagger.py texts.txt

`crf export` copies this module and those that it imports into the folder.
"""

import json
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from heapq import heapreplace
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

if __package__:
    from .decoding import Decoder, Entity, Layout
    from .dictionary import SEPARATOR, Dictionary, SoftWords, Trie, count_up
    from .features import Features
else:  # in the exported folder
    from decoding import Decoder, Entity, Layout  # type: ignore[no-redef, import-not-found]
    from dictionary import SEPARATOR, Dictionary, SoftWords, Trie, count_up  # type: ignore[no-redef, import-not-found]
    from features import Features  # type: ignore[no-redef, import-not-found]

# Of the files of a folder. A tagger reads no other.
FORMAT = 1
CHARACTERS = "characters"
# spaCy's tokens of Chinese text: each character is one, and so is white space, except for a single
# space, or the first one of several, after another character.
CHARACTER = re.compile(r"\S|(?<!\S)\s+|[^\S ]\s*")
# The tokens of a batch, unless a text has more; and the rows that the LSTM reads at once. With more
# rows, what a step computes does not fit into the processor's cache.
MAX_TOKENS = 2**15
MAX_ROWS = 64
# How many lines of a file are tagged at once, and the digits of confidences.
LINES = 2**12
DIGITS = 6


class Text(NamedTuple):
    """A text and its tokens.

    text (str): The text.
    words (list[str]): The tokens.
    starts (list[int]): The character where each begins.
    """

    text: str
    words: list[str]
    starts: list[int]


class Tagger:
    """Finds the entities that `nlp.pipe` finds.

    has_tokenizer (bool): Whether it splits texts into tokens itself. Otherwise it takes words only.
    """

    def __init__(self, folder: str | Path, *, threads: int = 0) -> None:
        """Load a tagger.

        folder (str | Path): The folder that `crf export` wrote.
        threads (int): The number of threads, 0 for one for each core.
        RAISES: ImportError without onnxruntime. ValueError if another version wrote the folder.
        """
        try:
            import onnxruntime
        except ImportError:
            raise ImportError("A tagger needs onnxruntime: pip install onnxruntime") from None
        folder = Path(folder)
        settings: dict[str, Any] = json.loads((folder / "settings.json").read_text("utf8"))
        if settings["format"] != FORMAT:
            raise ValueError(
                f"{folder} has the format {settings['format']}, this tagger reads {FORMAT}. Use "
                "the tagger.py of the folder, or export the pipeline again."
            )
        arrays = dict(np.load(folder / "arrays.npz"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [each.name for each in self._session.get_inputs()]
        self.has_tokenizer: bool = settings["tokens"] == CHARACTERS
        self._temperature = np.float32(settings["temperature"])
        self._features = Features(settings, arrays)
        self._lookups: list[Dictionary | SoftWords] = []
        if settings["classes"]:
            self._lookups.append(Dictionary(Trie("trie", arrays), len(settings["classes"])))
        if settings["words"]:
            self._lookups.append(SoftWords(Trie("words", arrays), settings["words"]))
        self._decoder = Decoder(settings, arrays)

    def __call__(self, texts: Sequence[str]) -> list[list[Entity]]:
        """Find the entities of texts. They do not depend on which texts are tagged together.

        texts (Sequence[str]): The texts.
        RETURNS (list[list[Entity]]): The entities of each text, in characters.
        RAISES: ValueError if the pipeline's tokens are not characters.
        """
        if not self.has_tokenizer:
            raise ValueError(
                "This tagger has no tokenizer for its language. Split the texts into words as "
                "spaCy's tokenizer does, and call tag_words."
            )
        split = [_split_characters(text) for text in texts]
        return [
            [
                ent._replace(
                    start=text.starts[ent.start],
                    end=text.starts[ent.end - 1] + len(text.words[ent.end - 1]),
                )
                for ent in ents
            ]
            for text, ents in zip(split, self._tag(split))
        ]

    def tag_words(
        self, texts: Sequence[Sequence[str]], *, separator: str = " "
    ) -> list[list[Entity]]:
        """Find the entities of texts that are split into words.

        texts (Sequence[Sequence[str]]): The words of each text.
        separator (str): What is between two words. Words of the dictionary are found across it.
        RETURNS (list[list[Entity]]): The entities of each text, in words.
        """
        return self._tag([_join(words, separator) for words in texts])

    def _tag(self, texts: Sequence[Text]) -> list[list[Entity]]:
        found: list[list[Entity]] = [[] for _ in texts]
        for batch in _batches([len(text.words) for text in texts]):
            for i, ents in zip(batch, self._tag_batch([texts[i] for i in batch])):
                found[i] = ents
        return found

    def _tag_batch(self, texts: Sequence[Text]) -> list[list[Entity]]:
        """Tag texts with tokens, the longest first."""
        words = list(chain.from_iterable(text.words for text in texts))
        lengths = np.array([len(text.words) for text in texts])
        inputs = self._features(words, lengths) | _arrange(lengths)
        if self._lookups:
            sizes = np.array([len(text.text) + len(SEPARATOR) for text in texts])
            starts = np.array(list(chain.from_iterable(text.starts for text in texts)))
            starts += np.repeat(sizes.cumsum() - sizes, lengths)
            ends = starts + np.array([len(word) for word in words])
            for look_up in self._lookups:
                inputs |= look_up([text.text for text in texts], starts, ends)
        (emissions,) = self._session.run(None, {name: inputs[name] for name in self._inputs})
        is_space = np.array([word.isspace() for word in words])
        return self._decoder(emissions / self._temperature, is_space, Layout(lengths))


def _split_characters(text: str) -> Text:
    matches = list(CHARACTER.finditer(text))
    return Text(text, [match[0] for match in matches], [match.start() for match in matches])


def _join(words: Sequence[str], separator: str) -> Text:
    lengths = np.array([len(word) + len(separator) for word in words], dtype="i8")
    return Text(separator.join(words), list(words), (lengths.cumsum() - lengths).tolist())


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group the texts that are not empty, the longest first."""
    batch: list[int] = []
    n_tokens = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (n_tokens + lengths[i] > MAX_TOKENS or not lengths[i]):
            yield batch
            batch, n_tokens = [], 0
        if not lengths[i]:
            return
        batch.append(i)
        n_tokens += lengths[i]
    if batch:
        yield batch


def _arrange(lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Arrange texts for an LSTM, the longest first. It reads many rows at once, and in each row one
    text after the other, so there is hardly any padding. In the backward direction, the tokens of
    each text are in reverse."""
    n_rows = max(1, min(MAX_ROWS, lengths.sum() // lengths[0]))
    shortest = [(0, row) for row in range(n_rows)]
    begins, rows = np.empty_like(lengths), np.empty_like(lengths)
    for i, length in enumerate(lengths.tolist()):
        begins[i], rows[i] = begin, row = shortest[0]
        heapreplace(shortest, (begin + length, row))
    n_steps, n_tokens = max(shortest)[0], lengths.sum()
    # The state of the text before is not kept.
    keep = np.ones((n_steps, n_rows, 1), dtype="f4")
    keep[begins, rows] = 0
    inputs = {"keep": keep}
    step, begins, rows = count_up(lengths), np.repeat(begins, lengths), np.repeat(rows, lengths)
    last = np.repeat(lengths, lengths) - 1
    for direction, offset in (("forward", step), ("backward", last - step)):
        tokens = np.zeros((n_steps, n_rows), dtype="i8")
        tokens[begins + offset, rows] = np.arange(n_tokens)
        inputs |= {direction: tokens, f"{direction}_places": (begins + offset) * n_rows + rows}
    return inputs


def main() -> None:
    """Print the entities of each line of a file as JSON."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("texts", type=Path, help="a file with one text per line")
    path = parser.parse_args().texts
    tagger = Tagger(Path(__file__).parent)
    with path.open(encoding="utf8") as file:
        while lines := [line.rstrip("\n") for line in islice(file, LINES)]:
            for text, ents in zip(lines, tagger(lines)):
                entities = [_describe(text, ent) for ent in ents]
                line = json.dumps({"text": text, "entities": entities}, ensure_ascii=False)
                sys.stdout.write(line + "\n")


def _describe(text: str, ent: Entity) -> dict[str, Any]:
    confidence = round(ent.confidence, DIGITS)
    return {**ent._asdict(), "text": text[ent.start : ent.end], "confidence": confidence}


if __name__ == "__main__":
    main()
