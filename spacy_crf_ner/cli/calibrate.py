"""`python -m spacy crf calibrate`: confidences that match how often entities are correct."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..evaluation.calibration import calibrate
from ..evaluation.examples import read_examples
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer


def calibrate_cli(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Pipeline name or folder")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A .spacy file, such as dev")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the new pipeline")],
    gpu_id: GpuId = -1,
) -> None:
    """Fit the temperature of a crf_ner on a labelled corpus that it was not trained on. The
    temperature changes the confidences, and so which entities pass a threshold."""
    use_gpu(gpu_id)
    nlp = load_recognizer(model)
    try:
        for name, temperature in calibrate(nlp, read_examples(nlp, data)).items():
            msg.info(f"{name}: temperature {temperature:.3f}")
        nlp.to_disk(output)
    except (OSError, ValueError) as error:
        exit_with(error)
    msg.good(f"written: {output}")
