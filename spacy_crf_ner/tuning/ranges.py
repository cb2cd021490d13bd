"""The values that a search may try for one setting of a config."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_KEYS = ("low", "high", "log", "step")
_EXAMPLE = '{"low": 0.1, "high": 0.5}, or a list of values'


@dataclass(frozen=True)
class Choices:
    """A list of values. Optuna sees them as JSON, because it takes no lists or sections.

    values (Sequence[Any]): The values.
    """

    values: Sequence[Any]

    def distribution(self) -> "BaseDistribution":
        """What Optuna draws from.

        RETURNS (BaseDistribution): The distribution.
        """
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution([json.dumps(value) for value in self.values])

    def to_param(self, value: Any) -> str | None:
        """What Optuna calls a value.

        value (Any): A value of the setting.
        RETURNS (str | None): Its JSON, or None if it is not among the choices.
        """
        return next((json.dumps(own) for own in self.values if own == value), None)

    def to_value(self, param: Any) -> Any:
        """The value that Optuna has drawn.

        param (Any): What Optuna calls it.
        RETURNS (Any): The value of the setting.
        """
        return json.loads(param)


@dataclass(frozen=True)
class Range:
    """The numbers from one to another.

    low (float): The lowest.
    high (float): The highest.
    log (bool): Whether ratios count, not differences, as for learning rates.
    step (float | None): The distance between the numbers. None for any, or any integer.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def is_integer(self) -> bool:
        """Whether all numbers are integers."""
        return all(isinstance(x, int) for x in (self.low, self.high, self.step or 0))

    def distribution(self) -> "BaseDistribution":
        """What Optuna draws from.

        RETURNS (BaseDistribution): The distribution.
        """
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.is_integer:
            step = int(self.step or 1)
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=step)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def to_param(self, value: Any) -> float | None:
        """What Optuna calls a value.

        value (Any): A value of the setting.
        RETURNS (float | None): The same, or None if it is not in the range.
        """
        if not _is_number(value) or not self.low <= value <= self.high:
            return None
        step = self.step or (1 if self.is_integer else None)
        return None if step and not _is_multiple(value - self.low, step) else value

    def to_value(self, param: Any) -> Any:
        """The value that Optuna has drawn.

        param (Any): What Optuna calls it.
        RETURNS (Any): The same, but no more than six digits of it, for people who read the config.
        """
        return param if isinstance(param, int) else float(f"{param:.6g}")


def make_values(given: Any) -> Choices | Range:
    """Make what a space file gives for a setting.

    given (Any): A list of values, or an object with low and high, and maybe log or step.
    RETURNS (Choices | Range): The values.
    RAISES: ValueError, without a place, if it is neither, or none of them can be drawn.
    """
    if isinstance(given, list):
        if not given:
            raise ValueError("the list is empty. Give at least two values.")
        return Choices(tuple(given))
    if not isinstance(given, dict):
        raise ValueError(f"expected {_EXAMPLE}; got {json.dumps(given)}.")
    unknown = [key for key in given if key not in _KEYS]
    if unknown:
        raise ValueError(f'unknown "{unknown[0]}". Known are {", ".join(_KEYS)}.')
    missing = [key for key in ("low", "high") if key not in given]
    if missing:
        raise ValueError(f'"{missing[0]}" is missing. Expected {_EXAMPLE}.')
    _check_range(given)
    return Range(**given)


def _check_range(given: dict[str, Any]) -> None:
    for key in ("low", "high", "step"):
        if not (_is_number(given.get(key)) or (key == "step" and given.get(key) is None)):
            raise ValueError(f'"{key}" must be a number, got {json.dumps(given[key])}.')
    low, high = given["low"], given["high"]
    log, step = given.get("log"), given.get("step")
    if log not in (None, True, False):
        raise ValueError(f'"log" must be true or false, got {json.dumps(log)}.')
    if low >= high:
        raise ValueError(f'"low" is {low}, "high" is {high}. "low" must be less.')
    if log and low <= 0:
        raise ValueError(f'"low" is {low}. With "log", it must be greater than 0.')
    if step is None:
        return
    if log:
        raise ValueError('"log" and "step" exclude each other. Leave one out.')
    if step <= 0 or not _is_multiple(high - low, step):
        raise ValueError(
            f'"step" is {step}. From {low}, such steps do not lead to {high}. Change one of them.'
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_multiple(number: float, step: float) -> bool:
    return math.isclose(number / step, round(number / step), abs_tol=1e-8)
