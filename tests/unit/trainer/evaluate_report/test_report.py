"""The report of a comparison is whole, alone, and says what the comparison found."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.trainer.evaluate_report import comparisons
from tests.unit.trainer.evaluate_report.parsed import LINKING, Parsed
from trainer.evaluate.report import write_report
from trainer.evaluate.results import Comparison, MovieMap, MoviePoint, Row, Slice

MADE = {
    "u1": lambda: comparisons.u1(comparisons.toy_map()),
    "ls-temporal": comparisons.ls_temporal,
    "cold": comparisons.cold,
}


def report(comparison: Comparison, folder: Path) -> tuple[str, Parsed]:
    write_report(comparison, folder / "report.html")
    text = (folder / "report.html").read_text("utf-8")
    return text, Parsed(text)


@pytest.mark.parametrize("made", MADE)
def test_page_is_whole_and_alone(made, tmp_path):
    """Elements nest, ids are unique, and nothing is loaded from anywhere."""
    text, parsed = report(MADE[made](), tmp_path)

    assert not [a for _, a in parsed.elements if LINKING & set(a)]
    assert not re.search(r"url\(|@import|https?://|//cdn|fetch\(|import\(", text)
    ids = [a["id"] for _, a in parsed.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert parsed.count("h1") == 1
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text


@pytest.mark.parametrize("made", MADE)
def test_every_drawing_is_named(made, tmp_path):
    """A screen reader hears what a drawing shows, or that it is an ornament."""
    _, parsed = report(MADE[made](), tmp_path)

    drawings = parsed.attributes("svg")
    assert drawings
    for drawing in drawings:
        assert (
            drawing.get("aria-label")
            or drawing.get("aria-hidden") == "true"
            or ("role" not in drawing and "viewBox" not in drawing)
        )
    assert all(a.get("scope") for a in parsed.attributes("th"))


@pytest.mark.parametrize("made", ["u1", "ls-temporal"])
def test_every_row_is_there(made, tmp_path):
    """Each model is named with its leading figure, once in the bars and once in the table."""
    comparison = MADE[made]()
    _, parsed = report(comparison, tmp_path)

    metric = "rmse" if made == "u1" else "ndcg@10"
    figures: dict[str, list[float]] = {}
    for row in comparison.rows:
        figures.setdefault(row.model, []).append(row.metrics[metric])
    assert len(figures) >= 13
    for model, values in figures.items():
        assert parsed.texts.count(model) >= 2
        assert parsed.texts.count(f"{sum(values) / len(values):.4f}") >= 2


def test_ladder_shows_every_rung(tmp_path):
    """A comparison of new users has a column and a point for each number of shown ratings."""
    _, parsed = report(comparisons.cold(), tmp_path)

    assert "NDCG@10 after 0 ratings" in parsed.texts
    assert "NDCG@10 after 1 rating" in parsed.texts
    for heading in ("NDCG@10 of new users", "RMSE of new users", "Recall by length of the list",
                    "RMSE by user activity", "Error by rating",
                    "RMSE by kind of user and of movie"):  # fmt: skip
        assert heading in parsed.texts
    assert parsed.said.count("prefix implicit_als most_rated") >= 7
    # 0.36 + 0.02 * 2 * sqrt(20)
    assert "prefix wins with an NDCG@10 after 20 ratings of 0.5389" in parsed.said


def test_texts_are_escaped(tmp_path):
    """Names from a data set, a model or a sentence stay text wherever they are shown."""
    evil = '<b class="x">&\'</b>'
    part = Slice(evil, evil, 5, 5, {"rmse": 1.0})
    made = comparisons.u1()
    rows = [
        replace(row, model=evil + row.model, notes=(evil,), user_slices=(part,),
                by_activity=(part, replace(part, name=evil * 2)))
        for row in made.rows
    ]  # fmt: skip
    points = tuple(MoviePoint(evil, evil, (evil,), 3 + i, i, i * i % 5) for i in range(9))
    comparison = replace(
        made, split=evil, dataset={"name": evil, "source": evil},
        protocol=(evil, f"Caution: {evil}"), rows=tuple(rows), left_out=(evil,),
        command=evil, created_at=evil,
        movie_map=MovieMap(evil, evil, points), parts={evil: 3},
    )  # fmt: skip

    text, parsed = report(comparison, tmp_path)

    assert evil not in text
    assert '<b class="x"' not in text
    assert parsed.said.count(evil) > 100


def test_absent_parts_leave_nothing(tmp_path):
    """One bare row makes a page without an empty section, plot, list or table."""
    row = Row("mean", "baseline", 0, "in_process", {"rmse": 1.15}, 0.1, 300.0)
    _, parsed = report(Comparison("u1", {"name": "x"}, {}, (), (row,)), tmp_path)

    assert all(parsed.sections)
    assert "The baseline mean wins with an RMSE of 1.1500; none of our models" in parsed.said
    for absent in ("Learning curves", "Map of the movies", "held out", "Caution", "by rating",
                   "activity", "Recall", "best peer", "notes", "interval"):  # fmt: skip
        assert absent not in parsed.said
    assert parsed.count("polyline") == 0


def test_ratings_alone_have_no_lists(tmp_path):
    """A comparison of predicted ratings speaks of no recommended movies, and the reverse."""
    _, ratings = report(comparisons.u1(), tmp_path)
    _, lists = report(comparisons.ls_temporal(), tmp_path)

    assert "Recall" not in ratings.said
    assert "NDCG" not in ratings.said
    assert "Error by rating" in ratings.texts
    assert "RMSE" not in lists.said
    assert "Error by rating" not in lists.texts
    assert "Recall by length of the list" in lists.texts
    assert all(ratings.sections)
    assert all(lists.sections)


def test_caution_stands_apart(tmp_path):
    """The protocol's caution is shown once and by itself; without one there is none."""
    _, temporal = report(comparisons.ls_temporal(), tmp_path)
    _, drawn = report(comparisons.u1(), tmp_path)

    assert temporal.said.lower().count("consecutive ratings often share a minute.") == 1
    assert "split by global time" in temporal.said
    assert "Caution" not in drawn.said


def test_best_of_each_column_is_marked(tmp_path):
    """RMSE and MAE have one marked figure each; the third mark is the explanation."""
    text, _ = report(comparisons.u1(), tmp_path)

    marked = re.findall(r'<b class="best">([^<]*)</b>', text)
    # Means over the seeds 0.8806, 0.8810, 0.8814, and 0.787 of them.
    assert marked == ["so", "0.8810", "0.6933"]


def test_seeds_are_one_line_with_their_spread(tmp_path):
    """Three seeds 0.0004 apart have that standard deviation, and the range is told."""
    text, parsed = report(comparisons.u1(), tmp_path)

    assert "0.8810</b><small>± 0.0004</small>" in text
    assert "its 3 seeds lie between 0.8806 and 0.8814" in parsed.said


def test_plots_hold_few_lines(tmp_path):
    """Of 22 models a plot shows three of ours, two peers and a baseline, the best ones."""
    _, parsed = report(comparisons.u1(), tmp_path)

    legends = parsed.said.count("blend bayes_fm svdpp2 myfm myfm_plain bias")
    assert legends == 3
    learning = [a for a in parsed.attributes("svg") if "by epoch" in a.get("aria-label", "")]
    assert len(learning) == len(comparisons.EPOCHS)


def test_no_rows_are_refused(tmp_path):
    """A comparison of nothing is the caller's mistake."""
    with pytest.raises(ValueError, match="without rows"):
        write_report(Comparison("u1", {}, {}, (), ()), tmp_path / "r.html")
