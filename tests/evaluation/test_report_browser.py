"""The page of `crf report` in a real browser, Chromium without a window."""

import re
import shutil

import pytest
from report_pages import ASTRAL, HOSTILE, make_page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The page, what it says to the console, and what it asks of the network."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(make_page(), encoding="utf8")
    said, asked = [], []
    with sync_api.sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        yield page, path.as_uri(), said, asked
        browser.close()


@pytest.fixture
def page(opened):
    """The page in light colours, as it is when it has just been loaded."""
    page, url, said, asked = opened
    page.emulate_media(color_scheme="light", media="screen")
    page.goto(url)
    yield page
    assert said == []
    assert {request for request in asked if not request.startswith("data:")} == {url}


def count(page):
    """The number of errors that are chosen, which are all shown here."""
    shown, chosen, _ = re.findall(r"\d+", page.inner_text("#count"))
    assert page.locator("#list > li").count() == int(shown) == int(chosen)
    return int(chosen)


def test_it_loads_and_shows_all_errors(page):
    assert count(page) > 3
    assert page.inner_text("h1").startswith("m on d.spacy")
    assert page.locator("svg.plot").count() == 2
    assert page.locator("#more").is_hidden()


@pytest.mark.parametrize(
    ("name", "value"), [("kind", "missed"), ("label", "PER"), ("text", "今天"), ("low", "90")]
)
def test_a_filter_leaves_what_fits(page, name, value):
    everything = count(page)
    field = page.locator(f"#filters [name={name}]")
    if name in ("kind", "label"):
        field.select_option(value)
    else:
        field.fill(value)
    assert 0 < count(page) < everything
    items = page.locator("#list > li").all_inner_texts()
    if name == "low":
        certainties = [float(re.search(r"certainty ([\d.]+)", item)[1]) for item in items]
        assert min(certainties) >= 90
        assert certainties == sorted(certainties, reverse=True)
    else:
        assert all(value in item for item in items)


def test_no_error_fits(page):
    page.locator("#filters [name=text]").fill("nowhere")
    assert count(page) == 0


def test_what_comes_from_the_corpus_is_text(page):
    page.locator("#filters [name=text]").fill(HOSTILE)
    assert page.locator("#list script").count() == 0
    assert HOSTILE in page.inner_text("#list")


def test_characters_beyond_two_bytes_do_not_move_entities(page):
    page.locator("#filters [name=text]").fill(ASTRAL)
    marks = page.locator("#list > li:first-child dd:first-of-type mark").all_inner_texts()
    assert [mark.split("LOC")[0].strip() for mark in marks] == ["王明", "工作"]


def luminance(colour):
    parts = [float(x) for x in re.findall(r"[\d.]+", colour)[:3]]
    linear = [
        x / 12.92 if x <= 0.04 else ((x + 0.055) / 1.055) ** 2.4
        for x in (part / 255 for part in parts)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(page, selector, background=None):
    """The contrast of a text (WCAG 2): from 1 to 21."""
    script = "([s, p]) => getComputedStyle(document.querySelector(s))[p]"
    values = (
        luminance(page.evaluate(script, [name, style]))
        for name, style in ((selector, "color"), (background or selector, "backgroundColor"))
    )
    darker, lighter = sorted(values)
    return (lighter + 0.05) / (darker + 0.05)


def is_dark(page):
    style = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return luminance(style) < 0.1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_are_readable(page, scheme):
    page.emulate_media(color_scheme=scheme)
    assert is_dark(page) == (scheme == "dark")
    for selector, background in (
        *(("body", None), (".entity", None), ("#filters select", None), (".note", None)),
        *(("thead th", "body"), (".about", "body"), (".about b", "body"), ("nav a", "body")),
        (".cards small", ".cards li"),
    ):
        assert contrast(page, selector, background) >= 4.5, selector


def test_the_button_changes_the_theme(page):
    assert not is_dark(page)
    page.click("#theme")
    assert is_dark(page)
    page.click("#theme")
    assert not is_dark(page)


def test_it_prints_in_light_colours(page):
    page.click("#theme")
    page.emulate_media(media="print")
    assert not is_dark(page)
    assert page.locator("#filters").is_hidden()
