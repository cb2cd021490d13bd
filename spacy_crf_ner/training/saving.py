"""Saving of pipelines in training, so that a process may be killed at any moment."""

from collections.abc import Callable, Iterable
from copy import copy
from functools import partial
from pathlib import Path

from spacy.language import Language

from ..util import replacing_folder


def replace_whole(
    callback: Callable[[Language], Language] | None = None,
) -> Callable[[Language], Language]:
    """Save a pipeline beside the earlier one and then swap the folders, for
    `training.before_to_disk`.

    If the process is killed, the disk is full or anything else goes wrong, `model-last` is either
    the earlier pipeline or the new one. It is missing only between two renames. Then `model-best`
    is complete, because `spacy train` writes it at other times.

    callback (Callable[[Language], Language] | None): Another callback, which is called first.
    RETURNS (Callable[[Language], Language]): Returns a pipeline with the same components, which is
        saved in this way.
    """

    def change(nlp: Language) -> Language:
        changed = nlp if callback is None else callback(nlp)
        whole = copy(changed)
        whole.to_disk = partial(_to_disk, changed)  # type: ignore[method-assign]
        return whole

    return change


def _to_disk(nlp: Language, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
    with replacing_folder(Path(path)) as folder:
        nlp.to_disk(folder, exclude=exclude)
