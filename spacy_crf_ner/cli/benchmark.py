"""`python -m spacy crf benchmark`: how fast it is on this machine."""

import platform
from datetime import date
from itertools import product
from pathlib import Path
from typing import Annotated, List, Optional

import torch
import typer
from tqdm import tqdm
from wasabi import msg

from ..benchmarks.crf import (
    AUTOGRAD,
    BIOES,
    OURS,
    PYTORCH_CRF,
    TORCH,
    TORCH_STRUCT,
    Case,
    Result,
    benchmark_crf,
    measure_limits,
    plot_crf,
)
from ..benchmarks.pipe import benchmark_pipe
from ..formats.files import read_lines
from ..formats.record import CorpusError
from ..formats.text import read_texts
from .errors import exit_with
from .experiments import benchmark_ablation_cli, benchmark_partial_cli, write_table
from .gpu import GpuId, use_gpu
from .overrides import CONTEXT

app = typer.Typer(name="benchmark", help="Measure the speed on this machine.", no_args_is_help=True)
HEADER = (
    "task",
    "batch",
    "length",
    "tags",
    "ms",
    "ms, BIOES",
    "× pytorch-crf",
    f"× {TORCH_STRUCT}",
    f"× {AUTOGRAD}",
    f"× {TORCH}",
    "GB/s",
    "GFLOP/s",
)


@app.callback()
def benchmark_cli() -> None:
    """Measure the speed on this machine."""


app.command("partial")(benchmark_partial_cli)
app.command("ablation", context_settings=CONTEXT)(benchmark_ablation_cli)


@app.command("crf")
def benchmark_crf_cli(
    batch: Annotated[List[int], typer.Option(help="Sequences in a batch")] = [32, 128],  # noqa: B006
    length: Annotated[List[int], typer.Option(help="Longest sequence")] = [32, 128],  # noqa: B006
    tags: Annotated[List[int], typer.Option(help="Number of tags")] = [17, 41],  # noqa: B006
    runs: Annotated[int, typer.Option(min=1, help="Runs of each")] = 7,
    gpu_id: GpuId = -1,
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Markdown file")] = None,
    plot: Annotated[Optional[Path], typer.Option(help="Picture; needs matplotlib")] = None,
) -> None:
    """Time the CRF: log-likelihood with gradient, Viterbi and marginals, beside pytorch-crf, a
    vectorised forward algorithm under autograd and, where it is installed, torch-struct. All
    options that are numbers can be repeated."""
    use_gpu(gpu_id)
    device = torch.device("cpu" if gpu_id < 0 else f"cuda:{gpu_id}")
    cases = [Case(*numbers) for numbers in product(batch, length, tags)]
    limits = measure_limits(device)
    results: List[Result] = []
    for case in tqdm(cases, unit="batch", leave=False, disable=None):
        results += benchmark_crf(case, device, runs)
    rows = [_row(result) for result in results]
    summary = (
        f"{_machine(gpu_id)}, torch {torch.__version__}, {date.today()}; medians of {runs} runs; "
        f"the machine copies {limits['bytes'] / 1e9:.1f} GB/s and multiplies matrices at "
        f"{limits['flops'] / 1e9:.0f} GFLOP/s"
    )
    msg.table(rows, header=HEADER, divider=True, aligns=("l", *"r" * (len(HEADER) - 1)))
    msg.info(summary)
    if output is not None:
        write_table(output, HEADER, rows, summary)
    if plot is not None:
        try:
            plot_crf(results, plot)
        except ImportError:
            exit_with("A picture needs matplotlib: pip install 'spacy-crf-ner[report]'.")
        msg.good(f"written: {plot}")


@app.command("pipe")
def benchmark_pipe_cli(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help='A text a line, or JSON lines with "text"')
    ],
    models: Annotated[
        List[str], typer.Argument(metavar="MODELS", help="Names or paths of trained pipelines")
    ],
    runs: Annotated[int, typer.Option(min=1, help="Runs of each")] = 5,
    limit: Annotated[int, typer.Option(help="Texts at most; 0 for all")] = 10_000,
    gpu_id: GpuId = -1,
) -> None:
    """Time nlp.pipe with several pipelines on the same texts, side by side. One with a crf_ner is
    timed with confidences as well."""
    try:
        texts = list(read_texts(source, read_lines(source)))[: limit or None]
    except (CorpusError, OSError) as error:
        exit_with(error)
    use_gpu(gpu_id)
    try:
        seconds = benchmark_pipe(models, texts, runs)
    # ImportError: a pipeline needs a package.
    except (ImportError, OSError) as error:
        exit_with(error)
    first = next(iter(seconds.values()))
    characters = sum(map(len, texts))
    rows = [
        (name, f"{value:.2f}", f"{characters / value:,.0f}", f"{first / value:.2f}")
        for name, value in seconds.items()
    ]
    header = ("pipeline", "s", "characters/s", "× the first")
    msg.table(rows, header=header, aligns=tuple("lrrr"), divider=True)
    msg.info(
        f"{len(texts):,} texts; {_machine(gpu_id)}, torch {torch.__version__}, {date.today()}; "
        f"medians of {runs} runs"
    )


def _machine(gpu_id: int) -> str:
    if gpu_id < 0:
        return f"{platform.machine()}, {torch.get_num_threads()} threads"
    return torch.cuda.get_device_name(gpu_id)


def _row(result: Result) -> List[str]:
    case = result.case
    times = [result.seconds.get(name) for name in (OURS, BIOES)]
    others = (PYTORCH_CRF, TORCH_STRUCT, AUTOGRAD, TORCH)
    ratios = [result.times_as_fast_as(other) for other in others]
    return [
        result.task,
        *(str(n) for n in case),
        *("" if seconds is None else f"{seconds * 1e3:.2f}" for seconds in times),
        *("" if ratio != ratio else f"{ratio:.1f}" for ratio in ratios),
        f"{result.bytes / 1e9:.2f}",
        f"{result.flops / 1e9:.1f}",
    ]
