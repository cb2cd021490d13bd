"""The docstrings of this project have spaCy's form, which no parser of mkdocstrings reads. This
extension of Griffe rewrites them in Google's form, for the site only:

    name (type): What it is.              Args:
    RETURNS (type): What comes back.  ->      name (type): What it is.
    RAISES: ValueError if not.            Returns:
                                              type: What comes back.

                                          **Raises**: ValueError if not.
"""

import re
from collections.abc import Iterator
from typing import Any

import griffe

FIELD = re.compile(r"(?P<name>\*{0,2}[a-z_]\w*) \((?P<type>.+?)\): (?P<text>.+)", re.DOTALL)
RESULT = re.compile(r"(?P<name>RETURNS|YIELDS) \((?P<type>.+?)\): (?P<text>.+)", re.DOTALL)
RAISES = re.compile(r"RAISES: (?P<text>.+)", re.DOTALL)
ITEM = re.compile(r"(RETURNS|YIELDS) \(|RAISES: |\*{0,2}[a-z_]\w* \([A-Z\w].*?\): ")


class SpacyDocstrings(griffe.Extension):
    """Rewrite every docstring in Google's form."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Rewrite all docstrings of a package, once it is loaded.

        pkg (griffe.Module): The package.
        """
        for obj in _walk(pkg):
            if obj.docstring:
                arguments = _arguments(obj) if obj.is_class else None
                obj.docstring.value = to_google(obj.docstring.value, arguments)


def to_google(docstring: str, arguments: set[str] | None = None) -> str:
    """Rewrite a docstring in Google's form.

    docstring (str): The docstring, without indentation.
    arguments (set[str] | None): Of a class: those of its items that are arguments of `__init__`.
        The others are attributes.
    RETURNS (str): The docstring in Google's form.
    """
    prose, items = _split(docstring)
    sections: dict[str, list[str]] = {"Args": [], "Attributes": [], "Returns": [], "Yields": []}
    errors = []
    for item in items:
        if match := RAISES.fullmatch(item):
            errors.append(f"**Raises:** {match['text']}")
        elif match := RESULT.fullmatch(item):
            sections[match["name"].capitalize()].append(f"{match['type']}: {match['text']}")
        elif match := FIELD.fullmatch(item):
            is_argument = arguments is None or match["name"] in arguments
            sections["Args" if is_argument else "Attributes"].append(item)
        else:
            raise ValueError(f"not an item of a docstring: {item}")
    parts = [prose]
    for heading, lines in sections.items():
        if lines:
            parts.append("\n".join([f"{heading}:", *(f"    {line}" for line in lines)]))
    return "\n\n".join(part for part in (*parts, *errors) if part)


def _walk(obj: griffe.Object) -> Iterator[griffe.Object]:
    yield obj
    for member in obj.members.values():
        if not member.is_alias:
            yield from _walk(member)


def _arguments(cls: griffe.Object) -> set[str]:
    """The arguments of the `__init__` that is written in a class, if one is."""
    init = cls.members.get("__init__")
    return {p.name for p in init.parameters} if init and init.lineno else set()


def _split(docstring: str) -> tuple[str, list[str]]:
    """The prose of a docstring, and its items, each on one line."""
    prose: list[str] = []
    items: list[str] = []
    is_item = False
    for line in docstring.splitlines():
        if ITEM.match(line):
            items.append(line.strip())
            is_item = True
        elif is_item and line.startswith(" "):
            items[-1] += f" {line.strip()}"
        else:
            prose.append(line)
            is_item = False
    return "\n".join(prose).strip(), items
