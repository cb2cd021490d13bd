"""`python -m spacy crf evaluate`: score a pipeline on a labelled corpus."""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional, cast

import spacy
import srsly
import typer
from spacy.training import Example
from tqdm import tqdm
from wasabi import msg

from ..calibration import Bin, expected_calibration_error, plot_reliability, reliability
from ..component import CRFEntityRecognizer, Decoding
from ..formats.files import replacing
from ..scoring import score_entities, score_tokens
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer, read_annotated


def evaluate_cli(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Pipeline name or folder")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A .spacy file with entities")],
    output: Annotated[
        Optional[Path], typer.Option("--output", "-o", help="JSON file for the scores")
    ] = None,
    plot: Annotated[
        Optional[Path], typer.Option(help="Picture of how far confidences can be trusted")
    ] = None,
    decoding: Annotated[
        Optional[Decoding], typer.Option(help="Decoding of crf_ner instead of its own")
    ] = None,
    threshold: Annotated[
        Optional[float], typer.Option(min=0, max=1, help="Threshold of crf_ner instead of its own")
    ] = None,
    gpu_id: GpuId = -1,
) -> None:
    """Score the entities that a pipeline finds: precision, recall and F1, in all and per label; and
    the confidences of a crf_ner."""
    use_gpu(gpu_id)
    nlp = load_recognizer(model)
    for pipe in _crf_pipes(nlp):
        pipe.decoding = decoding or pipe.decoding
        pipe.threshold = pipe.threshold if threshold is None else threshold
    scores = evaluate(nlp, data)
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


def evaluate(nlp: spacy.Language, data: Path) -> Dict[str, Any]:
    """Run a pipeline over a labelled corpus and score its entities.

    nlp (Language): The pipeline.
    data (Path): A .spacy file.
    RETURNS (Dict[str, Any]): What `score_entities` and `score_tokens` return, the number of gold
        entities of each label as "ents_support", and "docs", "words" and "words_per_second"; and if
        there is a crf_ner, "calibration" with its expected calibration error "ece" and its "bins".
    RAISES: typer.Exit if there is nothing to score.
    """
    pipes = _crf_pipes(nlp)
    for pipe in pipes:
        pipe.spans_key = pipe.spans_key or pipe.name
    examples = read_annotated(nlp, data)
    start = time.perf_counter()
    docs = nlp.pipe([eg.predicted for eg in examples])
    for eg, doc in zip(examples, tqdm(docs, total=len(examples), leave=False, disable=None)):
        eg.predicted = doc
    seconds = time.perf_counter() - start
    words = sum(len(eg.predicted) for eg in examples)
    calibration = {}
    if pipes:
        bins = _reliability(examples, cast(str, pipes[-1].spans_key))
        calibration["calibration"] = {"ece": expected_calibration_error(bins), "bins": bins}
    return {
        **score_entities(examples),
        **score_tokens(examples),
        "ents_support": Counter(ent.label_ for eg in examples for ent in eg.reference.ents),
        "docs": len(examples),
        "words": words,
        "words_per_second": words / seconds if words else None,
        **calibration,
    }


def _crf_pipes(nlp: spacy.Language) -> List[CRFEntityRecognizer]:
    return [pipe for _, pipe in nlp.pipeline if isinstance(pipe, CRFEntityRecognizer)]


def _reliability(examples: List[Example], key: str) -> List[Bin]:
    confidences: List[float] = []
    correct: List[bool] = []
    for eg in examples:
        if eg.reference.has_annotation("ENT_IOB"):
            spans = eg.predicted.spans[key]
            gold = {(ent.start_char, ent.end_char, ent.label) for ent in eg.reference.ents}
            confidences += spans.attrs["scores"].tolist()
            correct += [(span.start_char, span.end_char, span.label) in gold for span in spans]
    return reliability(confidences, correct)


def _show(scores: Dict[str, Any]) -> None:
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


def _percent(*values: Optional[float]) -> tuple:
    return tuple("-" if value is None else f"{value * 100:.2f}" for value in values)
