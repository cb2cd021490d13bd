"""Why a pipeline cannot be loaded, and what to do about it."""

import re
from importlib.metadata import version
from pathlib import Path

import srsly
from catalogue import RegistryError
from packaging.requirements import Requirement
from safetensors import safe_open
from thinc.api import Config, ConfigValidationError

PACKAGES = ("spacy", "spacy-crf-ner")
UPGRADE = "The pipeline was saved by a newer version: upgrade with `pip install -U spacy-crf-ner`."


def explain_loading(model: str, error: Exception, *, is_changed: bool = False) -> str:
    """Explain in one line why a pipeline cannot be loaded.

    model (str): Its name or folder.
    error (Exception): The error of `spacy.load`.
    is_changed (bool): Whether settings of its config were changed, and may be the cause.
    RETURNS (str): What is wrong, and what to do.
    """
    folder = Path(model)
    if damage := find_damage(folder) if folder.is_dir() else None:
        return f"{damage} {_replacement(folder)}"
    if unknown := _find_unknown(error, is_changed):
        return (
            f"{model}: spacy-crf-ner {version('spacy-crf-ner')} does not have {unknown}. {UPGRADE}"
        )
    if needed := _find_requirement(folder):
        return f"{model}: it needs {needed}: pip install -U '{needed}'."
    # spaCy's errors say what to do about a wrong name, a missing package or a wrong setting.
    if not folder.is_dir() or is_changed or isinstance(error, ImportError):
        return str(error)
    return f"{model}: it cannot be loaded ({_brief(error)}). {_replacement(folder)}"


def find_damage(folder: Path) -> str | None:
    """Find a file of a pipeline that is missing or damaged.

    folder (Path): Its folder.
    RETURNS (str | None): The path and what is wrong with it, as a sentence; None if all are fine.
    """
    for path in [folder / "config.cfg", folder / "meta.json", *_own_files(folder)]:
        if not path.exists():
            return f"{path}: the file is missing."
    for path in sorted(folder.rglob("*")):
        try:
            _read(path, is_config=path == folder / "config.cfg")
        # JSON, safetensors and thinc have errors of their own.
        except Exception as error:
            return f"{path}: the file is damaged ({_brief(error)})."
    return None


def _own_files(folder: Path) -> list[Path]:
    """The files of the components of this package."""
    try:
        components = Config().from_disk(folder / "config.cfg", interpolate=False)["components"]
    except Exception:  # `_read` will say what is wrong with it
        return []
    pipes = [folder / name for name, pipe in components.items() if pipe.get("factory") == "crf_ner"]
    return [pipe / name for pipe in pipes for name in ("cfg", "model.safetensors")]


def _read(path: Path, *, is_config: bool) -> None:
    if is_config:
        config = Config().from_disk(path, interpolate=False)
        missing = set(config["nlp"]["pipeline"]) - set(config["components"])
        if missing:
            raise ValueError(f"it ends before {', '.join(sorted(missing))}")
    elif path.suffix == ".json" or path.name in ("cfg", "vectors.cfg"):
        srsly.read_json(path)
    elif path.suffix == ".safetensors":
        safe_open(path, framework="numpy")


def _find_unknown(error: Exception, is_changed: bool) -> str | None:
    """What a config names that this version does not have."""
    if isinstance(error, RegistryError):
        name = re.search(r"'(spacy_crf_ner\.[^']+)'", str(error))
        return name and name[1]
    if isinstance(error, ConfigValidationError) and not is_changed and "crf_ner" in _brief(error):
        for each in error.errors:
            if "unexpected argument" in each["msg"]:
                return f"the setting {'.'.join(map(str, each['loc']))}"
    return None


def _find_requirement(folder: Path) -> Requirement | None:
    """The first package of which the pipeline needs another version."""
    path = folder / "meta.json"
    if not path.is_file():
        return None
    meta = srsly.read_json(path)
    lines = [*meta.get("requirements", []), f"spacy{meta.get('spacy_version', '')}"]
    for requirement in map(Requirement, lines):
        if requirement.name in PACKAGES:
            installed = version(requirement.name)
            if not requirement.specifier.contains(installed, prereleases=True):
                return requirement
    return None


def _replacement(folder: Path) -> str:
    last = folder.with_name("model-last")
    if folder.name == "model-best" and last.is_dir():
        return f"Use {last}, which `spacy train` saved before it, or train again."
    return "Copy the pipeline again from where it was made, or train it again."


def _brief(error: Exception) -> str:
    """An error in one line. An error of a config says in its second line which setting it is."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    return ": ".join(lines[: 2 if isinstance(error, ConfigValidationError) else 1])
