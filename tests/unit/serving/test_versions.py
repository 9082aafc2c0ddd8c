import pytest

from serving.errors import ServingError
from serving.servables.versions import (
    All,
    Latest,
    Specific,
    discover_versions,
    missing_versions_warning,
)


def test_only_folders_with_integer_names_are_versions(tmp_path):
    """Leading zeros are allowed; staged names, signs, other digits and files are ignored."""
    for name in ("1", "007", "staging-2", "-3", "+4", "1_0", "5.0", "٣", "9" * 30, ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "8").write_text("a file")
    assert discover_versions("m", tmp_path) == {1: tmp_path / "1", 7: tmp_path / "007"}


def test_missing_base_path_is_an_error(tmp_path):
    """A base path that is away is told from one that is empty."""
    assert discover_versions("m", tmp_path) == {}
    with pytest.raises(ServingError, match=r"Could not find base path .*away for servable m"):
        discover_versions("m", tmp_path / "away")


def test_policies_choose_among_what_is_there(tmp_path):
    """latest(n) takes the highest numbers, specific those named, all every one."""
    found = {version: tmp_path / str(version) for version in (2, 10, 9)}
    assert set(Latest(1).select(found)) == {10}
    assert set(Latest(2).select(found)) == {10, 9}
    assert set(All().select(found)) == {2, 9, 10}
    assert set(Specific(frozenset({9, 11})).select(found)) == {9}


def test_warning_names_what_is_missing(tmp_path):
    """Nothing found, and a pinned version that is not there, are told in the real words."""
    assert missing_versions_warning("m", tmp_path, Latest(1), {1: tmp_path}) == ""
    assert missing_versions_warning("m", tmp_path, Latest(1), {}) == (
        f"No versions of servable m found under base path {tmp_path}. "
        "Did you forget to name your leaf directory as a number (eg. '/1/')?"
    )
    pinned = Specific(frozenset({1, 4}))
    assert missing_versions_warning("m", tmp_path, pinned, {1: tmp_path}) == (
        "Version 4 of servable m, which was requested to be served as a 'specific' version in "
        "the servable's version policy, was not found in the file system"
    )
