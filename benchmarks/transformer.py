"""`python -m benchmarks.transformer`: a crf_ner on a transformer beside Hugging Face's pipeline on
the same encoder."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import get_torch_default_device
from torch import Tensor

from spacy_crf_ner.cli.errors import exit_with
from spacy_crf_ner.cli.gpu import GpuId, use_gpu
from spacy_crf_ner.pipeline.component import crf_pipes
from spacy_crf_ner.tags import TagSet

from .pipe import InputFile, load_texts
from .pipelines import tag
from .report import (
    JsonFile,
    PictureFile,
    TableFile,
    draw,
    plot_bars,
    show_table,
    summarize,
    write_json,
)
from .timing import take_turns, time_once

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "transformer.cfg"
OURS, ALONE = "spacy-crf-ner", "the encoder alone"
HUGGING_FACE = "Hugging Face, batches of "
HEADER = ("", "s", "characters/s", "× Hugging Face's best")

app = typer.Typer(add_completion=False)


@app.command()
def main(
    encoder: Annotated[str, typer.Argument(metavar="ENCODER", help="Name on the hub, or a folder")],
    source: InputFile,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each")] = 5,
    limit: Annotated[int, typer.Option(help="Maximum number of texts; 0 for all")] = 1000,
    labels: Annotated[int, typer.Option(min=1, help="Number of labels")] = 10,
    batch_size: Annotated[list[int], typer.Option(min=1, help="Hugging Face's")] = [1, 8, 32],  # noqa: B006
    lang: Annotated[str, typer.Option(help="Language of the texts")] = "zh",
    output: TableFile = None,
    plot: PictureFile = None,
    json: JsonFile = None,
    gpu_id: GpuId = -1,
) -> None:
    """Time nlp.pipe of configs/transformer.cfg, untrained, and Hugging Face's pipeline for the same
    encoder and number of tags, in turns. Both find nothing, so that neither has entities to make.
    The option --batch-size can be repeated."""
    texts = load_texts(source, limit)
    use_gpu(gpu_id)
    try:
        seconds = benchmark_transformer(encoder, texts, runs, labels, batch_size, lang)
    # ImportError: the extra 'transformers' is missing; OSError: there is no such encoder.
    except (ImportError, OSError) as error:
        exit_with(error)
    characters = sum(map(len, texts))
    best = min(value for name, value in seconds.items() if name.startswith(HUGGING_FACE))
    rows = [
        (name, f"{value:.2f}", f"{characters / value:,.0f}", f"{best / value:.2f}")
        for name, value in seconds.items()
    ]
    summary = (
        f"{Path(encoder).name}, {len(texts):,} texts, {characters:,} characters; "
        f"{summarize(gpu_id)}; medians of {runs} runs"
    )
    show_table(HEADER, rows, summary, output)
    if plot is not None:
        speeds = {name: characters / value for name, value in seconds.items()}
        draw(partial(plot_bars, speeds, [row[2] for row in rows], "characters per second"), plot)
    if json is not None:
        content = {"encoder": Path(encoder).name, "texts": len(texts), "characters": characters}
        write_json(json, {**content, "runs": runs, "seconds": seconds}, gpu_id)


def benchmark_transformer(
    encoder: str,
    texts: Sequence[str],
    runs: int,
    labels: int,
    batch_sizes: Sequence[int],
    lang: str,
) -> dict[str, float]:
    """Time both pipelines, and the encoder without either.

    encoder (str): Name on the hub, or a local folder.
    texts (Sequence[str]): The texts, not too long for the encoder: Hugging Face's pipeline has no
        windows by default.
    runs (int): How many times to run each, in turns.
    labels (int): The number of labels.
    batch_sizes (Sequence[int]): The batch sizes for Hugging Face's pipeline.
    lang (str): The language.
    RETURNS (dict[str, float]): The median seconds of each.
    """
    tag_set = TagSet(tuple(f"L{i}" for i in range(labels)))
    nlp = make_pipeline(encoder, tag_set, lang)
    theirs = hugging_face_pipeline(encoder, tag_set)
    batches = sorted_batches(theirs.tokenizer, texts, max(batch_sizes))
    contenders: dict[str, Callable[[], object]] = {OURS: partial(tag, nlp, texts)}
    for size in batch_sizes:
        contenders[f"{HUGGING_FACE}{size}"] = partial(theirs, list(texts), batch_size=size)
    contenders[ALONE] = partial(run_encoder, theirs.model.base_model, batches)
    return take_turns(contenders, runs, time_once)


def make_pipeline(encoder: str, tag_set: TagSet, lang: str) -> Language:
    """Make the pipeline of configs/transformer.cfg, initialized but not trained.

    encoder (str): Name on the hub, or a local folder.
    tag_set (TagSet): The tags.
    lang (str): The language.
    RETURNS (Language): The pipeline.
    """
    settings = {"paths.encoder": encoder, "nlp.lang": lang}
    nlp = load_model_from_config(load_config(CONFIG, settings, interpolate=True), auto_fill=True)
    for label in tag_set.labels:
        crf_pipes(nlp)["crf_ner"].add_label(label)
    eg = Example.from_dict(nlp.make_doc("a"), {"entities": [(0, 1, tag_set.labels[0])]})
    nlp.initialize(lambda: [eg])
    return nlp


def hugging_face_pipeline(encoder: str, tag_set: TagSet) -> Any:
    """Make a pipeline for token classification that finds nothing.

    encoder (str): Name on the hub, or a local folder.
    tag_set (TagSet): The tags, the first of which is O.
    RETURNS (TokenClassificationPipeline): The pipeline.
    """
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    model = AutoModelForTokenClassification.from_pretrained(
        encoder, id2label=dict(enumerate(tag_set.tags))
    )
    model.classifier.weight.data.zero_()
    model.classifier.bias.data = torch.eye(len(tag_set))[0]
    return pipeline(
        "token-classification",
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(encoder),
        aggregation_strategy="simple",
        device=get_torch_default_device(),
    )


def sorted_batches(tokenizer: Any, texts: Sequence[str], size: int) -> list[dict[str, Tensor]]:
    """Make batches of texts of similar length.

    tokenizer (PreTrainedTokenizerBase): The encoder's tokenizer.
    texts (Sequence[str]): The texts.
    size (int): How many texts are in a batch.
    RETURNS (list[dict[str, Tensor]]): The encoder's inputs for each batch.
    """
    ids = sorted(tokenizer(list(texts))["input_ids"], key=len)
    device = get_torch_default_device()
    parts = (ids[i : i + size] for i in range(0, len(ids), size))
    return [
        dict(tokenizer.pad({"input_ids": part}, return_tensors="pt").to(device)) for part in parts
    ]


@torch.inference_mode()
def run_encoder(encoder: Any, batches: Sequence[dict[str, Tensor]]) -> None:
    """Run an encoder over batches.

    encoder (PreTrainedModel): The encoder.
    batches (Sequence[dict[str, Tensor]]): Its inputs for each batch.
    """
    for batch in batches:
        encoder(**batch)


if __name__ == "__main__":
    app()
