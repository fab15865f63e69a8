"""The dimensions of a search space: a list of choices, a range `{ min, max, step | log }`, or one fixed value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from nas.errors import unknown_name, validation_message

MAX_STEPS = 10_000
NATURAL_MIN = {"num_layers": 1, "query_group_size": 1}
"""Dimension -> its least possible value: a range that begins there cannot be widened."""


class Range(BaseModel):
    """A numeric range that includes both ends; an integer range if all its numbers are whole and log is false."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min: float
    max: float
    step: float | None = None
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min:g} is greater than max {self.max:g}")
        if self.step is not None and (self.step <= 0 or self.log):
            raise ValueError("step must be positive and cannot be combined with log = true")
        if self.log and self.min <= 0:
            raise ValueError(f"log = true needs min > 0, found {self.min:g}")
        steps = (self.max - self.min) / (self.step or 1)
        if steps > MAX_STEPS and (self.is_integer or self.step is not None):
            raise ValueError(f"a range has at most {MAX_STEPS} steps, found {steps:g}; give a larger step")
        return self

    @property
    def is_integer(self) -> bool:
        return all(float(value).is_integer() for value in (self.min, self.max, self.step or 1)) and not self.log

    @property
    def is_continuous(self) -> bool:
        return not self.is_integer and self.step is None

    @property
    def last(self) -> float:
        """The greatest value that the steps reach; Optuna warns at every trial if its upper end is not reached."""
        return self.max if self.step is None else round(self.values()[-1], 12)

    def values(self) -> list[float]:
        """Return every value of an integer or stepped range, or both ends of a continuous one."""
        if self.is_continuous:
            return [self.min, self.max]
        step = self.step or 1
        return [self.min + index * step for index in range(math.floor((self.max - self.min) / step + 1e-9) + 1)]


Scalar = bool | int | float | str
Dimension = Scalar | tuple[Scalar, ...] | Range
Point = dict[str, Scalar]
"""Name of a dimension -> its value."""


def choices_of(dimension: Dimension) -> list[Any]:
    """Return the values of a dimension: choices, steps of a range (its ends if continuous), or the fixed value."""
    if isinstance(dimension, Range):
        return dimension.values()
    return list(dimension) if isinstance(dimension, tuple) else [dimension]


def typed_value(dimension: Dimension, value: Any) -> Scalar:
    """Return `value` as a dimension stores it: a range's values are int or float, as the range is."""
    if not isinstance(dimension, Range):
        return value  # type: ignore[no-any-return]
    return int(value) if dimension.is_integer else float(value)


def read_dimension(name: str, value: Any) -> Dimension:
    """Return the dimension that a value in TOML describes; ValueError with one line if it describes none."""
    if isinstance(value, Mapping):
        unknown = [key for key in value if key not in Range.model_fields]
        if unknown:
            raise ValueError(f"{name}: {unknown_name('range key', unknown[0], Range.model_fields)}")
        if not {"min", "max"} <= value.keys():
            raise ValueError(f"{name}: a range needs min and max, found {sorted(value)}")
        try:
            return Range.model_validate(value)
        except ValidationError as error:
            raise ValueError(validation_message(error, name)) from None
    if isinstance(value, list):
        if not value:
            raise ValueError(f"{name}: an empty list has no choices")
        if len(set(map(repr, value))) < len(value):
            raise ValueError(f"{name}: a choice is repeated in {value}")
        nested = [choice for choice in value if not isinstance(choice, Scalar)]
        if nested:
            raise ValueError(f"{name}: a list holds numbers, names, true or false; found {nested[0]!r}")
        return tuple(value)
    if not isinstance(value, Scalar):
        raise ValueError(f"{name}: expected a value, a list or a range, found {value!r}")
    return value
