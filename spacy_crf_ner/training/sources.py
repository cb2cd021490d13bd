"""The sources of a pipeline, for its meta.json and so for the README of its package."""

from collections.abc import Callable
from pathlib import Path

from spacy.language import Language

from ..layers.pretrained_bigru import NAME as PRETRAINED
from ..layers.pretrained_bigru import SOURCE
from ..pipeline.component import crf_pipes

HUB = "https://huggingface.co/"


def add_sources(
    corpus: str | None = None,
    vectors: str | None = None,
    encoder: str | None = None,
    words: str | None = None,
) -> Callable[[Language], Language]:
    """Add the sources of a pipeline to its metadata, for `training.before_to_disk`. Those of
    pretrained weights in its layers are added as well.

    Sources that are already there, such as a lexicon's, stay. Only the last part of a folder's path
    is written, because the rest of it is private.

    corpus (str | None): The .spacy file for training. Its folder has the corpus's name.
    vectors (str | None): The folder of the pretrained vectors.
    encoder (str | None): The pretrained encoder, a name on the hub or a folder.
    words (str | None): The file of pretrained vectors of words.
    RETURNS (Callable[[Language], Language]): Changes the metadata of a pipeline and returns it.
    """
    sources: list[dict[str, str]] = []
    if corpus:
        path = Path(corpus)
        sources.append({"name": f"{path.parent.name or path.stem} (corpus)"})
    if vectors:
        sources.append({"name": f"{Path(vectors).name} (vectors)"})
    if words:
        sources.append({"name": f"{Path(words).name} (vectors of words)"})
    if encoder:
        is_folder = Path(encoder).is_dir()
        name = Path(encoder).name if is_folder else encoder
        source = {"name": f"{name} (encoder)"}
        sources.append(source if is_folder else {**source, "url": HUB + name})

    def note(nlp: Language) -> Language:
        new = sources + _of_layers(nlp)
        # This is called at each evaluation.
        earlier = [source for source in nlp.meta.get("sources") or [] if source not in new]
        nlp.meta["sources"] = earlier + new
        return nlp

    return note


def _of_layers(nlp: Language) -> list[dict[str, str]]:
    layers = (layer for pipe in crf_pipes(nlp).values() for layer in pipe.model.walk())
    return [dict(layer.attrs[SOURCE]) for layer in layers if layer.name == PRETRAINED]
