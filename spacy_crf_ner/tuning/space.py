"""A search space: which settings of a config to change, and what values to try."""

import json
from configparser import ConfigParser, Error
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from thinc.api import Config

from ..util import read_lines
from .ranges import Choices, Range, make_values

Space = dict[str, Choices | Range]
_NOTHING = object()


class Given(NamedTuple):
    """What a config has for a setting.

    name (str): The dotted name of the setting; or of the section that it would be in, if the config
        takes the whole section from elsewhere.
    value (Any): The value; _NOTHING if there is no such setting.
    """

    name: str
    value: Any

    @property
    def is_reference(self) -> bool:
        """Whether the config takes it from elsewhere."""
        return isinstance(self.value, str) and "${" in self.value


def read_space(path: Path) -> Space:
    """Read a search space, which has the syntax of a config.

    path (Path): The file. Its sections and settings are those of the config, and its values are
        lists of values to choose from, or objects with the keys low and high, and maybe log or
        step.
    RETURNS (Space): The values by the dotted name of the setting.
    RAISES: CorpusError if the file cannot be read; ValueError, with file, section, name and remedy,
        if there is something else in it.
    """
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # case matters
    try:
        parser.read_string("\n".join(read_lines(path)), str(path))
    except Error as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: not the syntax of a config: {reason}.") from None
    space: Space = {}
    for section in parser.sections():
        for name, text in parser[section].items():
            try:
                space[f"{section}.{name}"] = make_values(_read_value(text))
            except ValueError as error:
                raise ValueError(f"{path}: [{section}] {name}: {error}") from None
    if not space:
        raise ValueError(f"{path}: no settings. Add a section with a setting to tune.")
    return space


def check_space(space: Space, config: Config, path: Path) -> None:
    """Check that a config has all settings of a search space.

    space (Space): The search space.
    config (Config): The config with its defaults, not interpolated.
    path (Path): The file of the space, for error messages.
    RAISES: ValueError, with file, name and remedy, if the config lacks a setting or takes it from
        elsewhere, or if the space has a section and a setting in it.
    """
    for name in space:
        section, _, key = name.rpartition(".")
        where = f"{path}: [{section}] {key}"
        given = find_value(config, name)
        if given.is_reference:
            raise ValueError(
                f"{where}: the config has {given.name} = {given.value}. Tune what that refers to, "
                "or write a value into the config."
            )
        if given.value is _NOTHING:
            near = get_close_matches(name, list(_all_names(config)), n=1, cutoff=0.5)
            hint = f" Is it {near[0]}?" if near else ""
            raise ValueError(f"{where}: the config has no {name}.{hint}")
        for other in space:
            if other.startswith(f"{name}."):
                raise ValueError(f"{where}: {other} is in this section. Tune one of the two.")


def find_value(config: Config, name: str) -> Given:
    """Find a setting of a config.

    config (Config): The config, not interpolated.
    name (str): The dotted name.
    RETURNS (Given): What the config has for it.
    """
    node: Any = config
    parts = name.split(".")
    for i, part in enumerate(parts):
        if not isinstance(node, dict):
            found = Given(".".join(parts[:i]), node)
            return found if found.is_reference else Given(name, _NOTHING)
        node = node.get(part, _NOTHING)
    return Given(name, node)


def own_params(space: Space, config: Config) -> tuple[dict[str, Any], list[str]]:
    """The config's own values, as Optuna calls them.

    space (Space): The search space.
    config (Config): The config with its defaults.
    RETURNS (tuple[dict[str, Any], list[str]]): The values by name, and the names of those that are
        not in the space.
    """
    params = {
        name: values.to_param(find_value(config, name).value) for name, values in space.items()
    }
    return params, [name for name, param in params.items() if param is None]


def to_values(space: Space, params: dict[str, Any]) -> dict[str, Any]:
    """The values that Optuna has drawn.

    space (Space): The search space.
    params (dict[str, Any]): The values as Optuna calls them, by name.
    RETURNS (dict[str, Any]): The values by name, in the order of the space.
    """
    return {name: values.to_value(params[name]) for name, values in space.items()}


def with_values(config: Config, values: dict[str, Any]) -> Config:
    """Change settings of a config.

    config (Config): The config, not interpolated.
    values (dict[str, Any]): The new values by their dotted names.
    RETURNS (Config): The new config.
    """
    changed = config.copy()
    for name, value in values.items():
        node: dict[str, Any] = changed
        *sections, key = name.split(".")
        for section in sections:
            node = node.setdefault(section, {})
        node[key] = deepcopy(value)
    return changed


def _read_value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _all_names(node: dict[str, Any], above: str = "") -> list[str]:
    names = []
    for key, value in node.items():
        names.append(f"{above}{key}")
        if isinstance(value, dict):
            names += _all_names(value, f"{above}{key}.")
    return names
