"""The committed protobuf modules are what the .proto files say."""

from pathlib import Path

import pytest

from protos.compiler import PROTO_FILES, ROOT, CompileError, run_protoc
from protos.generate import GOLDEN_FILE, generate

GENERATED = [
    *sorted(
        path.relative_to(ROOT).as_posix()
        for pattern in ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py")
        for path in (ROOT / "protos").rglob(pattern)
    ),
    GOLDEN_FILE,
]


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regenerated")
    generate(folder)
    return folder


def test_every_generated_file_is_committed_and_no_other(regenerated: Path) -> None:
    """The generator writes the set of files that the repository has."""
    written = {path.relative_to(regenerated).as_posix() for path in regenerated.rglob("*.*")}
    assert written == set(GENERATED)


@pytest.mark.parametrize("file", GENERATED)
def test_regenerating_changes_no_byte(regenerated: Path, file: str) -> None:
    """A committed file equals what protoc makes of the .proto file."""
    assert (regenerated / file).read_bytes() == (ROOT / file).read_bytes()


def test_every_proto_file_is_compiled() -> None:
    """No .proto file of the repository is forgotten by the generator."""
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "protos").rglob("*.proto")}
    assert found == set(PROTO_FILES)


def test_a_mistake_is_reported_in_the_compilers_words(tmp_path: Path) -> None:
    """A .proto file that does not compile raises with the place of the mistake."""
    (tmp_path / "bad.proto").write_text('syntax = "proto3";\nmessage A { nothing b = 1; }\n')
    with pytest.raises(CompileError, match=r"bad\.proto:2:13: \"nothing\" is not defined"):
        run_protoc([f"--python_out={tmp_path}"], ["bad.proto"], tmp_path)
