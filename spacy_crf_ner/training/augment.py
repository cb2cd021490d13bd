"""Augmenters for entity recognition, which make more examples from the annotated ones.

Each yields the example itself and, for a share of the examples, a variant of it. The variant has
tokens, white space and entities, and no other annotation. Missing annotation stays missing. There
is no variant of an example that has no tokens, whose predicted document has different tokens than
its reference, or whose reference has span groups, because their spans would have to move as well,
or is annotated for some labels only, because an augmenter may combine documents.

Replacements come from the examples seen before, that is, from the same corpus, so the first
examples of the first epoch have little to draw from. If `training.max_epochs` is 0 or more, spaCy
reads the corpus once and keeps all examples. Only with -1 are new variants made in each epoch; the
corpus is then not shuffled.
"""

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..pipeline.partial import annotated_labels

Augmenter = Callable[[Language, Example], Iterator[Example]]
# The words of an entity, each with whether white space follows. It is False for the last word: the
# white space after that one belongs to the sentence.
Mention = tuple[tuple[str, bool], ...]

# The probability that mention replacement replaces an entity.
REPLACED = 0.5
# The probability that a changed token is dropped rather than replaced.
DROPPED = 0.5
# What `Doc.to_array("ENT_IOB")` has for tokens outside of entities.
OUTSIDE = 2
# The number of tokens and documents to remember and draw from. Frequent tokens are drawn often.
N_TOKENS = 10000
N_DOCS = 100


class TaggedToken(NamedTuple):
    """A token of an example, with its tag.

    word (str): Its text.
    space (bool): Whether white space follows.
    tag (str): Its IOB tag in the form that `Doc` takes: "B-X", "I-X", "O", or "" if missing.
    """

    word: str
    space: bool
    tag: str


# Makes a variant's tokens from an example's document, its tokens and a random generator.
Vary = Callable[[Doc, list[TaggedToken], random.Random], list[TaggedToken]]


def make_mention_replacement(level: float, seed: int = 0) -> Augmenter:
    """Replace entities with others of the same label (Dai & Adel 2020, "An Analysis of Simple Data
    Augmentation for Named Entity Recognition").

    Each entity is replaced with probability 0.5. All other mentions of its label that were seen are
    equally likely, however frequent they are. If no entity is replaced, no example is added.

    level (float): The share of the examples to make a variant of.
    seed (int): The seed for drawing the examples and the mentions.
    RETURNS (Augmenter): The augmenter.
    RAISES: ValueError for a level outside [0, 1].
    """
    # For each label, a list to draw from, and the position of each mention in it.
    mentions: dict[str, list[Mention]] = defaultdict(list)
    places: dict[str, dict[Mention, int]] = defaultdict(dict)

    def vary(doc: Doc, tokens: list[TaggedToken], rng: random.Random) -> list[TaggedToken]:
        ents = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
        own = [_mention(tokens[start:end]) for start, end, _ in ents]
        for mention, (_, _, label) in zip(own, ents):
            if mention not in places[label]:
                places[label][mention] = len(mentions[label])
                mentions[label].append(mention)
        varied = list(tokens)
        # From the last to the first, so that the positions of those before stay the same.
        for mention, (start, end, label) in zip(reversed(own), reversed(ents)):
            n_others = len(mentions[label]) - 1
            if n_others and rng.random() < REPLACED:
                drawn = rng.randrange(n_others)
                drawn += drawn >= places[label][mention]
                other = mentions[label][drawn]
                tags = _tags(label, len(other))
                new = [TaggedToken(*token, tag) for token, tag in zip(other, tags)]
                new[-1] = new[-1]._replace(space=tokens[end - 1].space)
                varied[start:end] = new
        return varied

    return _make_augmenter(level, seed, vary)


def make_character_replacement(level: float, rate: float = 0.1, seed: int = 0) -> Augmenter:
    """Drop tokens outside of entities, or replace them with others from outside of entities (after
    Xie et al. 2017, "Data Noising as Smoothing in Neural Network Language Models").

    Tokens of entities, white space and unannotated tokens, which may be part of an entity, stay.
    Replacements are drawn by their frequency among the tokens seen last.

    level (float): The share of the examples to make a variant of.
    rate (float): The share of a variant's tokens outside of entities to change. Half of these are
        dropped and half are replaced.
    seed (int): The seed for drawing the examples and the tokens.
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
    """Append one of the examples seen last.

    level (float): The share of the examples to make a variant of.
    seed (int): The seed for drawing the examples.
    RETURNS (Augmenter): The augmenter.
    RAISES: ValueError for a level outside [0, 1].
    """
    seen: deque[list[TaggedToken]] = deque(maxlen=N_DOCS)

    def vary(doc: Doc, tokens: list[TaggedToken], rng: random.Random) -> list[TaggedToken]:
        others = [other for other in seen if other != tokens]
        seen.append(tokens)
        if not others:
            return tokens
        # Separated by white space, unless the text has none, as in Chinese.
        last = tokens[-1]._replace(space=any(token.space for token in tokens))
        return [*tokens[:-1], last, *rng.choice(others)]

    return _make_augmenter(level, seed, vary)


def make_combined(*augmenters: Augmenter) -> Augmenter:
    """Use several augmenters, each on the example itself and not on the variants of the others.

    *augmenters (Augmenter): The augmenters, including those of spaCy. To use one more than once,
        give each its own seed, or they make the same variants.
    RETURNS (Augmenter): An augmenter that yields the example, and then the variants of all.
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
        if not orths.size or doc.spans or annotated_labels(doc) is not None:
            return
        if not np.array_equal(example.x.to_array("ORTH"), orths):
            return
        tokens = _tagged_tokens(doc)
        # Called for every example, because it has to see all of them.
        varied = vary(doc, tokens, rng)
        if rng.random() < level and varied not in ([], tokens):
            words, spaces, tags = map(list, zip(*varied))
            reference = Doc(nlp.vocab, words=words, spaces=spaces, ents=tags)
            yield Example(Doc(nlp.vocab, words=words, spaces=spaces), reference)

    return augment


def _tagged_tokens(doc: Doc) -> list[TaggedToken]:
    # Arrays, because spaCy makes an object of each token.
    orths, spaces, iob = doc.to_array(["ORTH", "SPACY", "ENT_IOB"]).T
    tags = np.where(iob == OUTSIDE, "O", "").tolist()
    for ent in doc.ents:
        tags[ent.start : ent.end] = _tags(ent.label_, len(ent))
    words = [doc.vocab.strings[orth] for orth in orths.tolist()]
    return list(map(TaggedToken, words, spaces.astype(bool).tolist(), tags))


def _tags(label: str, length: int) -> list[str]:
    return [f"B-{label}"] + [f"I-{label}"] * (length - 1)


def _mention(tokens: list[TaggedToken]) -> Mention:
    words = [(token.word, token.space) for token in tokens]
    return (*words[:-1], (tokens[-1].word, False))


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"The {name} of an augmenter must be from 0 to 1, got {value}.")
