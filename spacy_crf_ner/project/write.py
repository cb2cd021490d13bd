"""The files of a new project."""

import json
import re
import shutil
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.training.initialize import convert_vectors

from ..formats.convert import Conversion, load_conversion
from ..formats.record import Record
from .choices import SITE, Plan, plan_project
from .config import fill_config
from .request import Request, check_request

_GITIGNORE = """\
# What the commands of the project make, and vectors, which are large.
/corpus/
/training/
/metrics/
/packages/
/reports/
/vectors/
/project.lock
"""

_README = """\
# {package}

A named entity recognizer, and the spaCy project that trains it on `assets/{name}`.
[spacy-crf-ner]({site}) {version} made this project with `python -m spacy crf init`.

## What was chosen, and why

{choices}

They are variables of `project.yml` or settings of `configs/{config}.cfg`, which explains them.

## Train

```bash
pip install 'spacy-crf-ner[report]'    # for the plots of the report
python -m spacy project run all
```

This converts the corpus to `corpus/`, trains a pipeline in `training/`, writes its scores to
`metrics/`, makes an installable package in `packages/` and writes a page about the pipeline to
`reports/`, for a browser. A step is skipped if nothing has changed. It can also be run alone, for
example `python -m spacy project run train`.

## Use

```bash
pip install packages/{package}-0.1.0/dist/*.whl
python -m spacy crf annotate {package} texts.txt
```

```python
import spacy

nlp = spacy.load("{package}")
```

## Look closer

```bash
python -m spacy debug data configs/{config}.cfg
python -m spacy benchmark speed {model} {dev}
```
"""


def create_project(
    folder: Path,
    data: Path,
    request: Request,
    *,
    progress: Callable[[list[Record]], Iterable[Record]] = iter,
) -> tuple[Plan, Conversion]:
    """Read a corpus and make a spaCy project for it, which has a copy of it.

    folder (Path): The folder of the project. If there is one already, it must be empty.
    data (Path): A corpus file, or a folder with train, dev and test.
    request (Request): What the user wants.
    progress (Callable[[list[Record]], Iterable[Record]]): Given a set's records, shows progress
        over them.
    RETURNS (tuple[Plan, Conversion]): What was chosen, and the corpus.
    RAISES: CorpusError if the corpus has errors; ValueError if the request does; FileExistsError if
        there is something in the folder. Nothing is written then.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(f"{folder}: there is something of that name. Choose a new folder.")
    check_request(request)
    nlp = spacy.blank(request.lang)
    conversion = load_conversion([data], folder / "corpus", nlp, progress=progress)
    plan = plan_project(request, conversion)
    template = find_template()
    # What may fail is made before anything is written.
    config = _make_config(template / "configs" / f"{request.config}.cfg", plan)
    vectors = _read_vectors(request)
    _copy_corpus(data, folder / "assets" / request.name, conversion.ignored)
    if vectors and request.vectors_path:
        (folder / "vectors").mkdir()
        vectors.to_disk(folder / request.vectors_path)
    (folder / "configs").mkdir()
    files = {
        f"configs/{request.config}.cfg": config,
        "project.yml": _make_project_yml(template / "project.yml", plan),
        "README.md": _make_readme(plan),
        ".gitignore": _GITIGNORE,
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf8")
    space = Path("configs", "spaces", f"{request.config}.cfg")
    if (template / space).is_file():
        (folder / space.parent).mkdir()
        shutil.copy(template / space, folder / space)
    return plan, conversion


def find_template() -> Path:
    """The folder of the template, which is the repository's own project.

    RETURNS (Path): In an installed package a folder of its own, in a checkout the top folder.
    """
    packaged = Path(__file__).parent / "template"
    return packaged if packaged.is_dir() else Path(__file__).parents[2]


def _make_config(path: Path, plan: Plan) -> str:
    name = plan.request.name
    settings = {
        "paths.train": f"corpus/{name}/train.spacy",
        "paths.dev": f"corpus/{name}/dev.spacy",
        "nlp.lang": plan.request.lang,
        **plan.settings,
    }
    made_by = f"spacy-crf-ner {version('spacy-crf-ner')}"
    return (
        f"# configs/{path.name} of {made_by}, with the choices and all defaults filled in by\n"
        f"# `python -m spacy crf init`.\n\n{fill_config(path, settings, plan.removed)}"
    )


def _make_project_yml(path: Path, plan: Plan) -> str:
    name = plan.request.name
    text = path.read_text(encoding="utf8")
    text = _replace("^title: .*\n", f'title: "{name}: a named entity recognizer"\n', text)
    text = _replace(
        "^description: >\n(  .*\n)+",
        "description: >\n"
        f"  Converts the corpus in assets/{name}, trains a `crf_ner` pipeline on it, evaluates\n"
        "  it, packages it and writes a report: `python -m spacy project run all`.\n",
        text,
    )
    for key, value in plan.variables.items():
        text = _replace(f"^  {key}: .*\n", f"  {key}: {json.dumps(value)}\n", text)
    # The published corpora.
    return _replace("(^#.*\n)*^assets:\n(  .*\n)+\n", "", text)


def _replace(pattern: str, new: str, text: str) -> str:
    """Replace what a pattern finds first."""
    return re.sub(pattern, lambda _: new, text, count=1, flags=re.MULTILINE)


def _make_readme(plan: Plan) -> str:
    request = plan.request
    return _README.format(
        package=f"{request.lang}_{request.name}",
        name=request.name,
        config=request.config,
        model=f"training/{request.name}-{request.config}/model-best",
        dev=f"corpus/{request.name}/dev.spacy",
        site=SITE,
        version=version("spacy-crf-ner"),
        choices="\n".join(f"- {topic}: {reason}" for topic, reason, *_ in plan.choices),
    )


def _read_vectors(request: Request) -> Language | None:
    """Read vectors that are not in spaCy's format yet."""
    if request.vectors is None or request.vectors.is_dir():
        return None
    nlp = spacy.blank(request.lang)
    try:
        convert_vectors(nlp, request.vectors, truncate=0, prune=-1)
    # What spaCy raises depends on where it stops understanding the file.
    except (StopIteration, UnicodeDecodeError, ValueError) as error:
        raise ValueError(
            f"{request.vectors}: this is not a word2vec text file ({error}). `python -m spacy crf "
            "vectors` makes one."
        ) from error
    return nlp


def _copy_corpus(data: Path, folder: Path, ignored: list[Path]) -> None:
    """Copy a corpus without the files that are no part of it. A file becomes the training set."""
    if not data.is_dir():
        folder.mkdir(parents=True)
        shutil.copyfile(data, folder / f"train{data.suffix}")
        return
    for path in sorted(data.rglob("*")):
        if path.is_file() and not {path, *path.parents} & set(ignored):
            target = folder / path.relative_to(data)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
