"""What is kept of look-ups: bounded, the newest, and never what changed meanwhile."""

from __future__ import annotations

from server.features.kept import Kept


def test_the_one_unused_for_longest_goes_first() -> None:
    """Of two places; a look-up counts as use, like a new value."""
    kept: Kept[str, int] = Kept(2, lambda _: 1)
    kept.put("a", 1, kept.generation)
    kept.put("b", 2, kept.generation)
    assert kept.get("a") == 1
    kept.put("c", 3, kept.generation)

    assert [kept.get(key) for key in "abc"] == [1, None, 3]


def test_values_are_kept_by_weight() -> None:
    """Of 10: 4 and 5 fit, 3 more push the 4 out; 11 are not kept, nor what they replace."""
    kept: Kept[str, int] = Kept(10, lambda value: value)
    for key, value in (("a", 4), ("b", 5), ("c", 3)):
        kept.put(key, value, kept.generation)
    assert [kept.get(key) for key in "abc"] == [None, 5, 3]

    kept.put("b", 6, kept.generation)
    assert [kept.get(key) for key in "bc"] == [6, 3]
    kept.forget(["c"])
    kept.put("d", 4, kept.generation)
    assert [kept.get(key) for key in "bd"] == [6, 4]

    kept.put("e", 11, kept.generation)
    kept.put("d", 12, kept.generation)
    assert [kept.get(key) for key in "bde"] == [6, None, None]


def test_what_was_looked_up_before_a_change_is_not_kept() -> None:
    """Whichever key changed: the look-up may have seen the state before it."""
    kept: Kept[str, int] = Kept(9, lambda _: 1)
    before = kept.generation
    kept.forget(["a"])
    kept.put("a", 1, before)
    assert kept.get("a") is None

    kept.put("a", 2, kept.generation)
    assert kept.get("a") == 2


def test_a_change_forgets_its_keys_alone() -> None:
    """Others stay; unknown ones do no harm; forgetting all leaves nothing."""
    kept: Kept[str, int] = Kept(9, lambda _: 1)
    for key in "ab":
        kept.put(key, ord(key), kept.generation)

    kept.forget(["a", "z"])
    assert (kept.get("a"), kept.get("b")) == (None, ord("b"))

    kept.forget_all()
    assert kept.get("b") is None
