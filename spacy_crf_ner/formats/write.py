"""Writing docs to files, all or none, and what is lost in doing so."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ..util import replacing
from .docbin import FORMAT as DOCBIN
from .docbin import UNSPACED_LANGS
from .format import (
    MISSING,
    SPACES,
    TOKENS,
    UNANNOTATED,
    WHITE_SPACE,
    Format,
    Predictions,
    is_annotated,
)


def write_files(
    files: Mapping[Path, Iterable[Doc]], format: Format, predictions: Predictions | None = None
) -> None:
    """Write docs to files. On failure, no file is written.

    files (Mapping[Path, Iterable[Doc]]): The docs of each file.
    format (Format): The format.
    predictions (Predictions | None): If the entities are predictions, where they come from.
    """
    with ExitStack() as stack:
        for path, docs in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            format.write(stack.enter_context(replacing(path)), docs, predictions)


def write_docbins(files: dict[Path, list[Doc]]) -> None:
    """Write docs to `.spacy` files. On failure, no file is written.

    files (dict[Path, list[Doc]]): The docs of each file.
    """
    write_files(files, DOCBIN)


def count_losses(docs: Iterable[Doc], format: Format, nlp: Language) -> Counter[str]:
    """Count the docs of which a format cannot hold everything.

    docs (Iterable[Doc]): The docs.
    format (Format): The format.
    nlp (Language): The pipeline with the tokenizer that will read the texts again.
    RETURNS (Counter[str]): The number of docs for each thing that is lost.
    """
    is_lost: dict[str, Callable[[Doc], bool]] = {
        TOKENS: lambda doc: [t.text for t in nlp.tokenizer(doc.text)] != [t.text for t in doc],
        SPACES: lambda doc: not _has_usual_spaces(doc, nlp.lang),
        WHITE_SPACE: _has_white_space,
        MISSING: lambda doc: is_annotated(doc) and not all(t.ent_iob for t in doc),
        UNANNOTATED: lambda doc: not is_annotated(doc),
    }
    return Counter(what for doc in docs for what in sorted(format.loses) if is_lost[what](doc))


def _has_usual_spaces(doc: Doc, lang: str | None) -> bool:
    """Whether a doc has the spaces that tokens get if nothing is known of them."""
    usual = lang not in UNSPACED_LANGS
    return doc.has_unknown_spaces or all(bool(t.whitespace_) == usual for t in doc[:-1])


def _has_white_space(doc: Doc) -> bool:
    """Whether a token is white space or has some in it, or an entity type does."""
    strings = [*(token.text for token in doc), *(ent.label_ for ent in doc.ents)]
    return any(char.isspace() for string in strings for char in string)
