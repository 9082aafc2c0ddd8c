"""What is kept of look-ups: bounded, the newest, and never what changed meanwhile."""

from __future__ import annotations

from server.features.kept import Kept


def test_the_one_unused_for_longest_goes_first() -> None:
    """Of two places; a look-up counts as use, like a new value."""
    kept: Kept[str, int] = Kept(2)
    kept.put("a", 1, kept.generation)
    kept.put("b", 2, kept.generation)
    assert kept.get("a") == 1
    kept.put("c", 3, kept.generation)

    assert [kept.get(key) for key in "abc"] == [1, None, 3]


def test_what_was_looked_up_before_a_change_is_not_kept() -> None:
    """Whichever key changed: the look-up may have seen the state before it."""
    kept: Kept[str, int] = Kept(9)
    before = kept.generation
    kept.forget(["a"])
    kept.put("a", 1, before)
    assert kept.get("a") is None

    kept.put("a", 2, kept.generation)
    assert kept.get("a") == 2


def test_a_change_forgets_its_keys_alone() -> None:
    """Others stay; unknown ones do no harm; forgetting all leaves nothing."""
    kept: Kept[str, int] = Kept(9)
    for key in "ab":
        kept.put(key, ord(key), kept.generation)

    kept.forget(["a", "z"])
    assert (kept.get("a"), kept.get("b")) == (None, ord("b"))

    kept.forget_all()
    assert kept.get("b") is None
