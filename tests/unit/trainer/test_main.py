"""The command line: what the user can mend is one sentence and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.__main__ import main
from trainer.models.registry import NAMES

HEADER = "user_id,movie_id,rating,timestamp,part"


def split_rows(ratings: list[str], parts: list[str]) -> list[str]:
    """The ratings file's rows with these parts, in turn."""
    return [
        ",".join((*row.split("\t"), parts[position % len(parts)]))
        for position, row in enumerate(ratings)
    ]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (["validation", "test"], "no row has the part train"),
        (["train", "holdout"], "line 3: part is not train, validation, test"),
    ],
)
def test_a_split_file_without_a_needed_part(small, tmp_path: Path, capsys, parts, sentence):
    """Nothing is trained or staged; the sentence says which part is missing."""
    data = small.write_grouplens(tmp_path / "data")
    split = tmp_path / "split.csv"
    split.write_text("\n".join([HEADER, *split_rows(small.ratings, parts)]) + "\n")
    models = tmp_path / "models"

    code = main(["train", f"--data-dir={data}", f"--split-file={split}", f"--models-dir={models}"])

    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("error: ")
    assert sentence in captured.err.splitlines()[-1]
    assert not models.exists()


def test_a_folder_for_predictions_is_looked_for_first(small, tmp_path: Path, capsys):
    """A minute of training is not lost to a mistyped path."""
    data = small.write_grouplens(tmp_path / "data")

    code = main(
        ["train", f"--data-dir={data}", f"--save-predictions={tmp_path / 'no' / 'live.npz'}"]
    )

    captured = capsys.readouterr()
    assert code == 2
    assert captured.err == f"error: --save-predictions: {tmp_path / 'no'} is no folder\n"


def test_fetch_checks_a_local_copy(small, tmp_path: Path, capsys):
    """With --data-dir nothing is downloaded: the copy is read, and its path printed."""
    data = small.write_grouplens(tmp_path / "data")

    assert main(["fetch", f"--data-dir={data}"]) == 0

    captured = capsys.readouterr()
    assert captured.out == f"{data}\n"
    assert "120 ratings of 10 movies by 12 users" in captured.err


def test_models_are_listed(capsys):
    """Each model has a line with its name and what it is."""
    assert main(["models"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(NAMES)
    assert all(len(line.split()) > 3 for line in lines)
