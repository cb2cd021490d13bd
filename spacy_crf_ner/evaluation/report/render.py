"""The page as HTML: the template, its style sheet and its script in one file."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).parent


def render(values: dict[str, Any]) -> str:
    """Fill the template. Values are escaped, unless they are `Markup`.

    values (dict[str, Any]): What `page.describe` returned.
    RETURNS (str): The page.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # `tojson` escapes what would end the script. Chinese characters stay as they are.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    environment.filters.update(percent=_percent, number=_number, decimals=_decimals)
    files = {kind: Markup(_read(f"report.{kind}")) for kind in ("css", "js")}
    return environment.get_template("report.html.jinja").render(**files, **values)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf8")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _number(value: int) -> str:
    return f"{value:,}"


def _decimals(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
