"""Checks of long lists find the one id that is wrong, and let odd ones pass that are right."""

from __future__ import annotations

import pytest

from server.checks import FieldChecks
from server.errors import InvalidRequest, status_of

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


def test_choices_are_named_as_far_as_they_fit() -> None:
    """Of a thousand genres of four letters 42 fit with commas into 256 bytes; of few all do."""
    genres = [f"g{n:03}" for n in range(1000)]
    checks = FieldChecks()
    checks.known("few", ["A\n"], ["b", "a"])
    checks.known("many", ["g001", "x"], genres)
    checks.known("long", ["x" * 99], ["é" * 200, "ü"])

    with pytest.raises(InvalidRequest) as caught:
        checks.done()
    few, many, long = caught.value.violations
    assert few.description == "'A\\n' is none of the allowed: a, b"
    assert many.field == "many[1]"
    assert many.description == f"'x' is none of the allowed: {', '.join(genres[:42])}, and 958 more"
    assert long.description == f"'{'x' * 40}...' is none of the allowed: {'é' * 200}, and 1 more"


def test_a_refusal_fits_into_the_trailing_metadata() -> None:
    """Ten fields with a thousand choices each: gRPC refuses more than 8 KB, sooner or later."""
    checks = FieldChecks()
    for n in range(20):
        checks.known(f"movies[{n}].genres", ["x" * 99], [f"genre number {n}" for n in range(1000)])

    with pytest.raises(InvalidRequest) as caught:
        checks.done()
    status = status_of(caught.value, "request id")
    assert len(caught.value.violations) == 10
    assert status.message.endswith("; and 8 more fields")
    # The details travel in base64.
    assert len(status.message) + len(status.SerializeToString()) * 4 / 3 < 8192
