"""`python -m spacy crf evaluate`: score a pipeline on a labelled corpus."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import srsly
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from tqdm import tqdm
from wasabi import msg

from ..evaluation.calibration import plot_reliability
from ..evaluation.evaluate import evaluate
from ..evaluation.examples import make_examples
from ..evaluation.intervals import Counts, count_entities, f1_intervals
from ..evaluation.significance import compare
from ..formats.catalogue import FORMATS
from ..pipeline.component import crf_pipes
from ..pipeline.decoding import Decoding
from ..util import replacing
from .errors import exit_with
from .gold import read_gold
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer
from .score_tables import show_comparison, show_scores


def evaluate_cli(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Pipeline name or folder")],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A corpus with entities, such as test.spacy")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the scores")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Image file for a reliability diagram")] = None,
    against: Annotated[
        str | None, typer.Option(help="Another pipeline, to compare with on the same data")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format", help="Format of DATA, if not told by content: " + ", ".join(FORMATS)
        ),
    ] = None,
    decoding: Annotated[
        Decoding | None, typer.Option(help="Decoding to use instead of that of MODEL's crf_ner")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Threshold to use instead of that of MODEL's crf_ner"),
    ] = None,
    gpu_id: GpuId = -1,
) -> None:
    """Score the entities that a pipeline finds: precision, recall and F1 with its interval, overall
    and per label; and the calibration of a crf_ner.

    DATA is a .spacy file, or a corpus in any format that `crf convert` reads: a file, or a folder
    of files that are one set.
    """
    use_gpu(gpu_id)
    nlp = load_recognizer(model)
    if (decoding or threshold is not None) and not crf_pipes(nlp):
        exit_with(f"{model}: --decoding and --threshold need a crf_ner, which it does not have.")
    for pipe in crf_pipes(nlp).values():
        pipe.decoding = decoding or pipe.decoding
        pipe.threshold = pipe.threshold if threshold is None else threshold
    other = load_recognizer(against) if against else None
    try:
        examples = read_gold(nlp, data, format)
        scores, counts = _score(nlp, examples)
        show_scores(scores)
        if len(counts.values) < len(examples):
            unscored = len(examples) - len(counts.values)
            msg.warn(f"not scored, as they have no annotation: {unscored:,} documents")
        if other and against:
            scores_b, counts_b = _score(other, make_examples(other, _references(examples)))
            comparison = compare(counts, counts_b)
            show_comparison(scores, scores_b, comparison, (model, against))
            differences = {key: each._asdict() for key, each in comparison._asdict().items()}
            scores["against"] = {"model": against, "scores": scores_b, "difference": differences}
    # ImportError: the format needs a package.
    except (ImportError, ValueError) as error:
        exit_with(error)
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


def _score(nlp: Language, examples: list[Example]) -> tuple[dict[str, Any], Counts]:
    scores = evaluate(nlp, examples, _progress)
    counts = count_entities(examples)
    scores["intervals"] = f1_intervals(counts)._asdict()
    return scores, counts


def _progress(docs: Iterable[Doc], total: int) -> Iterable[Doc]:
    return tqdm(docs, total=total, unit="docs", leave=False, disable=None)


def _references(examples: list[Example]) -> Iterable[Doc]:
    return (eg.reference for eg in examples)
