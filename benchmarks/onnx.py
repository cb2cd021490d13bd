"""`python -m benchmarks.onnx`: what `crf export` writes beside nlp.pipe: entities and speed."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import spacy
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from spacy_crf_ner.cli.errors import exit_with
from spacy_crf_ner.export.decoding import Entity
from spacy_crf_ner.export.folder import export_pipeline
from spacy_crf_ner.export.tagger import Tagger
from spacy_crf_ner.pipeline.component import crf_pipes

from .report import JsonFile, TableFile, show_table, summarize, write_json
from .timing import take_turns, time_once

# A key for the confidences that a pipeline is unlikely to use itself.
SPANS_KEY = "crf_ner_benchmark"
HEADER = ("corpus", "texts", "entities", "different", "Δ confidence", "nlp.pipe", "ONNX", "×")

app = typer.Typer(add_completion=False)


@dataclass
class Result:
    """A comparison on one corpus.

    corpus (str): The name of its file and folder.
    texts (int): The number of texts.
    entities (int): The number of entities that nlp.pipe finds.
    different (int): The number of entities that only one of both finds.
    confidence (float): The greatest difference between their confidences.
    pipe (float): The median seconds of nlp.pipe.
    onnx (float): The median seconds of the tagger.
    """

    corpus: str
    texts: int
    entities: int
    different: int
    confidence: float
    pipe: float
    onnx: float

    @property
    def row(self) -> list[str]:
        """The result as a row of the table."""
        counts = (f"{n:,}" for n in (self.texts, self.entities, self.different))
        times = (f"{seconds:.2f} s" for seconds in (self.pipe, self.onnx))
        ratio = f"{self.pipe / self.onnx:.2f}"
        return [self.corpus, *counts, f"{self.confidence:.0e}", *times, ratio]


@app.command()
def main(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name or path of a pipeline")],
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPORA", help=".spacy files")],
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of texts of each")] = 1000,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each")] = 5,
    output: TableFile = None,
    json: JsonFile = None,
) -> None:
    """Export a pipeline, compare the entities of the tagger with those of nlp.pipe, and time both
    in turns, with as many threads as torch uses."""
    try:
        results = compare(model, corpora, limit, runs)
    # ImportError: a pipeline needs a package. ValueError: it cannot be exported.
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    summary = f"{summarize(-1)}, onnxruntime {version('onnxruntime')}; medians of {runs} runs"
    show_table(HEADER, [result.row for result in results], summary, output)
    if json is not None:
        write_json(json, {"results": list(map(asdict, results))}, -1)


def compare(model: str, corpora: list[Path], limit: int, runs: int) -> list[Result]:
    """Compare a pipeline with what `crf export` makes of it.

    model (str): Its name or path.
    corpora (list[Path]): .spacy files.
    limit (int): The maximum number of texts of each corpus.
    runs (int): How many times to run each.
    RETURNS (list[Result]): The result for each corpus.
    RAISES: ValueError if the pipeline cannot be exported.
    """
    nlp = spacy.load(model)
    settings = {name: {"spans_key": SPANS_KEY} for name in crf_pipes(nlp)}
    confident = spacy.load(model, config={"components": settings})
    with TemporaryDirectory() as folder:
        export_pipeline(nlp, Path(folder))
        tagger = Tagger(folder, threads=torch.get_num_threads())
    results = []
    for corpus in corpora:
        docs = islice(DocBin().from_disk(corpus).get_docs(nlp.vocab), limit)
        texts: list[str | list[str]] = [
            doc.text if tagger.has_tokenizer else [token.text for token in doc] for doc in docs
        ]
        tag: Callable[..., list[list[Entity]]] = (
            tagger if tagger.has_tokenizer else tagger.tag_words
        )
        found = count_differences(tag(texts), _pipe(confident, texts), tagger.has_tokenizer)
        functions: dict[str, Callable[[], object]] = {
            "pipe": partial(_pipe, nlp, texts),
            "onnx": partial(tag, texts),
        }
        seconds = take_turns(functions, runs, time_once)
        name = f"{corpus.parent.name}/{corpus.stem}"
        results.append(Result(name, len(texts), *found, seconds["pipe"], seconds["onnx"]))
    return results


def count_differences(
    found: list[list[Entity]], docs: list[Doc], in_characters: bool
) -> tuple[int, int, float]:
    """Compare the entities of a tagger with those in doc.spans.

    found (list[list[Entity]]): What the tagger found.
    docs (list[Doc]): The documents.
    in_characters (bool): Whether the tagger counts in characters, and not in tokens.
    RETURNS (tuple[int, int, float]): The number of entities in doc.spans, of those that only one of
        both has, and the greatest difference between confidences.
    """
    entities, different, confidence = 0, 0, 0.0
    for ents, doc in zip(found, docs):
        tagged = {ent[:3]: ent.confidence for ent in ents}
        expected = {
            (
                *((span.start_char, span.end_char) if in_characters else (span.start, span.end)),
                span.label_,
            ): span._.confidence
            for span in doc.spans[SPANS_KEY]
        }
        entities += len(expected)
        different += len(tagged.keys() ^ expected.keys())
        both = tagged.keys() & expected.keys()
        confidence = max(confidence, *(abs(tagged[x] - expected[x]) for x in both), 0.0)
    return entities, different, confidence


def _pipe(nlp: Language, texts: Sequence[str | list[str]]) -> list[Doc]:
    docs = (text if isinstance(text, str) else Doc(nlp.vocab, words=text) for text in texts)
    return list(nlp.pipe(docs))


if __name__ == "__main__":
    app()
