"""`python -m spacy crf init`: make a spaCy project for a corpus."""

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm
from wasabi import msg

from ..project.request import Request, Size
from ..project.write import create_project
from ..util import CorpusError
from .errors import exit_with


def init_cli(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder for the project; new or empty")
    ],
    data: Annotated[
        Path,
        typer.Option(metavar="DATA", help="A corpus file, or a folder with train, dev and test"),
    ],
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language code")] = "zh",
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the corpus and of the package, which gets the language in front"
        ),
    ] = None,
    size: Annotated[
        Size | None, typer.Option(help="Size of the network. The default is base")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Pretrained encoder to fine-tune: its name on the hub, or a folder"),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(help="Pretrained vectors: a word2vec text file, or from `spacy init vectors`"),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(help="For Chinese: a word2vec text file of words and their vectors"),
    ] = None,
    gazetteer: Annotated[
        Path | None,
        typer.Option(help="For Chinese: a file of words and their classes, such as place names"),
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Settings for training on a GPU")] = False,
) -> None:
    """Make a spaCy project that trains a crf_ner on a corpus: a config, project.yml, a README and a
    copy of the corpus. Looks at the corpus to choose what suits it, and says why."""
    request = Request(
        name=name or folder.resolve().name.lower().replace("-", "_"),
        lang=lang,
        size=size or (Size.transformer if encoder else Size.base),
        encoder=encoder,
        vectors=vectors,
        words=words,
        gazetteer=gazetteer,
        gpu=gpu,
    )
    try:
        plan, conversion = create_project(
            folder,
            data,
            request,
            # None: a bar only if stderr is a terminal.
            progress=lambda records: tqdm(records, unit="docs", leave=False, disable=None),
        )
    # ImportError: spaCy doesn't know the language, or its tokenizer needs a package.
    except (CorpusError, ImportError, OSError, ValueError) as error:
        exit_with(error)
    for topic, reason, *_ in plan.choices:
        # Not msg.info, which would wrap commands and addresses.
        typer.echo(f"{topic + ':':<12} {reason}")
    for path in conversion.ignored:
        msg.info(f"ignored: {path.name}")
    if conversion.notes:
        msg.warn(
            f"{len(conversion.notes)} repairs and skips in the corpus, which `python -m spacy crf "
            f"convert {data} corpus --lang {lang} --verbose` lists"
        )
    msg.good(f"written: {folder}")
    typer.echo(f"python -m spacy project run all {folder}")
