"""docs/data.md names every data set, split and mapping key, and its example is a valid mapping."""

from __future__ import annotations

import re
from pathlib import Path

from trainer.datasets import DATASETS
from trainer.datasets.mapping import read_mapping
from trainer.split import SPLITS

TEXT = (Path(__file__).parents[3] / "docs" / "data.md").read_text("utf-8")
EXAMPLE = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)[0]


def test_every_name_is_documented():
    """Each data set and split stands in a table, with its parameters."""
    for name in DATASETS:
        assert f"| `{name}` |" in TEXT
    for name, split in SPLITS.items():
        assert f"`{name}`" in TEXT or re.fullmatch(r"u[234]", name), name
        for parameter in split.parameters:
            row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}` ("))
            assert f"`{parameter}`" in row


def test_example_is_a_mapping_with_every_key(tmp_path):
    """The example uses all keys that there are, so none is undocumented."""
    (tmp_path / "m.toml").write_text(EXAMPLE, "utf-8")

    mapping = read_mapping(tmp_path / "m.toml")

    assert (mapping.name, mapping.rating_range) == ("shop", (1.0, 5.0))
    assert mapping.movies is not None
    assert mapping.users is not None
    tables = (mapping.ratings, mapping.movies, mapping.users)
    assert [set(table.columns) for table in tables] == [
        {"user_id", "movie_id", "rating", "timestamp"},
        {"movie_id", "title", "year", "genres", "tags"},
        {"user_id", "age", "gender", "occupation", "zip_code"},
    ]
    for key in {key for table in tables for key in table.settings}:
        assert re.search(rf"^{key} = ", EXAMPLE, re.MULTILINE), key
