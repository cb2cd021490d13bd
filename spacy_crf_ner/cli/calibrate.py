"""`python -m spacy crf calibrate`: confidences that are as sure as they are right."""

from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.training import Corpus
from wasabi import msg

from ..calibration import fit_temperature
from ..component import CRFEntityRecognizer
from .errors import exit_with


def calibrate_cli(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Pipeline name or folder")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A .spacy file, such as dev")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the new pipeline")],
) -> None:
    """Fit the temperature of a crf_ner on a labelled corpus that it was not trained on. Entities
    stay the same, their confidences change."""
    if not data.is_file():
        exit_with(f"{data}: no such file. `python -m spacy crf convert` makes one of a corpus.")
    try:
        nlp = spacy.load(model)
        pipes = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, CRFEntityRecognizer)]
        if not pipes:
            exit_with(f"{model}: the pipeline has no crf_ner.")
        for pipe in pipes:
            pipe.cfg["temperature"] = fit_temperature(pipe, Corpus(data)(nlp))
            msg.info(f"{pipe.name}: temperature {pipe.cfg['temperature']:.3f}")
        nlp.to_disk(output)
    except (OSError, ValueError) as error:
        exit_with(error)
    msg.good(f"written: {output}")
