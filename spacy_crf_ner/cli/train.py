"""`python -m spacy crf train`: `spacy train`, also by several processes that `torchrun` starts."""

import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer
from spacy.cli._util import import_code, parse_config_overrides, setup_gpu, show_validation_error
from spacy.training.initialize import init_nlp
from spacy.util import load_config, logger
from wasabi import msg

from ..training.checkpoint import ResumeError, read_checkpoint
from ..training.distributed import RankLost, Ranks, join_ranks, local_gpu
from ..training.train import train
from .errors import exit_with


def train_cli(
    ctx: typer.Context,
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="Config file", exists=True, allow_dash=True)
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "--output-path", "-o", help="Folder for the trained pipelines"),
    ] = None,
    code: Annotated[
        Path | None,
        typer.Option("--code", "-c", help="Python file to import before, for its names"),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-V", "-VV", help="Display more information")
    ] = False,
    gpu_id: Annotated[
        int,
        typer.Option(
            "--gpu-id", "-g", help="GPU, or -1 for the CPU. With torchrun, each process has its own"
        ),
    ] = -1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training in the output folder")
    ] = False,
) -> None:
    """Train a pipeline as `spacy train` does, with the same options. If torchrun starts several
    processes of this command, they share each batch. With --resume, a training that was killed goes
    on from its last evaluation."""
    if verbose:
        logger.setLevel(logging.DEBUG)
    overrides = parse_config_overrides(ctx.args)
    import_code(code)
    gpu_id = local_gpu(gpu_id)
    if resume and output is None:
        exit_with("--resume needs --output, the folder of the training.")
    try:
        with join_ranks(gpu_id) as ranks, _only_errors_of_others(ranks):
            _train(config, output, gpu_id, overrides, ranks, resume)
    except (RankLost, ResumeError) as error:
        exit_with(error)


def _train(
    config_path: Path,
    output: Path | None,
    gpu_id: int,
    overrides: dict[str, Any],
    ranks: Ranks,
    resume: bool,
) -> None:
    if resume and ranks.size > 1:
        raise ResumeError("A training by several processes has no checkpoint to resume.")
    checkpoint = read_checkpoint(output) if resume and output is not None else None
    if output is None:
        msg.info("No output directory provided")
    elif ranks.rank == 0:
        output.mkdir(parents=True, exist_ok=True)
        msg.info(f"Saving to output directory: {output}")
    if ranks.size > 1:
        msg.info(f"{ranks.size} processes share each batch")
    setup_gpu(gpu_id)
    with show_validation_error(config_path):
        config = load_config(config_path, overrides=overrides, interpolate=False)
    msg.divider("Initializing pipeline")
    with show_validation_error(config_path, hint_fill=False):
        nlp = init_nlp(config, use_gpu=gpu_id)
    msg.good("Initialized pipeline")
    msg.divider("Training pipeline")
    if checkpoint is not None:
        msg.info(f"Going on after step {checkpoint.state['step']}")
    train(
        nlp,
        output,
        ranks=ranks,
        checkpoint=checkpoint,
        stdout=sys.stdout,
        stderr=sys.stderr,
    )


@contextmanager
def _only_errors_of_others(ranks: Ranks) -> Iterator[None]:
    """If a rank fails, say which one. Ranks other than 0, which do the same as it, are silent until
    then."""
    if ranks.size == 1:
        yield
        return
    said = io.StringIO()
    try:
        if ranks.rank == 0:
            yield
        else:
            logger.setLevel(logging.ERROR)
            with redirect_stdout(said), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
    except RankLost:
        raise
    except (Exception, SystemExit):
        typer.echo(said.getvalue(), err=True, nl=False)
        typer.secho(
            f"Rank {ranks.rank} of {ranks.size} failed, and so all ranks end. Its error is here.",
            fg=typer.colors.RED,
            err=True,
        )
        raise
