"""`python -m spacy crf export`: a pipeline as ONNX, with a tagger that runs it."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..export.folder import export_pipeline
from .errors import exit_with
from .pipelines import load_pipeline


def export_cli(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name or folder of a trained pipeline")
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write")],
) -> None:
    """Export the crf_ner of a pipeline to ONNX. The folder has all that is needed to run it with
    NumPy and onnxruntime, without torch and spaCy: python FOLDER/tagger.py texts.txt"""
    nlp = load_pipeline(model)
    try:
        left_out = export_pipeline(nlp, folder)
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    if left_out:
        msg.warn(f"not exported: {', '.join(left_out)}")
    msg.good(f"written: {folder}")
