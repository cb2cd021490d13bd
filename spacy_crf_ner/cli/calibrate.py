"""`python -m spacy crf calibrate`: confidences that are as sure as they are right."""

from pathlib import Path
from typing import Annotated, Iterator

import spacy
import typer
from spacy.training import Example
from wasabi import msg

from ..calibration import fit_temperature
from ..component import CRFEntityRecognizer
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer, read_annotated


def calibrate_cli(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Pipeline name or folder")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A .spacy file, such as dev")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the new pipeline")],
    gpu_id: GpuId = -1,
) -> None:
    """Fit the temperature of a crf_ner on a labelled corpus that it was not trained on. Entities
    stay the same, their confidences change."""
    use_gpu(gpu_id)
    nlp = load_recognizer(model)
    try:
        pipes = {name: p for name, p in nlp.pipeline if isinstance(p, CRFEntityRecognizer)}
        if not pipes:
            exit_with(f"{model}: the pipeline has no crf_ner.")
        for name, pipe in pipes.items():
            pipe.cfg["temperature"] = fit_temperature(pipe, _examples(nlp, name, data))
            msg.info(f"{name}: temperature {pipe.cfg['temperature']:.3f}")
        nlp.to_disk(output)
    except (OSError, ValueError) as error:
        exit_with(error)
    msg.good(f"written: {output}")


def _examples(nlp: spacy.Language, name: str, data: Path) -> Iterator[Example]:
    """The corpus, with what a component is given by those before it, such as a transformer."""
    examples = read_annotated(nlp, data)
    with nlp.select_pipes(enable=nlp.pipe_names[: nlp.pipe_names.index(name)]):
        for eg, doc in zip(examples, nlp.pipe(eg.predicted for eg in examples)):
            eg.predicted = doc
            yield eg
