"""Checks of request fields: each violation names the field and the allowed range."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from server.errors import FieldViolation, InvalidRequest, as_many_as_fit

MAX_ID_BYTES: Final = 256
MAX_TEXT_BYTES: Final = 1024
MAX_QUERY_CHARACTERS: Final = 200
MAX_YEAR: Final = 9999
MAX_AGE: Final = 120

_MAX_REPORTED = 10
"""A list with a thousand bad ids must not overflow the trailing metadata."""
_MAX_QUOTED = 40
"""Characters of a value that a message repeats."""
_MAX_LISTED_BYTES = 256
"""Nor must the names of a thousand genres; all of MovieLens' fit."""


class FieldChecks:
    """Collects the violations of one request, so that a caller sees them together."""

    def __init__(self) -> None:
        self._violations: list[FieldViolation] = []

    def refuse(self, field: str, description: str) -> None:
        """Notes that `field` breaks the rule in `description`."""
        if len(self._violations) < _MAX_REPORTED:
            self._violations.append(FieldViolation(field, description))

    def done(self) -> None:
        """Ends the checks.

        Raises:
          InvalidRequest: at least one check failed.
        """
        if self._violations:
            raise InvalidRequest(self._violations)

    def text(self, field: str, value: str, max_bytes: int, *, required: bool = False) -> None:
        """At most `max_bytes` of UTF-8 without control characters; at least one if required."""
        if is_plain(value, max_bytes) and required <= len(value):
            return
        n_bytes = len(value.encode())
        if n_bytes > max_bytes or (required and not n_bytes):
            self.refuse(
                field, f"is {n_bytes} bytes long, allowed {int(required)}..{max_bytes} bytes"
            )
        elif not value.isprintable() and any(unicodedata.category(c) == "Cc" for c in value):
            self.refuse(field, "has control characters, allowed are none")

    def characters(self, field: str, value: str, low: int, high: int) -> None:
        """low..high characters, none of them a control character."""
        if not low <= len(value) <= high:
            self.refuse(field, f"is {len(value)} characters long, allowed {low}..{high}")
        else:
            self.text(field, value, 4 * high)

    def user_id(self, field: str, value: str) -> None:
        self.text(field, value, MAX_ID_BYTES)

    def movie_id(self, field: str, value: str) -> None:
        self.text(field, value, MAX_ID_BYTES, required=True)

    def movie_ids(self, field: str, values: Sequence[str], low: int, high: int) -> None:
        self.count(field, len(values), low, high)
        if are_plain_ids(values):
            return
        for position, value in enumerate(values[:high]):
            self.movie_id(f"{field}[{position}]", value)

    def count(self, field: str, n_entries: int, low: int, high: int) -> None:
        if not low <= n_entries <= high:
            self.refuse(field, f"has {n_entries} entries, allowed {low}..{high}")

    def between(self, field: str, value: float, low: float, high: float) -> None:
        """A number inside low..high; NaN is outside every range."""
        if not low <= value <= high:
            self.refuse(field, f"is {_plain(value)}, allowed {_plain(low)}..{_plain(high)}")

    def year(self, field: str, value: int) -> None:
        self.between(field, value, 0, MAX_YEAR)

    def known(self, field: str, values: Iterable[str], allowed: Collection[str]) -> None:
        """Every value is one of a short public list, which the message shows."""
        for position, value in enumerate(values):
            if value not in allowed:
                said = value if len(value) <= _MAX_QUOTED else f"{value[:_MAX_QUOTED]}..."
                self.refuse(
                    f"{field}[{position}]", f"{said!r} is none of the allowed: {_listed(allowed)}"
                )
                return

    def enum(self, field: str, value: int, allowed: Collection[int]) -> None:
        if value not in allowed:
            self.refuse(field, f"is {value}, allowed {min(allowed)}..{max(allowed)}")


def is_plain(value: str, max_bytes: int) -> bool:
    """Whether a text is one at first sight: most are short and need no closer look."""
    # A character takes four bytes at most.
    return len(value) <= max_bytes // 4 and value.isprintable()


def are_plain_ids(values: Collection[str]) -> bool:
    """Whether all are ids at first sight: ten thousand need no closer look, one by one."""
    # A character takes four bytes at most.
    return (
        all(values)
        and 4 * max(map(len, values), default=0) <= MAX_ID_BYTES
        and all(map(str.isprintable, values))
    )


def _listed(choices: Iterable[str]) -> str:
    """The first of them by name, as many as fit, and how many there are beside."""
    return ", ".join(as_many_as_fit(sorted(choices), _MAX_LISTED_BYTES, "more"))


def _plain(number: float) -> str:
    """A whole number with all its digits, any other as short as it reads well."""
    return str(number) if isinstance(number, int) else f"{number:g}"
