"""Reading of the labelled corpora that `crf evaluate` is given, in any format."""

from collections import Counter
from pathlib import Path

from spacy.language import Language
from spacy.training import Example
from wasabi import msg

from ..evaluation.examples import make_examples, read_examples
from ..formats.catalogue import get_format
from ..formats.corpus import CorpusSet, read_corpus, require_entities
from ..formats.find import find_files, set_names
from ..util import CorpusError

# A set of this name must have entities.
SET = "train"


def read_gold(nlp: Language, path: Path, format: str | None) -> list[Example]:
    """Read a labelled corpus, and show what is repaired or skipped.

    nlp (Language): The pipeline with the tokenizer.
    path (Path): A .spacy file, or a corpus file or a folder of one set in another format.
    format (str | None): The name of the format. None: told by content.
    RETURNS (list[Example]): The examples.
    RAISES: CorpusError if the corpus cannot be read, or has no entities; ValueError if there is no
        such format; ImportError if the format needs a package.
    """
    if path.suffix == ".spacy" and not path.is_dir() and format is None:
        return read_examples(nlp, path)
    names = set_names(path)
    if len(names) > 1:
        raise CorpusError(f"it has several sets: {', '.join(names)}. Name the file of one.", path)
    found = find_files([path], SET)
    form = get_format(format) if format else None
    corpus = read_corpus(found.sets, nlp, format=form)
    require_entities(corpus.sets, found.sets)
    _show(corpus.sets[SET], corpus.scheme)
    for each in found.ignored:
        msg.info(f"ignored: {each.name}")
    return make_examples(nlp, corpus.sets[SET].docs)


def _show(corpus_set: CorpusSet, scheme: str | None) -> None:
    msg.info(f"format: {', '.join(corpus_set.formats)}")
    if scheme:
        msg.info(f"tag scheme: {scheme}")
    for what, count in sorted(corpus_set.left_out.items()):
        msg.info(f"{what}: {count:,}")
    for kind, count in sorted(Counter(note.kind for note in corpus_set.notes).items()):
        msg.warn(f"{kind}: {count:,}")
    if corpus_set.notes:
        msg.info("`python -m spacy crf convert` with --verbose lists them.")
