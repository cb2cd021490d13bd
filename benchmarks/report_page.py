"""`python -m benchmarks.report_page`: the size of a page of `crf report`, how long Chromium takes
to open it, and a picture of it."""

import shutil
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from wasabi import msg

from spacy_crf_ner.cli.errors import exit_with

RUNS = 5
WIDTH, HEIGHT = 1150, 900
# What the picture shows, so that it is no higher than a page.
PICTURE = """
section:not(#labels, #errors, #threshold), #list li:nth-child(n + 3), #more { display: none; }
"""
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def main(
    page: Annotated[Path, typer.Argument(metavar="PAGE", help="HTML file of `crf report`")],
    picture: Annotated[Path | None, typer.Option(help="PNG file to write")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="In dark colours")] = False,
) -> None:
    """Measure a page, and take a picture of its scores, its first errors and its thresholds."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        exit_with("This needs playwright: pip install playwright.")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        exit_with("This needs Chromium. Install it, e.g. `apt-get install chromium`.")
    if not page.is_file():
        exit_with(f"{page}: there is no such file. `python -m spacy crf report` writes one.")
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark" if dark else "light"
        )
        url = page.resolve().as_uri()
        times = [_load(opened, url) for _ in range(RUNS)]
        msg.info(f"{page.stat().st_size / 1e6:.2f} MB, Chromium {browser.version}")
        msg.info(
            f"opened in {median(times):.0f} ms (median of {RUNS}; {max(times):.0f} ms at most)"
        )
        if picture is not None:
            opened.add_style_tag(content=PICTURE)
            opened.screenshot(path=picture, full_page=True)
            msg.good(f"written: {picture}")
        browser.close()


def _load(opened: Any, url: str) -> float:
    """The milliseconds until everything is loaded and the script has run."""
    opened.goto(url)
    return opened.evaluate(LOADED)


if __name__ == "__main__":
    typer.run(main)
