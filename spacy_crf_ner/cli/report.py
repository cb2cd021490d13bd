"""`python -m spacy crf report`: a page about a pipeline on a labelled corpus."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from ..evaluation.report.learning_curve import find_log, read_log
from ..evaluation.report.page import Inputs, make_report
from ..evaluation.report.suggestions import read_suggestions
from ..util import replacing
from .errors import exit_with
from .gold import read_gold
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer


def report_cli(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Pipeline name or folder")],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A corpus with entities, such as test.spacy")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write")],
    train: Annotated[Path | None, typer.Option(help="The training corpus")] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Log of the training (default: training.jsonl beside the model)"),
    ] = None,
    audit: Annotated[Path | None, typer.Option(help="Output of `crf audit`")] = None,
    gpu_id: GpuId = -1,
) -> None:
    """Write one HTML page about a pipeline on a labelled corpus: scores, confusion, errors,
    calibration, thresholds, and the corpus. It needs no network.

    DATA and --train are .spacy files, or corpora in any format that `crf convert` reads.
    """
    use_gpu(gpu_id)
    nlp = load_recognizer(model)
    log = log or find_log(Path(model))
    try:
        # What is quickly read comes first, so that its errors do.
        inputs = Inputs(
            log=None if log is None else read_log(log),
            audit=None if audit is None else read_suggestions(audit),
            train=None if train is None else [eg.reference for eg in read_gold(nlp, train, None)],
        )
        page = make_report(
            nlp,
            read_gold(nlp, data, None),
            inputs,
            model=_name(Path(model)),
            data=_name(data),
            progress=_progress,
        )
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as path:
        path.write_text(page, encoding="utf8")
    msg.good(f"written: {output} ({len(page.encode()) / 1e6:.1f} MB)")


def _name(path: Path) -> str:
    """The last two parts of a path, because the rest of it is private."""
    parts = path.resolve().parts if path.exists() else path.parts
    return "/".join(parts[-2:])


def _progress(docs: Iterable[Doc], total: int) -> Iterable[Doc]:
    return tqdm(docs, total=total, unit="docs", leave=False, disable=None)
