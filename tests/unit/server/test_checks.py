"""Checks of long lists find the one id that is wrong, and let odd ones pass that are right."""

from __future__ import annotations

import pytest

from server.checks import FieldChecks
from server.errors import InvalidRequest

GOOD = [f"m{n}" for n in range(500)]


@pytest.mark.parametrize("bad", ["", "x" * 257, "é" * 129, "a\nb", "\x00", "a\x7f"])
def test_the_wrong_id_is_named(bad: str) -> None:
    """Empty, 257 bytes in one-byte or two-byte characters, control characters; by its position."""
    checks = FieldChecks()
    checks.movie_ids("ids", [*GOOD, bad, *GOOD], 0, 10_000)

    with pytest.raises(InvalidRequest) as caught:
        checks.done()
    (violation,) = caught.value.violations
    assert violation.field == "ids[500]"


@pytest.mark.parametrize("odd", ["x" * 256, "é" * 128, "😀" * 64, "a\u200bb", "\u00a0"])
def test_what_is_odd_and_right_passes(odd: str) -> None:
    """256 bytes of any kind, and characters that do not print without being controls."""
    checks = FieldChecks()
    checks.movie_ids("ids", [*GOOD, odd], 0, 10_000)

    checks.done()
