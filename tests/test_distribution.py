"""What is published: the sdist, and the wheel built from it, which is installed alone, trained and
loaded where the checkout can't be imported.
"""

import json
import os
import tarfile
import zipfile

import pytest
from built_wheel import ALL_FROM_TARGET, PACKAGE, ROOT, SOURCE, needs_source, output_of

pytestmark = [pytest.mark.slow, needs_source]

LOAD_ENTRY_POINTS = """
from importlib.metadata import distribution, entry_points

ours = distribution("spacy-crf-ner")
assert Path(ours.locate_file("")).resolve() == Path(sys.argv[1]).resolve()
assert ours.entry_points
for entry_point in ours.entry_points:
    # What spaCy finds under the name is this one, not that of another installation.
    (found,) = entry_points(group=entry_point.group, name=entry_point.name)
    assert found == entry_point
    assert entry_point.load() is not None
require_target()
print(len(ours.entry_points))
"""

WRITE_CONFIG = """
import spacy

nlp = spacy.blank("zh")
nlp.add_pipe("crf_ner")
nlp.config.to_disk("config.cfg")
require_target()
"""

TAG = """
import spacy

nlp = spacy.load("trained/model-last")
docs = list(nlp.pipe(["王明在北京工作", "", "上海有雨"]))
assert all(doc.has_annotation("ENT_IOB") for doc in docs)
assert {ent.label_ for doc in docs for ent in doc.ents} <= {"LOCATION", "PERSON"}
require_target()
print(*nlp.get_pipe("crf_ner").labels)
"""


def line(text, person, place):
    label = {
        name: {mention: [[text.index(mention), text.index(mention) + len(mention) - 1]]}
        for name, mention in (("PERSON", person), ("LOCATION", place))
    }
    return json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n"


CORPUS = line("王明在北京工作", "王明", "北京") + line("李雷去上海", "李雷", "上海")


def source_files():
    """The files of the package, by their path from above it."""
    paths = [path for path in SOURCE.rglob("*") if path.is_file()]
    return {path.relative_to(ROOT).as_posix() for path in paths if "__pycache__" not in path.parts}


def template_files():
    """The repository's own project, which is the template of `crf init`."""
    configs = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("configs/**/*.cfg")}
    return {"project.yml", *configs}


def test_the_sdist_has_what_it_is_built_from(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    root = f"{path.name.removesuffix('.tar.gz')}/"
    assert all(name.startswith(root) for name in names)
    assert {name.removeprefix(root) for name in names} == {
        *source_files(),
        *template_files(),
        *("CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"),
        # hatchling adds these.
        *("PKG-INFO", ".gitignore"),
    }


def test_the_wheel_has_the_package_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    info = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    assert f"{PACKAGE}/py.typed" in files
    assert {name for name in files if not name.startswith(f"{info}/")} == {
        *source_files(),
        *(f"{PACKAGE}/project/template/{name}" for name in template_files()),
    }
    assert f"{info}/licenses/LICENSE" in files
    assert wheel.name.endswith("-py3-none-any.whl")


def test_nothing_is_left_of_an_earlier_build(target):
    (path,) = target.glob("*.dist-info/entry_points.txt")
    assert "old" not in path.read_text(encoding="utf8").split()
    assert {path.name for path in target.iterdir()} == {PACKAGE, path.parent.name}


def test_entry_points_resolve(target, installed, tmp_path):
    code = ALL_FROM_TARGET + LOAD_ENTRY_POINTS
    assert int(output_of("-c", code, target, env=installed, cwd=tmp_path)) > 10


def test_the_checkout_is_out_of_reach(installed, tmp_path):
    """Or else the tests here would say nothing."""
    guard, _ = installed["PYTHONPATH"].split(os.pathsep)
    code = f"import importlib.util; print(importlib.util.find_spec('{PACKAGE}'))"
    output = output_of("-c", code, env={**installed, "PYTHONPATH": guard}, cwd=tmp_path)
    assert str(SOURCE) not in output


def test_it_converts_trains_loads_and_tags(target, installed, tmp_path):
    alone = {"env": installed, "cwd": tmp_path}
    (tmp_path / "corpus").mkdir()
    for name in ("train", "dev"):
        (tmp_path / "corpus" / f"{name}.json").write_text(CORPUS, encoding="utf8")
    output_of("-m", "spacy", "crf", "convert", "corpus", "converted", "--lang", "zh", **alone)
    output_of("-c", ALL_FROM_TARGET + WRITE_CONFIG, target, **alone)
    output_of(
        *("-m", "spacy", "train", "config.cfg", "--output", "trained"),
        *("--paths.train", "converted/train.spacy", "--paths.dev", "converted/dev.spacy"),
        *("--training.max_steps", "2", "--training.eval_frequency", "1"),
        **alone,
    )
    labels = output_of("-c", ALL_FROM_TARGET + TAG, target, **alone)
    assert labels.split() == ["LOCATION", "PERSON"]
