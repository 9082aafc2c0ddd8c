"""protoc, as this project calls it: imports start at the repository's root."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from google.protobuf import descriptor_pb2
from google.rpc import status_pb2  # type: ignore[import-untyped]  # the wheel has no py.typed

ROOT: Final = Path(__file__).resolve().parent.parent
"""Where the imports of our .proto files start."""

RECOMMENDER_PROTO: Final = "protos/recommender/v1/recommender.proto"
TFSERVING_PROTO: Final = "protos/tfserving/v1/tfserving.proto"
TFSERVING_CONFIG_PROTO: Final = "protos/tfserving/v1/config.proto"
PROTO_FILES: Final = (RECOMMENDER_PROTO, TFSERVING_PROTO, TFSERVING_CONFIG_PROTO)

_GOOGLE_PROTOS: Final = Path(status_pb2.__file__).resolve().parents[2]
"""The folder that holds google/rpc/status.proto: the googleapis-common-protos wheel."""


class CompileError(RuntimeError):
    """protoc refused a file; the message is protoc's own."""


def run_protoc(options: Sequence[str], files: Sequence[str], root: Path = ROOT) -> None:
    """Runs protoc below `root`.

    Raises:
      CompileError: protoc found a mistake.
    """
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"-I{_GOOGLE_PROTOS}"]
    finished = subprocess.run(  # noqa: S603  (our own interpreter and arguments)
        [*command, *options, *files], cwd=root, capture_output=True, text=True, check=False
    )
    if finished.returncode:
        raise CompileError(finished.stderr.strip())


def build_image(target: Path, files: Sequence[str] = PROTO_FILES, root: Path = ROOT) -> None:
    """Writes a FileDescriptorSet with all imports and comments, as buf reads it."""
    options = ["--include_imports", "--include_source_info", f"--descriptor_set_out={target}"]
    run_protoc(options, files, root)


def describe(file: str, root: Path = ROOT) -> descriptor_pb2.FileDescriptorSet:
    """The descriptor of one file alone, without imports and comments."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "descriptor.binpb"
        run_protoc([f"--descriptor_set_out={target}"], [file], root)
        return descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())
