"""Dictionaries and gazetteers, read from files for the lexicon of a pipeline."""

import json
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TypeGuard

from spacy.language import Language
from spacy.util import logger

from ..lexicon import SEPARATOR, set_lexicon
from ..util import CorpusError, read_lines

# The languages whose texts may contain jieba's words.
JIEBA_LANGS = ("zh", "xx")


def add_lexicon(
    jieba: bool = False, gazetteers: str | Path | Sequence[str | Path] | None = ()
) -> Callable[[Language], Language]:
    """Make a callback for [initialize.before_init] that gives a pipeline a lexicon.

    The layers that use the lexicon save it, so the sources are not needed to run the pipeline. The
    names of the sources are added to the pipeline's metadata, and so to the README of its package.

    jieba (bool): Whether to use the dictionary of jieba: its words of two characters or more, by
        part of speech. jieba must be installed. For languages other than Chinese the dictionary is
        left out, so that one config works for all languages.
    gazetteers (str | Path | Sequence[str | Path] | None): Files for `read_gazetteer`, or one file.
    RETURNS (Callable[[Language], Language]): The callback. Without any source, the lexicon is empty
        and no word is ever found.
    """

    files = [gazetteers] if isinstance(gazetteers, (str, Path)) else gazetteers or ()
    paths = [Path(file) for file in files]

    def callback(nlp: Language) -> Language:
        sources = [read_gazetteer(path) for path in paths]
        names = [f"{path.name} (gazetteer)" for path in paths]
        if jieba and nlp.lang in JIEBA_LANGS:
            sources.append(read_jieba())
            names.append("jieba (dictionary)")
        elif jieba:
            logger.info("The dictionary of jieba is Chinese: it is left out for '%s'", nlp.lang)
        set_lexicon(nlp.vocab, chain.from_iterable(sources))
        noted = nlp.meta.get("sources") or []
        added = [{"name": name} for name in names]
        nlp.meta["sources"] = [*noted, *(source for source in added if source not in noted)]
        return nlp

    return callback


def read_jieba() -> Iterator[tuple[str, str]]:
    """Read the dictionary that comes with jieba.

    Its classes are parts of speech, such as "nr" for names of persons, "ns" for names of places and
    "nt" for names of organizations.

    YIELDS (tuple[str, str]): Word and class, for words of two characters or more.
    RAISES: ValueError if jieba is not installed, CorpusError if its dictionary is not as expected.
    """
    # Importing jieba takes a second and warns about its own syntax.
    spec = find_spec("jieba")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "add_lexicon: `jieba = true` needs jieba's dictionary. Install it with "
            "`pip install jieba`, or set `jieba = false`."
        )
    path = Path(spec.submodule_search_locations[0]) / "dict.txt"
    for number, line in _read_lines(path):
        fields = line.split(" ")
        if len(fields) != 3:
            raise CorpusError(
                f"expected `word frequency class`, got {line!r}. Reinstall jieba: "
                "`pip install --force-reinstall jieba`.",
                path,
                number,
            )
        if len(fields[0]) > 1:
            yield fields[0], fields[2]


def read_gazetteer(path: str | Path) -> Iterator[tuple[str, str]]:
    """Read words and their classes.

    Each line of a text file has a word and its class, separated by a tab; or only a word, whose
    class is then the file's name without extension. A ".jsonl" file has patterns of spaCy's
    EntityRuler. Lists of token patterns are skipped with a warning.

    path (str | Path): The file.
    YIELDS (tuple[str, str]): Word and class.
    RAISES: CorpusError for any other line, or if there are no words.
    """
    path = Path(path)
    parse = _parse_pattern if path.suffix == ".jsonl" else _parse_text
    n_words = n_skipped = 0
    for number, line in _read_lines(path):
        entry = parse(path, number, line)
        if entry is None:
            n_skipped += 1
            continue
        n_words += 1
        yield entry
    if n_skipped:
        logger.warning(
            "%s: skipped %d of %d patterns, because they are lists of token patterns. A lexicon "
            "can only have strings.",
            path,
            n_skipped,
            n_skipped + n_words,
        )
    if not n_words:
        raise CorpusError("there are no words in it. Remove it from `gazetteers`.", path)


def _parse_text(path: Path, number: int, line: str) -> tuple[str, str] | None:
    fields = [field.strip() for field in line.split("\t")]
    if len(fields) > 2 or not all(fields):
        raise CorpusError(
            f"expected a word, or a word and its class separated by a tab, got {line!r}. Put each "
            "word on a line of its own.",
            path,
            number,
        )
    return fields[0], fields[1] if len(fields) == 2 else path.stem


def _parse_pattern(path: Path, number: int, line: str) -> tuple[str, str] | None:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise CorpusError(
            f"not JSON ({error.msg} at column {error.colno}). Put each pattern on a line of its "
            "own, e.g. with `jq -c '.[]'`.",
            path,
            number,
        ) from None
    label = entry.get("label") if isinstance(entry, dict) else None
    pattern = entry.get("pattern") if isinstance(entry, dict) else None
    if _is_name(label) and isinstance(pattern, list):
        return None
    if _is_name(label) and _is_name(pattern):
        return pattern.strip(), label
    raise CorpusError(
        f"expected a pattern of spaCy's EntityRuler, its strings on one line, got {line!r}. Write "
        'it as {"label": "ORG", "pattern": "Apple"}.',
        path,
        number,
    )


def _is_name(value: object) -> TypeGuard[str]:
    """Whether this is text on one line, without the halves of surrogate pairs that JSON allows."""
    return (
        isinstance(value, str)
        and bool(value.strip())
        and not any(char == SEPARATOR or "\ud800" <= char <= "\udfff" for char in value)
    )


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers."""
    return ((number, line) for number, line in enumerate(read_lines(path), 1) if line.strip())
