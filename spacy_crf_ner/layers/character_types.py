"""The types of characters, for `FeatureEmbed`.

`crf export` copies this module into the folder that it writes, so it needs nothing but Python.
"""

import unicodedata
from itertools import groupby

# The characters of the CJK block (from U+4E00 on) that are numeric in Unicode 15.0. Not taken from
# Python, where 3.13 added 京 and 两: a model must see the same features in all versions of Python.
NUMERALS = frozenset(
    "一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零"
)


def character_types(text: str) -> str:
    """The types of a token's characters, with runs of the same type merged.

    A type is the character's Unicode category ("Lu", "Ll", "Nd", "Po", ...). Letters without case
    have their script instead, the first word of their Unicode name ("CJK", "HIRAGANA", "HANGUL",
    ...), and the characters of NUMERALS, such as 三, have "numeral".

    text (str): The token.
    RETURNS (str): The types joined by spaces, such as "Lu Ll" for "Peking".
    """
    return " ".join(kind for kind, _ in groupby(map(_character_type, text)))


def _character_type(character: str) -> str:
    category = unicodedata.category(character)
    if category != "Lo":
        return category
    if character in NUMERALS:
        return "numeral"
    return unicodedata.name(character, category).split()[0]
