"""Model cards (Mitchell et al. 2019): what a pipeline is, what it is for, and how good it is."""

import platform
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import srsly
from spacy.language import Language
from spacy.training import Example
from wasabi import MarkdownRenderer

from ..pipeline.component import crf_pipes
from ..util import CorpusError, read_lines, replacing
from .evaluate import evaluate
from .intervals import Interval, Intervals, count_entities, f1_intervals

# What meta.json has of these, `spacy package` writes into the package.
FIELDS = ("description", "author", "email", "url", "license")
EXAMPLE = "example"


class About(NamedTuple):
    """What only the author of a pipeline can say about it.

    fields (dict[str, str]): Fields of its meta.json: some of FIELDS.
    example (str): A text with entities.
    sections (str): Markdown: training data, licence, intended use, limits.
    """

    fields: dict[str, str]
    example: str
    sections: str


NOT_STATED = About({}, "A text.", "The training data, intended use and limits are not described.")


def read_about(path: Path) -> About:
    """Read what an author says about a pipeline.

    path (Path): A Markdown file. Before its sections, it may have lines such as `license: MIT`
        between two lines `---`. What it does not have is that of NOT_STATED.
    RETURNS (About): The fields and the sections.
    RAISES: CorpusError if the file cannot be read, or has a field that is not known.
    """
    lines = read_lines(path)
    if lines[0] != "---":
        return NOT_STATED._replace(sections="\n".join(lines).strip())
    if "---" not in lines[1:]:
        raise CorpusError("the fields have no end. Add a line `---` after them.", path, 1)
    end = lines.index("---", 1)
    fields = {}
    for number, line in enumerate(lines[1:end], start=2):
        key, _, value = (part.strip() for part in line.partition(":"))
        if key not in (*FIELDS, EXAMPLE) or not value:
            known = ", ".join((*FIELDS, EXAMPLE))
            raise CorpusError(f"expected `FIELD: VALUE`, with one of {known}.", path, number)
        fields[key] = value
    example = fields.pop(EXAMPLE, NOT_STATED.example)
    sections = "\n".join(lines[end + 1 :]).strip() or NOT_STATED.sections
    return About(fields, example, sections)


def write_card(
    nlp: Language,
    examples: Sequence[Example],
    about: About,
    *,
    data: str,
    folder: Path,
) -> None:
    """Score a pipeline, and describe it for those who may use it.

    Writes README.md and meta.json, which `spacy package` puts into the package.

    nlp (Language): The pipeline. Its `crf_ner` components compute confidences from now on.
    examples (Sequence[Example]): A corpus that it was not trained on; the predicted documents are
        replaced.
    about (About): What its author says.
    data (str): The name of the corpus.
    folder (Path): The folder of the pipeline.
    """
    scores = evaluate(nlp, examples)
    intervals = f1_intervals(count_entities(examples))
    performance = {key: scores[key] for key in scores if key.startswith("ents_")}
    del performance["ents_support"]
    nlp.meta["performance"] = {**nlp.meta.get("performance", {}), **performance}
    nlp.meta.update(about.fields)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    parts = [
        f"# {_name(nlp)}",
        nlp.meta["description"],
        _overview(nlp, size),
        _use(nlp, about.example),
        about.sections,
        _scores(scores, intervals, data),
        _calibration(nlp, scores),
        _training(nlp),
    ]
    with replacing(folder / "README.md") as path:
        path.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf8")
    with replacing(folder / "meta.json") as path:
        srsly.write_json(path, nlp.meta)


def _name(nlp: Language) -> str:
    return f"{nlp.meta['lang']}_{nlp.meta['name']}"


def _overview(nlp: Language, size: int) -> str:
    rows = [
        ("version", nlp.meta["version"]),
        ("language", nlp.meta["lang"]),
        ("components", _code(nlp.pipe_names)),
        *((f"labels of `{name}`", _code(labels)) for name, labels in nlp.pipe_labels.items()),
        ("licence", nlp.meta["license"] or "not stated"),
        ("sources", _sources(nlp) or "not stated"),
        ("size on disk", f"{size / 1e6:.1f} MB"),
    ]
    return _table(rows)


def _sources(nlp: Language) -> str:
    # spaCy allows strings as well.
    sources = nlp.meta.get("sources") or []
    return ", ".join(s if isinstance(s, str) else s["name"] for s in sources)


def _use(nlp: Language, example: str) -> str:
    return f"""\
## Use

```bash
pip install {_name(nlp)}-{nlp.meta["version"]}-py3-none-any.whl
```

```python
import spacy

nlp = spacy.load("{_name(nlp)}")
print([(ent.text, ent.label_) for ent in nlp({example!r}).ents])
```"""


def _scores(scores: dict[str, Any], intervals: Intervals, data: str) -> str:
    support = scores["ents_support"]
    rows = []
    for label, prf in sorted((scores["ents_per_type"] or {}).items()):
        # A label may only have been predicted where there is no annotation.
        interval = _show(intervals.per_label.get(label))
        rows.append((label, *_percent(prf["p"], prf["r"], prf["f"]), interval, support[label]))
    micro = _percent(*(scores[key] for key in ("ents_p", "ents_r", "ents_f")))
    rows.append(("macro", "", "", *_percent(scores["ents_macro_f"]), "", ""))
    rows.append(("**all (micro)**", *micro, _show(intervals.micro), sum(support.values())))
    header = ("", "P", "R", "F1", "95 % interval of F1", "gold entities")
    return f"""\
## Scores

On `{data}`: {scores["docs"]:,} documents, {scores["words"]:,} tokens. An entity is correct if its
span and its label match exactly. Scores are in per cent.

{_table(rows, header, "r")}

The intervals are from 1,000 bootstrap samples of the documents (percentiles; Efron and Tibshirani
1993). They say how much F1 would differ on other documents of the same kind. They say nothing about
other kinds of text, or about a training with another seed."""


def _calibration(nlp: Language, scores: dict[str, Any]) -> str:
    error = scores.get("calibration", {}).get("ece")
    if error is None:
        return ""
    temperatures = ", ".join(f"{pipe.temperature:.3f}" for pipe in crf_pipes(nlp).values())
    return f"""\
## Calibration

The expected calibration error of the entities' confidences is {error:.4f} on the same data: the
mean distance between confidence and accuracy in ten bins. The temperature is {temperatures}."""


def _training(nlp: Language) -> str:
    training = nlp.config.interpolate()["training"]
    packages = ("spacy-crf-ner", "spacy", "torch")
    rows = [
        ("training steps at most", training["max_steps"]),
        ("seed", training["seed"]),
        ("dropout", training["dropout"]),
        ("Python", platform.python_version()),
        *((package, version(package)) for package in packages),
        ("date of this card", date.today().isoformat()),
    ]
    return f"## Training\n\n{_table(rows)}\n\nAll settings are in the pipeline's `config.cfg`."


def _percent(*values: float | None) -> tuple[str, ...]:
    return tuple("–" if value is None else f"{value * 100:.2f}" for value in values)


def _show(interval: Interval | None) -> str:
    return " to ".join(_percent(*interval)) if interval else "–"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(
    rows: Iterable[Sequence[object]],
    header: Sequence[str] = ("", ""),
    align: Literal["l", "r"] = "l",
) -> str:
    """A table of Markdown. All columns but the first are aligned as given."""
    cells = [[str(cell).replace("|", r"\|") for cell in row] for row in rows]
    aligns: list[Literal["l", "r"]] = ["l", *[align] * (len(header) - 1)]
    return MarkdownRenderer().table(cells, header, aligns)
