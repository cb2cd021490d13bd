"""A complete training config that keeps the comments and the order of the one it is made from."""

import re
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from spacy.util import load_config, load_model_from_config

_SECTION = re.compile(r"\[(.+)\]$")
_SETTING = re.compile(r"([^\s#\[=]+)\s*=")


def fill_config(path: Path, settings: dict[str, Any], removed: Sequence[str] = ()) -> str:
    """Change settings of a config, and add the defaults of all others.

    spaCy's `init fill-config` adds them as well, but loses the comments and the order.

    path (Path): The config.
    settings (dict[str, Any]): The values to change, by their dotted names.
    removed (Sequence[str]): The sections to leave out, by their dotted names.
    RETURNS (str): The new config. Sections and settings have the order of the old one, those that
        it lacks come last. Comments stay before their section or setting, but the comment on the
        whole file is left out.
    RAISES: ValueError if something that the config names is not installed.
    """
    config = load_config(path, overrides=settings)
    for name in removed:
        *outer, last = name.split(".")
        del reduce(getitem, outer, config)[last]
    nlp = load_model_from_config(config, auto_fill=True, validate=False)
    # A second time, to validate what was filled in.
    filled = load_model_from_config(nlp.config).config
    return arrange(filled.to_str(interpolate=False), path.read_text(encoding="utf8"))


def arrange(text: str, source: str) -> str:
    """Give a config the order and the comments of another one.

    text (str): The config, as Thinc writes it.
    source (str): The other one.
    RETURNS (str): The config. Sections and settings that only it has come last.
    """
    order: dict[str, int] = {}
    for name, _, _ in [*_read(source), *_read(text)]:
        for part in _ancestors(name):
            order.setdefault(part, len(order))
    comments = {name: above for name, _, above in _read(source)}
    sections: dict[str, dict[str, str]] = {}
    for name, line, _ in _read(text):
        if _SECTION.match(line):
            settings = sections[name] = {}
        else:
            settings[name] = line
    lines: list[str] = []
    for section in sorted(sections, key=lambda name: [order[part] for part in _ancestors(name)]):
        lines += ["", *comments.get(section, []), f"[{section}]"]
        for name in sorted(sections[section], key=order.__getitem__):
            lines += [*comments.get(name, []), sections[section][name]]
    return "\n".join(lines[1:]) + "\n"


def _read(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """The sections and settings of a config, by their dotted names, each with its first line and
    the comment above it. A comment on the whole file has an empty line below and belongs to none.
    """
    section = ""
    above: list[str] = []
    for line in text.splitlines():
        name = ""
        if line.startswith("#"):
            above.append(line)
        elif match := _SECTION.match(line):
            section = name = match[1]
        elif match := _SETTING.match(line):
            name = f"{section}.{match[1]}"
        if name:
            yield name, line, above
        if name or not line:
            above = []


def _ancestors(name: str) -> list[str]:
    """A dotted name, after those of all sections that it is in."""
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]
