"""The demo of docs/deployment.md."""

import pytest
import spacy

pytestmark = pytest.mark.slow
pytest.importorskip("spacy_streamlit", reason="needs Streamlit, which the extra 'deployment' has")
streamlit = pytest.importorskip("streamlit")
testing = pytest.importorskip("streamlit.testing.v1")


def visit(folder):
    app = testing.AppTest.from_file(str(folder / "demo.py"), default_timeout=120).run()
    assert not app.exception
    return app


@pytest.fixture
def app(in_recipes):
    return visit(in_recipes)


def table_of(app):
    return app.table[0].value.values.tolist()


def expected(nlp, text):
    return [[e.text, e.label_, pytest.approx(e._.confidence)] for e in nlp(text).ents]


def test_it_shows_an_example(app, nlp):
    assert table_of(app) == expected(nlp, app.text_area[0].value)


def test_it_shows_the_entities_of_a_text(app, nlp):
    app.text_area[0].set_value("李雷去上海").run()
    assert not app.exception
    page = "".join(element.value for element in app.markdown)
    assert all(part in page for part in ("李雷", "PER", "上海", "LOC"))
    assert table_of(app) == expected(nlp, "李雷去上海")
    assert len(table_of(app)) == 2


@pytest.mark.filterwarnings("ignore:.*W006")  # no entities to show
def test_a_text_may_have_no_entities(app):
    for text in ("今天下雨", ""):
        app.text_area[0].set_value(text).run()
        assert not app.exception
        assert table_of(app) == []


def test_the_model_is_loaded_once_for_all_visitors(in_recipes, monkeypatch):
    loads = []
    load = spacy.util.load_model_from_package
    monkeypatch.setattr(
        spacy.util, "load_model_from_package", lambda *a, **kw: loads.append(a) or load(*a, **kw)
    )
    streamlit.cache_resource.clear()
    visit(in_recipes).text_area[0].set_value("李雷去上海").run()
    visit(in_recipes)
    assert loads == [("zh_crf_ner",)]
