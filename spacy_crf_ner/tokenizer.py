"""Chinese characters as tokens."""

import re

from spacy.lang.zh import ChineseTokenizer, Segmenter
from spacy.tokens import Doc

WHITE_SPACE = re.compile(r"(\s+)")


class CharacterTokenizer(ChineseTokenizer):
    """spaCy's tokenizer for Chinese, but in linear time where tokens are characters.

    The tokens are the same, and so is what is saved: either loads what the other has written.
    spaCy's copies the rest of the text at each character, so its time grows with the square of the
    text's length.
    """

    def __call__(self, text: str) -> Doc:
        """Tokenize a text.

        text (str): The text.
        RETURNS (Doc): The document.
        """
        if self.segmenter != Segmenter.char:
            return super().__call__(text)
        words, spaces = split_characters(text)
        return Doc(self.vocab, words=words, spaces=spaces)


def split_characters(text: str) -> tuple[list[str], list[bool]]:
    """Split a text into characters. White space stays together, except that a space after a
    character belongs to it.

    text (str): The text.
    RETURNS (tuple[list[str], list[bool]]): The words, and whether a space follows each.
    """
    words: list[str] = []
    spaces: list[bool] = []
    # Characters and white space in turns. A text without white space is one piece.
    pieces = WHITE_SPACE.split(text)
    for characters, white in zip(pieces[::2], [*pieces[1::2], ""]):
        words += characters
        spaces += [False] * len(characters)
        if characters and white.startswith(" "):
            spaces[-1] = True
            white = white[1:]
        if white:
            words.append(white)
            spaces.append(False)
    return words, spaces
