"""`python -m benchmarks.crf`: the speed of the CRF compared to others, in the same process.

Times are medians of runs that take turns, so that a slow phase of the machine affects all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor
from torch.autograd import grad
from torchcrf import CRF
from tqdm import tqdm
from wasabi import msg

from spacy_crf_ner.cli.errors import exit_with
from spacy_crf_ner.cli.gpu import GpuId, use_gpu
from spacy_crf_ner.crf import LinearChainCRF, Posterior, Potentials
from spacy_crf_ner.crf.recursions import reference
from spacy_crf_ner.tags import TagSet

from .report import machine, write_table
from .timing import take_turns

OURS, PYTORCH_CRF = "spacy-crf-ner", "pytorch-crf"
# Takes part only if it is installed.
TORCH_STRUCT = "torch-struct"
# Ours in plain torch, with the gradient computed by autograd, or by our own formulas.
AUTOGRAD, TORCH = "torch, autograd", "torch"
# Ours with only the legal transitions of BIOES.
BIOES = "BIOES"
LIKELIHOOD, VITERBI, MARGINALS = "likelihood + gradient", "Viterbi", "marginals"
# Operations for a token and a pair of tags: forward, backward, and the pairs of the gradient.
FLOPS = {LIKELIHOOD: 6, VITERBI: 2, MARGINALS: 4}
# Numbers to read or write for a token and a tag: the emission, and its gradient or probability.
SCORES = {LIKELIHOOD: 2, VITERBI: 1, MARGINALS: 2}


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

app = typer.Typer(add_completion=False)


@app.command()
def main(
    batch: Annotated[list[int], typer.Option(help="Sequences per batch")] = [32, 128],  # noqa: B006
    length: Annotated[list[int], typer.Option(help="Longest sequence")] = [32, 128],  # noqa: B006
    tags: Annotated[list[int], typer.Option(help="Number of tags")] = [17, 41],  # noqa: B006
    runs: Annotated[int, typer.Option(min=1, help="Runs per task")] = 7,
    gpu_id: GpuId = -1,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Markdown file")] = None,
    plot: Annotated[Path | None, typer.Option(help="Image file; needs matplotlib")] = None,
) -> None:
    """Time the CRF's log-likelihood with gradient, Viterbi and marginals, and compare with
    pytorch-crf, a vectorized forward algorithm with autograd and, if it is installed, torch-struct.
    The options --batch, --length and --tags can be repeated."""
    use_gpu(gpu_id)
    device = torch.device("cpu" if gpu_id < 0 else f"cuda:{gpu_id}")
    cases = [Case(*numbers) for numbers in product(batch, length, tags)]
    limits = measure_limits(device)
    results: list[Result] = []
    for case in tqdm(cases, unit="batch", leave=False, disable=None):
        results += benchmark_crf(case, device, runs)
    rows = [_row(result) for result in results]
    summary = (
        f"{machine(gpu_id)}, torch {torch.__version__}, {date.today()}; medians of {runs} runs; "
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


class Case(NamedTuple):
    """A batch to measure: `batch` sequences of length / 2 to length tokens each."""

    batch: int
    length: int
    tags: int


@dataclass
class Result:
    """The times of one task on one batch.

    case (Case): The batch.
    task (str): What was done.
    seconds (dict[str, float]): The median time of each contender.
    flops (float): The operations per second of our CRF.
    bytes (float): The bytes per second that our CRF must read or write.
    """

    case: Case
    task: str
    seconds: dict[str, float]
    flops: float
    bytes: float

    def times_as_fast_as(self, other: str) -> float:
        """How many times as fast our CRF is.

        other (str): The contender to compare with.
        RETURNS (float): The ratio of the medians; NaN if the other does not do this task.
        """
        return self.seconds.get(other, float("nan")) / self.seconds[OURS]


def measure_limits(device: torch.device, runs: int = 9) -> dict[str, float]:
    """Measure the maximum speed of the machine.

    device (torch.device): The device.
    runs (int): How many times to try.
    RETURNS (dict[str, float]): "bytes" copied and "flops" of matrix products, per second. The
        products are in float64 on the CPU, as in the CRF, otherwise in float32.
    """
    source = torch.ones(2**25, device=device)
    target = torch.empty_like(source)
    dtype = torch.float64 if device.type == "cpu" else torch.float32
    matrix = torch.ones(1024, 1024, dtype=dtype, device=device)
    tasks: dict[str, Callable[[], object]] = {
        "bytes": lambda: target.copy_(source),
        "flops": lambda: matrix @ matrix,
    }
    amounts = {"bytes": 2 * 4 * source.numel(), "flops": 2 * 1024**3}
    times = take_turns(tasks, runs)
    return {name: amounts[name] / seconds for name, seconds in times.items()}


def benchmark_crf(case: Case, device: torch.device, runs: int = 7, seed: int = 0) -> list[Result]:
    """Time the tasks of a CRF on one batch.

    case (Case): The batch.
    device (torch.device): The device.
    runs (int): How many times to run each contender.
    seed (int): The seed of the batch.
    RETURNS (list[Result]): One for each task.
    """
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(case.length // 2, case.length + 1, (case.batch,), generator=generator)
    mask = (torch.arange(case.length) < lengths[:, None]).to(device)
    shape = (case.batch, case.length)
    emissions = torch.randn(*shape, case.tags, generator=generator).to(device).requires_grad_()
    tags = torch.randint(case.tags, shape, generator=generator).to(device)
    theirs = CRF(case.tags, batch_first=True).to(device)
    ours = LinearChainCRF(case.tags).to(device)
    ours.load_state_dict(theirs.state_dict())
    ragged = Potentials(
        emissions[mask].detach(),
        lengths,
        *(x.detach() for x in (ours.start_transitions, ours.transitions, ours.end_transitions)),
    )
    traced = ragged.map(lambda scores: scores.clone().requires_grad_())
    ones = torch.ones(len(ragged.emissions), device=device)
    legal = _legal_crf(ours)
    tasks: dict[str, dict[str, Callable[[], object]]] = {
        LIKELIHOOD: {
            OURS: lambda: grad(ours(emissions, tags, mask), [emissions, *ours.parameters()]),
            PYTORCH_CRF: lambda: grad(
                theirs(emissions, tags, mask), [emissions, *theirs.parameters()]
            ),
            BIOES: lambda: grad(legal(emissions, tags, mask), [emissions, *legal.parameters()]),
            # Only the partition and its gradient, which take most of the time.
            AUTOGRAD: lambda: reference.forward(traced)[1].sum().backward(),
            TORCH: lambda: reference.posteriors(ragged, reference.forward(ragged)[0], ones),
        },
        VITERBI: {
            OURS: lambda: ours.decode(emissions, mask),
            PYTORCH_CRF: lambda: theirs.decode(emissions, mask),
            BIOES: lambda: legal.decode(emissions, mask),
            TORCH: lambda: reference.viterbi(ragged),
        },
        MARGINALS: {OURS: lambda: Posterior(ragged).marginals},
    }
    if find_spec("torch_struct"):
        chain = partial(_torch_struct, emissions, lengths.to(device), ours)
        tasks[LIKELIHOOD][TORCH_STRUCT] = lambda: grad(chain().partition.sum(), emissions)
        tasks[VITERBI][TORCH_STRUCT] = lambda: chain().argmax
        tasks[MARGINALS][TORCH_STRUCT] = lambda: chain().marginals
    tokens = float(lengths.sum())
    results = []
    for task, contenders in tasks.items():
        seconds = take_turns(contenders, runs)
        flops = FLOPS[task] * tokens * case.tags**2 / seconds[OURS]
        size = SCORES[task] * tokens * case.tags * emissions.element_size() / seconds[OURS]
        results.append(Result(case, task, seconds, flops, size))
    return results


def plot_crf(results: list[Result], path: Path) -> None:
    """Draw how many times as fast as pytorch-crf our CRF is.

    results (list[Result]): The results of `benchmark_crf` for several batches.
    path (Path): The image file to write. Its extension sets the format.
    RAISES: ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    tasks = [LIKELIHOOD, VITERBI]
    cases = list(dict.fromkeys(result.case for result in results))
    figure = Figure(figsize=(8, 0.6 * len(cases) + 1.5), layout="constrained")
    axes = figure.subplots()
    for offset, task in enumerate(tasks):
        ratios = [r.times_as_fast_as(PYTORCH_CRF) for r in results if r.task == task]
        bars = axes.barh([i + 0.38 * offset for i in range(len(cases))], ratios, 0.36, label=task)
        axes.bar_label(bars, fmt="%.0f×", padding=3)
    axes.set_yticks(
        [i + 0.19 for i in range(len(cases))],
        [f"{case.batch} × {case.length} × {case.tags} tags" for case in cases],
    )
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel("times as fast as pytorch-crf (batch × longest sequence × tags)")
    axes.legend()
    figure.savefig(path, dpi=120)


def _torch_struct(emissions: Tensor, lengths: Tensor, crf: LinearChainCRF) -> Any:
    """The CRF as torch-struct's distribution, which needs a matrix for each pair of tokens."""
    from torch_struct import LinearChainCRF as Chain

    scores = emissions[:, : int(lengths.max())]
    # (batch, pair, to, from)
    pairs = scores[:, 1:, :, None] + crf.transitions.T
    first = (scores[:, :1] + crf.start_transitions)[:, :, None]
    pairs = torch.cat([pairs[:, :1] + first, pairs[:, 1:]], dim=1)
    # The end scores make no difference to the time.
    return Chain(pairs, lengths=lengths)


def _legal_crf(crf: LinearChainCRF) -> LinearChainCRF:
    """The CRF with only the legal transitions of BIOES, for as many labels as fit into its tags."""
    n_tags = crf.num_tags
    tag_set = TagSet(tuple(str(i) for i in range((n_tags - 1) // 4)))
    masks = [torch.zeros(n_tags, dtype=torch.bool) for _ in range(2)]
    masks.insert(1, torch.zeros(n_tags, n_tags, dtype=torch.bool))
    sources = (tag_set.legal_starts, tag_set.legal_transitions, tag_set.legal_ends)
    for mask, source in zip(masks, sources):
        mask[tuple(slice(size) for size in source.shape)] = torch.from_numpy(source)
    legal = LinearChainCRF(n_tags, legal=(masks[0], masks[1], masks[2]))
    legal.load_state_dict(crf.state_dict())
    return legal.to(crf.transitions.device)


def _row(result: Result) -> list[str]:
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


if __name__ == "__main__":
    app()
