"""`benchmarks.report_page` measures a page and takes a picture of it."""

import re
import shutil

import pytest
import typer
from report_pages import make_page
from typer.testing import CliRunner

from benchmarks.report_page import main

app = typer.Typer()
app.command()(main)


def measure(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("chromium") is None and shutil.which("google-chrome") is None,
    reason="needs chromium",
)
def test_a_picture_and_times(tmp_path):
    pytest.importorskip("playwright", reason="needs playwright")
    (tmp_path / "page.html").write_text(make_page(), encoding="utf8")
    result = measure(tmp_path / "page.html", "--picture", tmp_path / "page.png", "--dark")
    assert result.exit_code == 0, result.output
    assert re.search(r"opened in \d+ ms", result.output)
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    missing = measure(tmp_path / "none.html")
    assert missing.exit_code == 1
    assert "none.html: there is no such file" in missing.output
