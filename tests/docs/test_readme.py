"""The README is true: its code runs, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protos.recommender.v1 import recommender_pb2
from server.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_python_blocks_run(target: str, capsys: pytest.CaptureFixture[str]):
    """Every Python block works against a running gateway."""
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block.replace("127.0.0.1:50051", target), "README.md", "exec"), {})  # noqa: S102

    assert "RETRIEVAL" in capsys.readouterr().out


def test_every_setting_has_a_row_with_its_default():
    """The settings table names every flag of the gateway and its default."""
    for name, field in Settings.model_fields.items():
        row = f"| `--{name.replace('_', '-')}` | `{field.default}` |"
        assert row in README, row


def test_every_rpc_is_in_the_table():
    """The API table names every RPC of the service."""
    service = recommender_pb2.DESCRIPTOR.services_by_name["RecommenderService"]
    for method in service.methods:
        assert f"`{method.name}`" in README, method.name


def test_every_file_that_is_linked_exists():
    """Relative links lead somewhere."""
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert links
    for link in links:
        assert (Path(__file__).parents[2] / link).exists(), link


def test_the_two_commands_are_targets_of_the_makefile():
    """`make demo` and `make test` are what the README says they are."""
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^make ([a-z-]+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{command}:", makefile, flags=re.MULTILINE), command
