"""What README.md and docs/ say can be run is run here, or checked as far as it can be.

Each fenced block is run, unless a comment right before it says why not: `<!-- not run: why -->`. Of
all blocks, run or not, and of commands within sentences, it is checked that the commands, options,
variables and settings exist.
"""

import ast
import importlib
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
import typer
from blocks import FENCE, ROOT, Block, read_blocks
from spacy.cli._util import app as spacy_app
from spacy.cli._util import parse_config_overrides
from spacy.cli.init_config import init_config
from spacy.cli.package import package
from spacy.language import DEFAULT_CONFIG
from spacy.tokens import DocBin
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.util import load_config, minibatch
from thinc.api import Config

from spacy_crf_ner.formats.catalogue import FORMATS

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What needs no check, because it is no part of this project.
PLAIN = "awk cat cp curl cut docker head mkdir nvidia-smi source tar".split()
SETTING = re.compile(r"(components|corpora|initialize|nlp|paths|system|training)(\.[\w*@]+)+")


def without_blocks(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf8"))


BLOCKS = [block for page in PAGES for block in read_blocks(page)]


def blocks_of(*languages: str) -> list[object]:
    return [pytest.param(block, id=block.name) for block in BLOCKS if block.language in languages]


def pages_that_run(language: str) -> list[object]:
    pages = {
        block.page: None for block in BLOCKS if block.language == language and not block.reason
    }
    return [pytest.param(page, id=page.name) for page in pages]


# What the code and the commands find: small stand-ins for corpora, a pipeline and its package.


def write_corpus(path: Path, lines: list[str]) -> None:
    nlp = spacy.blank("zh")
    docs = DocBin()
    for entry in map(json.loads, lines):
        doc = nlp.make_doc(entry["text"])
        doc.ents = [
            doc.char_span(start, end + 1, label=label)
            for label, mentions in entry["label"].items()
            for spans in mentions.values()
            for start, end in spans
        ]
        docs.add(doc)
    docs.to_disk(path)


def train(folder: Path) -> spacy.Language:
    words = folder / "words.txt"
    words.write_text("北京\tns\n王明\tnr\n", encoding="utf8")
    config = load_config(
        ROOT / "configs" / "bilstm.cfg",
        overrides={
            "paths.train": str(folder / "corpus/cluener/train.spacy"),
            "paths.dev": str(folder / "corpus/cluener/dev.spacy"),
            "initialize.before_init.jieba": False,
            "initialize.before_init.gazetteers": [str(words)],
        },
    )
    nlp = init_nlp(config)
    optimizer = nlp.create_optimizer()
    for batch in minibatch(Corpus(config["paths"]["train"])(nlp), 16):
        nlp.update(batch, sgd=optimizer)
    return nlp


@pytest.fixture(scope="session")
def work(tmp_path_factory) -> Path:
    """A folder in which the documentation's paths exist."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "assets" / "sample.zh.txt", folder / "texts.txt")
    texts = (folder / "texts.txt").read_text(encoding="utf8").splitlines()
    records = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (folder / "texts.jsonl").write_text(records, encoding="utf8")
    (folder / "tuned").mkdir()
    shutil.copy(ROOT / "configs" / "bilstm.cfg", folder / "tuned" / "best.cfg")
    (folder / "packages").mkdir()
    (folder / "mine").mkdir()
    (folder / "assets" / "mine").mkdir(parents=True)
    (folder / "corpus" / "cluener").mkdir(parents=True)
    for name, size in (("train", 160), ("dev", 40), ("test", 40)):
        text = (ROOT / "assets" / "demo" / f"{name}.json").read_text(encoding="utf8")
        lines = text.splitlines()[:size]
        (folder / "assets" / "mine" / f"{name}.json").write_text("\n".join(lines), encoding="utf8")
        write_corpus(folder / "corpus" / "cluener" / f"{name}.spacy", lines)
    init_config(lang="zh", pipeline=["ner"]).to_disk(folder / "ner.cfg")
    for name in ("chars.vec", "chars50.vec"):
        (folder / name).touch()
    (folder / "training" / "cluener-bilstm").mkdir(parents=True)
    train(folder).to_disk(folder / "training" / "cluener-bilstm" / "model-best")
    return folder


@pytest.fixture(scope="session")
def site(work, tmp_path_factory) -> Path:
    """A folder of packages that has `zh_crf_ner`, as `make run` installs it."""
    output = tmp_path_factory.mktemp("packages")
    model = work / "training" / "cluener-bilstm" / "model-best"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # spaCy leaves files open
        package(model, output, name="crf_ner", version="0.1.0", create_sdist=False, silent=True)
    folder = output / "zh_crf_ner-0.1.0"
    shutil.copy(folder / "meta.json", folder / "zh_crf_ner")
    info = folder / "zh_crf_ner-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zh_crf_ner\nVersion: 0.1.0\n")
    return folder


# Blocks.


@pytest.mark.parametrize("block", [pytest.param(block, id=block.name) for block in BLOCKS])
def test_every_block_is_run_or_says_why_not(block):
    assert block.reason or block.language in ("python", "bash", "ini", "json")


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_that_run("python"))
def test_python_runs(page, work, site, monkeypatch):
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(str(site))
    printed: list[str] = []
    namespace = {"print": lambda *args: printed.append(" ".join(map(str, args)))}
    for block in read_blocks(page):
        if block.language == "python" and not block.reason:
            exec(compile(block.text, block.name, "exec"), namespace)
            for expected in re.findall(r"^print\(.*\)  # (.+)$", block.text, re.MULTILINE):
                assert expected in printed, block.name


@pytest.mark.parametrize("block", blocks_of("python"))
def test_python_is_python(block):
    ast.parse(block.text, block.name)


@pytest.mark.parametrize("block", blocks_of("ini"))
def test_configs_are_made_of_registered_functions(block):
    parts = [name.split(".") for name in re.findall(r"^\[(.+)\]$", block.text, re.MULTILINE)]
    above = {".".join(part[:n]): None for part in parts for n in range(1, len(part))}
    sections = "".join(f"[{name}]\n" for name in above if f"[{name}]" not in block.text)
    config = Config().from_str(sections + block.text, interpolate=False)
    names = list(all_names(config))
    components = config.get("components", {}).values()
    factories = [settings["factory"] for settings in components if "factory" in settings]
    assert names or factories
    for factory in factories:
        spacy.blank("zh").add_pipe(factory)
    for registry, name in names:
        assert spacy.registry.has(registry, name), f"@{registry} = {name}"


def all_names(config: dict) -> Iterator[tuple[str, str]]:
    """The registered functions that a config names, with their registries."""
    yield from registered_names(config)
    for value in config.values():
        if isinstance(value, dict):
            yield from all_names(value)


def registered_names(section: dict) -> Iterator[tuple[str, str]]:
    """The registered function that a section names, if it names one."""
    for key, value in section.items():
        if key.startswith("@"):
            yield key[1:], value


@pytest.mark.parametrize("block", blocks_of("json"))
def test_json_is_json(block):
    json.loads(block.text)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_that_run("bash"))
def test_commands_run(page, work, site, tmp_path):
    folder = tmp_path / "work"
    shutil.copytree(work, folder)
    # Whatever `python` is on the path, the tests' own is meant.
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    for block in read_blocks(page):
        if block.language == "bash" and not block.reason:
            command = ["bash", "-euo", "pipefail", "-c", block.text]
            result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            assert result.returncode == 0, f"{block.name}\n{result.stdout}\n{result.stderr}"


# Commands.


@pytest.mark.parametrize("block", blocks_of("bash"))
def test_commands_exist(block, work, monkeypatch):
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(str(ROOT))
    commands = list(split_commands(block.text))
    assert commands
    for words in commands:
        check_command(words)


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_commands_within_sentences_exist(page, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    for code in re.findall("`([^`\n]+)`", without_blocks(page)):
        if re.match(r"(python -m|make|pip install|pytest) ", code):
            (words,) = split_commands(code)
            check_command(words, complete=False)
        elif re.match(r"(spacy|crf) [a-z]", code):
            words = code.split()
            words = words[1:] if words[0] == "spacy" else words
            check_spacy(words, complete=False)


def split_commands(script: str) -> Iterator[list[str]]:
    """The words of each simple command of a shell script."""
    script = re.sub(r"(^|\s)#.*$", "", script.replace("\\\n", " "), flags=re.MULTILINE)
    lexer = shlex.shlex(script, posix=True, punctuation_chars=";&|()\n")
    lexer.whitespace, lexer.whitespace_split = " \t", True
    words: list[str] = []
    for token in [*lexer, "\n"]:
        if set(token) <= set(";&|()\n"):
            while words and (words[0] == "do" or re.match(r"\w+=", words[0])):
                del words[0]
            if words and words[0] not in ("for", "done"):
                yield words
            words = []
        else:
            words.append(token)


def check_command(words: list[str], complete: bool = True) -> None:
    """Check that a command exists, with its options.

    words (List[str]): The command and its arguments.
    complete (bool): Whether it has all arguments that it needs. Within sentences, it may not.
    """
    program, *args = words
    if program == "make":
        check_make(args)
    elif program == "pip":
        check_pip(args)
    elif program == "pytest":
        assert all((ROOT / path).exists() for path in args), words
    elif program == "python":
        check_python(args, complete)
    elif program == "torchrun":
        check_python(args[args.index("-m") :], complete)
    else:
        assert program in PLAIN, f"{words}: what is {program}?"


def check_python(args: list[str], complete: bool) -> None:
    if args[0] == "-c":
        ast.parse(args[1])
        return
    if args[0] == "tagger/tagger.py":  # what `crf export` writes
        return
    assert args[0] == "-m", args
    module, args = args[1], args[2:]
    if module == "cProfile":
        assert args[0] == "-o", args
        check_python(args[2:], complete)
    elif module == "spacy":
        check_spacy(args, complete)
    elif module.startswith("benchmarks."):
        check_benchmark(module, args, complete)
    elif module == "pip":
        check_pip(args)
    else:
        assert module in ("streamlit", "uvicorn", "venv"), args


def check_spacy(args: list[str], complete: bool) -> None:
    spacy.registry.cli.get_all()  # adds `crf`
    check_options(typer.main.get_command(spacy_app), args, complete)


def check_benchmark(module: str, args: list[str], complete: bool) -> None:
    benchmark = importlib.import_module(module)
    app = getattr(benchmark, "app", None)
    if app is None:
        app = typer.Typer()
        app.command()(benchmark.main)
    check_options(typer.main.get_command(app), args, complete)


def check_options(command, args: list[str], complete: bool) -> None:
    name = "python"
    while hasattr(command, "commands"):
        if not args or args[0] == "…":
            assert not complete
            return
        name, *args = args
        assert name in command.commands, f"no command {name}"
        command = command.commands[name]
    if not complete:
        options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
        given = {word for word in args if word.startswith("-") and "." not in word}
        assert given <= options, f"{name}: no option {given - options}"
        return
    context = command.make_context(name, list(args))
    if context.args:
        check_overrides(args, parse_config_overrides(context.args))


def check_overrides(args: list[str], overrides: dict[str, object]) -> None:
    """Check that settings are some of the first config among the arguments."""
    config = next(word for word in args if word.endswith(".cfg"))
    for path in overrides:
        section, _, _ = path.rpartition(".")
        # A section that is not in the file cannot be changed, even if spaCy has it by default.
        assert find_section(load_config(config), section) is not None, f"{config}: no [{section}]"
        assert has_setting(load_config(config), path), f"{config}: no setting {path}"


def has_setting(config: Config, path: str) -> bool:
    """Whether a config has a setting, be it by default."""
    section, _, name = path.rpartition(".")
    values = find_section(DEFAULT_CONFIG.merge(config), section)
    if values is None:
        return False
    names = set(values)
    if "factory" in values:
        names |= set(spacy.Language.get_factory_meta(values["factory"]).default_config)
    for registry, function in registered_names(values):
        names |= set(inspect.signature(spacy.registry.get(registry, function)).parameters)
    return name in names


def find_section(config: Config, path: str) -> dict | None:
    node: object = config
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else None


def check_make(args: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    targets = set(re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split())
    variables = set(re.findall(r"^(\w+) \?=", makefile, re.MULTILINE))
    for word in args:
        name, is_variable, _ = word.partition("=")
        assert name in (variables if is_variable else targets), f"make: no {name}"


def check_pip(args: list[str]) -> None:
    """Check that the extras exist."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf8")
    for word in args:
        if word.startswith("spacy-crf-ner["):
            for extra in word[len("spacy-crf-ner[") : -1].split(","):
                assert re.search(rf"^{extra} = \[", project, re.MULTILINE), f"no extra {extra}"


# Names and links.


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_names_exist(page):
    project = (ROOT / "pyproject.toml").read_text(encoding="utf8")
    text = page.read_text(encoding="utf8")
    for name in re.findall(r"spacy_crf_ner\.\w+\.v\d", text):
        assert f'"{name}" = ' in project, name
    for path in re.findall(r"`((?:configs|assets|tests)/[\w./]+)`", text):
        assert path == "assets/mine" or (ROOT / path).exists(), path
    configs = [load_config(path) for path in sorted((ROOT / "configs").glob("*.cfg"))]
    for code in re.findall("`([^`\n]+)`", without_blocks(page)):
        if SETTING.fullmatch(code) and not hasattr(spacy.Language, code.removeprefix("nlp.")):
            assert any(has_setting(config, code) for config in configs), code


def test_the_api_is_there():
    names = re.findall(r"^::: (\S+)$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert names
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_lead_somewhere(page):
    check_links(page)


def check_links(page: Path) -> None:
    text = re.sub("`[^`\n]+`", "", without_blocks(page))
    for path, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", text):
        if path.startswith("https://"):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), path
        # The site has no other files.
        assert page.parent == ROOT or target.is_relative_to(ROOT / "docs"), path
        if anchor:
            headings = re.findall("^#+ (.+)$", without_blocks(target), re.MULTILINE)
            assert anchor[1:] in map(slug, headings), f"{path}{anchor}"


def slug(heading: str) -> str:
    """The anchor of a heading, both on GitHub and of MkDocs."""
    return re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")


def test_the_table_of_formats_is_that_of_the_catalogue():
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf8")
    table = re.findall(r"^\| `([\w-]+)` \| .+ \| (.+) \| (.+) \|$", text, re.MULTILINE)
    rows = {name: (losses, confidences) for name, losses, confidences in table}
    assert rows == {
        name: (
            ", ".join(sorted(format.loses)) or "–",
            "yes" if format.has_confidences else "–",
        )
        for name, format in FORMATS.items()
    }


def test_every_page_is_in_the_navigation():
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf8")
    for page in PAGES[1:]:
        assert f"- {page.relative_to(ROOT / 'docs')}\n" in config, page.name


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf8").splitlines()) <= 150


def test_the_chinese_readme_has_the_same_code():
    def code(block: Block) -> tuple[str, str, str | None]:
        return block.language, re.sub(" +#.*", "", block.text), block.reason

    chinese = ROOT / "README.zh.md"
    assert list(map(code, read_blocks(chinese))) == list(map(code, read_blocks(PAGES[0])))
    check_links(chinese)
    figures = [re.findall(r"\d\d\.\d\d", p.read_text(encoding="utf8")) for p in (chinese, PAGES[0])]
    assert figures[0] == figures[1]
