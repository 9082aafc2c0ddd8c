"""docs/artifact.md is true: its signatures are the contract's, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from serving.contract import (
    ARRAY_PARTS,
    CONTRACT_VERSION,
    OPTIONAL_SERVABLES,
    REQUIRED_SERVABLES,
    SIGNATURES,
    TensorDef,
)
from trainer.__main__ import main

PAGE = (Path(__file__).parents[2] / "docs" / "artifact.md").read_text(encoding="utf-8")
DTYPES = {"DT_STRING": "string", "DT_FLOAT": "float32", "DT_INT64": "int64"}


def shown(kind: str, text: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """{name: (dtype, sizes)} of the inputs or outputs that saved_model_cli printed."""
    pattern = rf"{kind}\['(\w+)'\] tensor_info:\s+dtype: (\w+)\s+shape: \(([^)]*)\)"
    return {
        name: (DTYPES[dtype], tuple(shape.split(", ")))
        for name, dtype, shape in re.findall(pattern, text)
    }


def matches(definition: TensorDef, dtype: str, sizes: tuple[str, ...]) -> bool:
    """Letters are any size; D and R are known to a trained graph."""
    return dtype == definition.dtype and all(
        size == (str(dim) if isinstance(dim, int) else "-1") or dim in ("D", "R")
        for dim, size in zip(definition.dims, sizes, strict=True)
    )


@pytest.mark.parametrize(
    ("servable", "signature"), [(s, name) for s in SIGNATURES for name in SIGNATURES[s]]
)
def test_the_signatures_are_the_contracts(servable, signature):
    """Each has its command and its output, with every name, dtype and shape."""
    command = rf"--dir serving/models/{servable}/1 --tag_set serve --signature_def {signature}\n"
    block = re.search(command + r"(.*?)```", PAGE, re.DOTALL)
    assert block, f"{servable}/{signature} is not shown"
    definition = SIGNATURES[servable][signature]
    for kind, expected in (("inputs", definition.inputs), ("outputs", definition.outputs)):
        found = shown(kind, block[1])
        assert set(found) == set(expected)
        assert all(matches(expected[name], *found[name]) for name in expected)


def test_every_part_is_named():
    """Servables and parts that are none are in the table, and the contract's version is told."""
    for part in (*REQUIRED_SERVABLES, *OPTIONAL_SERVABLES, *ARRAY_PARTS):
        assert f"`{part}`" in PAGE
    assert f"Contract version: {CONTRACT_VERSION}." in PAGE


def test_every_command_exists(capsys):
    """The trainer knows each command of the page, with its options."""
    commands = re.findall(r"^python -m trainer (.+?)(?:  .*)?$", PAGE, re.MULTILINE)
    assert len(commands) >= 7
    for line in commands:
        name, *options = line.split()
        with pytest.raises(SystemExit):
            main([name, "--help"])
        text = capsys.readouterr().out
        flags = [option.strip("[]") for option in options if option.strip("[").startswith("--")]
        assert all(flag in text for flag in flags), line


def test_every_file_that_is_linked_exists():
    """Relative links lead somewhere."""
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", PAGE)
    assert links
    for link in links:
        assert (Path(__file__).parents[2] / "docs" / link).exists(), link
