"""`python -m spacy crf evaluate`: score a pipeline on a labelled corpus."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import srsly
import typer
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from ..evaluation.calibration import plot_reliability
from ..evaluation.evaluate import evaluate
from ..evaluation.examples import read_examples
from ..pipeline.component import crf_pipes
from ..pipeline.decoding import Decoding
from ..util import CorpusError, replacing
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer


def evaluate_cli(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Pipeline name or folder")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A .spacy file with entities")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the scores")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Image file for a reliability diagram")] = None,
    decoding: Annotated[
        Decoding | None, typer.Option(help="Decoding to use instead of crf_ner's own")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Threshold to use instead of crf_ner's own")
    ] = None,
    gpu_id: GpuId = -1,
) -> None:
    """Score the entities that a pipeline finds: precision, recall and F1, overall and per label;
    and the calibration of a crf_ner."""
    use_gpu(gpu_id)
    nlp = load_recognizer(model)
    for pipe in crf_pipes(nlp).values():
        pipe.decoding = decoding or pipe.decoding
        pipe.threshold = pipe.threshold if threshold is None else threshold
    try:
        scores = evaluate(nlp, read_examples(nlp, data), _progress)
    except CorpusError as error:
        exit_with(error)
    _show(scores)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing(output) as path:
            srsly.write_json(path, scores)
        msg.good(f"written: {output}")
    if plot is not None:
        if "calibration" not in scores:
            exit_with("The pipeline has no crf_ner, and so no confidences to draw.")
        try:
            plot_reliability(scores["calibration"]["bins"], plot)
        except ImportError:
            exit_with("A picture needs matplotlib: pip install 'spacy-crf-ner[report]'.")
        msg.good(f"written: {plot}")


def _progress(docs: Iterable[Doc], total: int) -> Iterable[Doc]:
    return tqdm(docs, total=total, unit="docs", leave=False, disable=None)


def _show(scores: dict[str, Any]) -> None:
    support = scores["ents_support"]
    rows = [
        (label, *_percent(prf["p"], prf["r"], prf["f"]), support[label])
        for label, prf in sorted(scores["ents_per_type"].items())
    ]
    rows.append(("macro", "", "", *_percent(scores["ents_macro_f"]), ""))
    micro = _percent(*(scores[key] for key in ("ents_p", "ents_r", "ents_f")))
    rows.append(("all (micro)", *micro, sum(support.values())))
    msg.table(rows, header=("", "P", "R", "F", "gold"), aligns=tuple("lrrrr"), divider=True)
    accuracy, macro = _percent(scores["ents_token_acc"], scores["ents_token_macro_f"])
    msg.info(f"tags of tokens (BIOES): accuracy {accuracy}, macro F {macro}")
    speed = scores["words_per_second"]
    msg.info(
        f"{scores['docs']:,} documents, {scores['words']:,} words"
        + (f", {speed:,.0f} words/s" if speed else "")
    )
    if scores.get("calibration", {}).get("ece") is not None:
        msg.info(f"expected calibration error {scores['calibration']['ece']:.4f}")


def _percent(*values: float | None) -> tuple:
    return tuple("-" if value is None else f"{value * 100:.2f}" for value in values)
