"""`python -m spacy crf card`: a model card for a pipeline, before it is packaged."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..evaluation.card import NOT_STATED, read_about, write_card
from ..evaluation.examples import read_examples
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer


def card_cli(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of the pipeline")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A .spacy file, such as test")],
    about: Annotated[
        Path | None,
        typer.Option(help="Markdown on training data, licence, intended use and limits"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Package name, without the language")] = None,
    version: Annotated[str | None, typer.Option(help="Package version")] = None,
    gpu_id: GpuId = -1,
) -> None:
    """Write a model card to the README.md of a pipeline's folder, and the scores to its meta.json.
    `python -m spacy package` puts both into the package."""
    use_gpu(gpu_id)
    if not (model / "meta.json").is_file():
        exit_with(f"{model}: no folder of a pipeline. `python -m spacy train` writes one.")
    nlp = load_recognizer(str(model))
    nlp.meta["name"] = name or nlp.meta["name"]
    nlp.meta["version"] = version or nlp.meta["version"]
    # Only the last part of the folder's path, because the rest of it is private.
    corpus = f"{data.resolve().parent.name}/{data.name}"
    try:
        said = NOT_STATED if about is None else read_about(about)
        write_card(nlp, read_examples(nlp, data), said, data=corpus, folder=model)
    except (OSError, ValueError) as error:
        exit_with(error)
    msg.good(f"written: {model / 'README.md'} and meta.json")
