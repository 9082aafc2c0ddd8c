"""What people say of themselves, as the row that the rating model was trained on."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import numpy as np

from server.engine.arrays import FloatArray
from serving.contract import EngineDescription

_AGE: Final = re.compile("age:([0-9]{1,3})")
_GENRE: Final = "genre:"


class ProfileRows:
    """[Y] rows of unit length; the constant and the favourite genres stay 0."""

    def __init__(self, description: EngineDescription) -> None:
        self._n_columns = 1 + len(description.profile_tokens)
        self._columns = {
            token: column
            for column, token in enumerate(description.profile_tokens, start=1)
            if not token.startswith(_GENRE)
        }
        self._age_bounds = description.age_bounds
        self._age_tokens = description.age_tokens

    def said(self, tokens: Sequence[str]) -> FloatArray:
        """The row of a bag of tokens; zero where none of them is known."""
        row = np.zeros(self._n_columns, np.float32)
        named = {self._bucketed(token) for token in tokens}
        if columns := [self._columns[token] for token in named if token in self._columns]:
            row[columns] = 1 / np.sqrt(np.float32(len(columns)))
        return row

    def _bucketed(self, token: str) -> str:
        """An age's bucket for an age, any other token as it is."""
        age = _AGE.fullmatch(token)
        if age is None:
            return token
        return self._age_tokens[bisect_right(self._age_bounds, int(age[1])) - 1]
