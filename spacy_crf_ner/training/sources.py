"""The sources of a pipeline, for its meta.json and so for the README of its package."""

from collections.abc import Callable
from pathlib import Path

from spacy.language import Language

HUB = "https://huggingface.co/"


def add_sources(
    corpus: str | None = None,
    vectors: str | None = None,
    encoder: str | None = None,
) -> Callable[[Language], Language]:
    """Add the sources of a pipeline to its metadata, for `training.before_to_disk`.

    Sources that are already there, such as a lexicon's, stay. Only the last part of a folder's path
    is written, because the rest of it is private.

    corpus (str | None): The .spacy file for training. Its folder has the corpus's name.
    vectors (str | None): The folder of the pretrained vectors.
    encoder (str | None): The pretrained encoder, a name on the hub or a folder.
    RETURNS (Callable[[Language], Language]): Changes the metadata of a pipeline and returns it.
    """
    sources: list[dict[str, str]] = []
    if corpus:
        path = Path(corpus)
        sources.append({"name": f"{path.parent.name or path.stem} (corpus)"})
    if vectors:
        sources.append({"name": f"{Path(vectors).name} (vectors)"})
    if encoder:
        is_folder = Path(encoder).is_dir()
        name = Path(encoder).name if is_folder else encoder
        source = {"name": f"{name} (encoder)"}
        sources.append(source if is_folder else {**source, "url": HUB + name})

    def note(nlp: Language) -> Language:
        # This is called at each evaluation.
        earlier = [source for source in nlp.meta.get("sources") or [] if source not in sources]
        nlp.meta["sources"] = earlier + sources
        return nlp

    return note
