"""Augmenters: for entity recognition, more examples out of those that are annotated.

Each yields the example itself and then, for a share of the examples, one made from it, which has
tokens, white space and entities, and no other annotation; what is missing stays missing. An example
is only passed on if it has no tokens, if its predicted document has other tokens than its
reference, or if the reference has span groups, whose spans would have to move along.

What is put in comes from the examples seen before, so from the very corpus that is augmented, and
the first examples of the first pass have little to draw from. spaCy reads the corpus once and keeps
all examples where `training.max_epochs` is 0 or more. Only with -1 are they drawn anew in each
epoch; the corpus is then not shuffled.
"""

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

Augmenter = Callable[[Language, Example], Iterator[Example]]
# The words of an entity, and whether white space follows each. What follows the last one belongs to
# the sentence, and is False.
Mention = tuple[tuple[str, bool], ...]

# How often an entity is replaced, in an example made by mention replacement.
REPLACED = 0.5
# How often a token that is changed is dropped, and not replaced.
DROPPED = 0.5
# What is remembered to draw from. Frequent tokens are in it many times, and so drawn often.
N_TOKENS = 10000
N_DOCS = 100


class TaggedToken(NamedTuple):
    """A token as examples are made of.

    word (str): Its text.
    space (bool): Whether white space follows.
    tag (str): Its IOB tag as `Doc` takes it: "B-X", "I-X", "O", or "" where it is missing.
    """

    word: str
    space: bool
    tag: str


# Makes other tokens of an example's document and its tokens.
Vary = Callable[[Doc, list[TaggedToken], random.Random], list[TaggedToken]]


def make_mention_replacement(level: float, seed: int = 0) -> Augmenter:
    """Replace entities by others of the same label (Dai & Adel 2020, "An Analysis of Simple Data
    Augmentation for Named Entity Recognition").

    Each entity is replaced, with a probability of one half, by one of the different mentions of its
    label that were seen. Where none is replaced, no example is added.

    level (float): For which share of the examples one more is made.
    seed (int): Draws the examples and the mentions.
    RETURNS (Augmenter): The augmenter.
    RAISES: ValueError for a level outside [0, 1].
    """
    # For each label a list to draw from, and where in it each mention is.
    mentions: dict[str, list[Mention]] = defaultdict(list)
    places: dict[str, dict[Mention, int]] = defaultdict(dict)

    def vary(doc: Doc, tokens: list[TaggedToken], rng: random.Random) -> list[TaggedToken]:
        for ent in doc.ents:
            mention = _mention(ent)
            if mention not in places[ent.label_]:
                places[ent.label_][mention] = len(mentions[ent.label_])
                mentions[ent.label_].append(mention)
        varied = list(tokens)
        # From the last, so that the places of those before stay what they are.
        for ent in reversed(doc.ents):
            n_others = len(mentions[ent.label_]) - 1
            if n_others and rng.random() < REPLACED:
                drawn = rng.randrange(n_others)
                drawn += drawn >= places[ent.label_][_mention(ent)]
                mention = mentions[ent.label_][drawn]
                tags = _tags(ent.label_, len(mention))
                new = [TaggedToken(*token, tag) for token, tag in zip(mention, tags)]
                new[-1] = new[-1]._replace(space=tokens[ent.end - 1].space)
                varied[ent.start : ent.end] = new
        return varied

    return _make_augmenter(level, seed, vary)


def make_character_replacement(level: float, rate: float = 0.1, seed: int = 0) -> Augmenter:
    """Drop tokens outside of entities, or replace them by others from there (after Xie et al. 2017,
    "Data Noising as Smoothing in Neural Network Language Models").

    Tokens of entities, white space and tokens whose annotation is missing, which may be part of an
    entity, stay. What replaces a token is drawn by its frequency in what was seen last.

    level (float): For which share of the examples one more is made.
    rate (float): Which share of its tokens outside of entities is changed; half of these is dropped
        and half is replaced.
    seed (int): Draws the examples and the tokens.
    RETURNS (Augmenter): The augmenter.
    RAISES: ValueError for a level or rate outside [0, 1].
    """
    _check_share("rate", rate)
    seen: deque[str] = deque(maxlen=N_TOKENS)

    def vary(doc: Doc, tokens: list[TaggedToken], rng: random.Random) -> list[TaggedToken]:
        outside = [token.tag == "O" and not token.word.isspace() for token in tokens]
        seen.extend(token.word for token, is_outside in zip(tokens, outside) if is_outside)
        varied: list[TaggedToken] = []
        for token, is_outside in zip(tokens, outside):
            if not is_outside or rng.random() >= rate:
                varied.append(token)
            elif rng.random() >= DROPPED:
                varied.append(token._replace(word=rng.choice(seen)))
            elif varied and token.space:
                # The words on either side stay apart.
                varied[-1] = varied[-1]._replace(space=True)
        return varied

    return _make_augmenter(level, seed, vary)


def make_sentence_concatenation(level: float, seed: int = 0) -> Augmenter:
    """Append one of the examples that were seen last.

    level (float): For which share of the examples one more is made.
    seed (int): Draws the examples.
    RETURNS (Augmenter): The augmenter.
    RAISES: ValueError for a level outside [0, 1].
    """
    seen: deque[list[TaggedToken]] = deque(maxlen=N_DOCS)

    def vary(doc: Doc, tokens: list[TaggedToken], rng: random.Random) -> list[TaggedToken]:
        others = [other for other in seen if other != tokens]
        seen.append(tokens)
        if not others:
            return tokens
        # White space in between, unless the text has none, as in Chinese.
        last = tokens[-1]._replace(space=any(token.space for token in tokens))
        return [*tokens[:-1], last, *rng.choice(others)]

    return _make_augmenter(level, seed, vary)


def make_combined(*augmenters: Augmenter) -> Augmenter:
    """Use several augmenters, each on the example itself and not on what the others made of it.

    *augmenters (Augmenter): The augmenters, of spaCy as well. To have one more than once, give each
        its own seed, or they make the same.
    RETURNS (Augmenter): An augmenter that yields the example, and then all that they add.
    """

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        yield example
        for augmenter in augmenters:
            for made in augmenter(nlp, example):
                if made is not example:
                    yield made

    return augment


def _make_augmenter(level: float, seed: int, vary: Vary) -> Augmenter:
    _check_share("level", level)
    rng = random.Random(seed)

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        yield example
        doc = example.reference
        orths = doc.to_array("ORTH")
        if not orths.size or doc.spans or not np.array_equal(example.x.to_array("ORTH"), orths):
            return
        tokens = _tagged_tokens(doc)
        # Whatever the level, because it has to see all examples.
        varied = vary(doc, tokens, rng)
        if rng.random() < level and varied not in ([], tokens):
            words, spaces, tags = map(list, zip(*varied))
            reference = Doc(nlp.vocab, words=words, spaces=spaces, ents=tags)
            yield Example(Doc(nlp.vocab, words=words, spaces=spaces), reference)

    return augment


def _tagged_tokens(doc: Doc) -> list[TaggedToken]:
    tags = ["O" if token.ent_iob_ == "O" else "" for token in doc]
    for ent in doc.ents:
        tags[ent.start : ent.end] = _tags(ent.label_, len(ent))
    return [TaggedToken(t.text, bool(t.whitespace_), tag) for t, tag in zip(doc, tags)]


def _tags(label: str, length: int) -> list[str]:
    return [f"B-{label}"] + [f"I-{label}"] * (length - 1)


def _mention(ent: Span) -> Mention:
    last = len(ent) - 1
    return tuple((t.text, bool(t.whitespace_) and i < last) for i, t in enumerate(ent))


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"The {name} of an augmenter must be from 0 to 1, got {value}.")
