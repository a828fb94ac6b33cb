"""Reading the rows of a pandas DataFrame, as those of a file are read."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from distillora.errors import DataError
from distillora.readers.rows import Row, Source, choose_text_column, text_or_problem

if TYPE_CHECKING:
    from pandas import DataFrame

NAME = "the DataFrame"


def is_dataframe(value: object) -> TypeGuard[DataFrame]:
    """Whether a value is a pandas DataFrame; does not import pandas, which takes long."""
    pandas = sys.modules.get("pandas")  # without it there is no DataFrame
    return pandas is not None and isinstance(value, pandas.DataFrame)


class FrameSource(Source):
    """The rows of a DataFrame, numbered from 1; missing values are None, arrays are lists.

    Args:
        frame: its column labels are read as strings.
        text_column: which one holds the texts, if it was said.

    Raises:
        DataError: no rows, two columns of one name, or not the column that is asked for.
    """

    def __init__(self, frame: DataFrame, text_column: str | None) -> None:
        super().__init__(Path(), NAME)
        self.columns = tuple(str(column) for column in frame.columns)
        twice = [column for column, times in Counter(self.columns).items() if times > 1]
        if twice:
            raise DataError(f"{NAME} has two columns called '{twice[0]}'. Rename one.")
        if not len(frame):
            raise DataError(f"{NAME} has no rows.")
        self.text_column = choose_text_column(self.columns, text_column, NAME)
        self._values = [_plain_values(frame.iloc[:, i]) for i in range(len(self.columns))]

    def rows(self) -> Iterator[Row]:
        """Go through the rows."""
        for number, cells in enumerate(zip(*self._values, strict=True), 1):
            values = dict(zip(self.columns, cells, strict=True))
            text, error = text_or_problem(values[self.text_column])
            yield Row(f"row {number}", values, text, error)


def _plain_values(series: Any) -> list[Any]:
    missing = series.isna().tolist()
    return [
        None if gone else _plain(value)
        for value, gone in zip(series.tolist(), missing, strict=True)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value
