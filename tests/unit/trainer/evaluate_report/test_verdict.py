"""The verdict says who wins, by how much, and whether chance may explain it."""

from __future__ import annotations

from trainer.evaluate.report.entries import Entry
from trainer.evaluate.report.verdict import verdict
from trainer.evaluate.results import Against, Interval, Kind, Row


def entry(
    model: str, kind: Kind, metric: str, value: float, against: Against | None = None
) -> Entry:
    paired = {metric: against} if against else {}
    row = Row(model, kind, 0, "in_process", {metric: value}, 1.0, 1.0, against=paired)
    return Entry(model, (row,))


def test_ours_wins_by_an_established_margin():
    """The margin is that of the pairs, its limits told as sizes, the smaller one first."""
    found = Against("myfm", -0.0057, Interval(-0.0081, -0.0034))
    entries = [entry("blend", "ours", "rmse", 0.881, found), entry("myfm", "peer", "rmse", 0.8867)]

    assert verdict(entries, "rmse") == (
        "<b>blend</b> wins with an RMSE of <b>0.8810</b>, 0.0057 below the best peer, "
        "<b>myfm</b> (95 % interval 0.0034 to 0.0081)."
    )


def test_chance_may_explain_a_small_margin():
    """An interval that holds zero is told with its signs."""
    found = Against("als", 0.002, Interval(-0.001, 0.005))
    entries = [
        entry("ease", "ours", "ndcg@10", 0.12, found),
        entry("als", "peer", "ndcg@10", 0.118),
    ]

    assert verdict(entries, "ndcg@10") == (
        "<b>ease</b> wins with an NDCG@10 of <b>0.1200</b>, 0.0020 above the best peer, "
        "<b>als</b> (95 % interval \N{MINUS SIGN}0.0010 to +0.0050, so chance may explain it)."
    )


def test_peer_wins():
    """A lost comparison says so, and how far the best of ours is from it."""
    found = Against("myfm", 0.01, Interval(0.008, 0.012))
    entries = [entry("svd", "ours", "rmse", 0.8967, found), entry("myfm", "peer", "rmse", 0.8867)]

    assert verdict(entries, "rmse") == (
        "The peer <b>myfm</b> wins with an RMSE of <b>0.8867</b>; the best of ours is "
        "<b>svd</b>, 0.0100 above it (95 % interval 0.0080 to 0.0120)."
    )


def test_without_peers_the_best_baseline_is_the_rival():
    """No interval is told where none was made."""
    entries = [
        entry("a", "ours", "rmse", 0.9),
        entry("mean", "baseline", "rmse", 1.15),
        entry("bias", "baseline", "rmse", 0.96),
    ]

    assert verdict(entries, "rmse") == (
        "<b>a</b> wins with an RMSE of <b>0.9000</b>, 0.0600 below the best baseline, <b>bias</b>."
    )


def test_baseline_before_the_best_peer_is_told():
    """A peer that a baseline beats is no hard rival, and the sentence does not hide it."""
    entries = [
        entry("seq", "ours", "ndcg@10", 0.17),
        entry("ease", "baseline", "ndcg@10", 0.13),
        entry("als", "peer", "ndcg@10", 0.12),
    ]

    assert verdict(entries, "ndcg@10").endswith(
        "0.0500 above the best peer, <b>als</b>; between them is the baseline <b>ease</b> "
        "with 0.1300."
    )


def test_alone():
    """One model of ours has no rival."""
    assert verdict([entry("a", "ours", "rmse", 0.9)], "rmse").endswith("nothing else was compared.")
