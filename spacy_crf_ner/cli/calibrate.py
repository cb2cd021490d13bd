"""`python -m spacy crf calibrate`: confidences that match how often entities are correct."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..calibration.calibrate import calibrate
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
    """Fit the temperature and the threshold of a crf_ner to a labelled corpus that it was not
    trained on, as training does with dev."""
    use_gpu(gpu_id)
    nlp = load_recognizer(model)
    try:
        for name, fitted in calibrate(nlp, read_examples(nlp, data)).items():
            if fitted is None:
                msg.warn(f"{name}: stays as it was, because {data} has no entities for it.")
                continue
            threshold = "none" if fitted.threshold is None else f"{fitted.threshold:.3f}"
            msg.info(
                f"{name}: temperature {fitted.temperature:.3f}, threshold {threshold}, expected F1 "
                f"{fitted.expected_f1:.4f}, F1 {fitted.f1:.4f}"
            )
        nlp.to_disk(output)
    except (OSError, ValueError) as error:
        exit_with(error)
    msg.good(f"written: {output}")
