"""Regenerates the committed protobuf modules and the golden descriptor: python -m protos.generate.

The golden descriptor is what callers have seen. It is only ever extended: a change that breaks
them is refused here, and by the contract test.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from protos.compatibility import breaking_changes
from protos.compiler import (
    RECOMMENDER_PROTO,
    ROOT,
    TFSERVING_CONFIG_PROTO,
    TFSERVING_PROTO,
    CompileError,
    describe,
    run_protoc,
)

GOLDEN_FILE: Final = "protos/recommender/v1/recommender.golden.txtpb"


def read_golden(root: Path = ROOT) -> FileDescriptorSet:
    """The descriptor of the API as it was last published."""
    text = (root / GOLDEN_FILE).read_text(encoding="utf-8")
    return text_format.Parse(text, FileDescriptorSet())


def generate(target: Path, root: Path = ROOT) -> None:
    """Compiles the .proto files below `root` into `target`, in the same folders.

    Raises:
      CompileError: protoc found a mistake.
    """
    python = [f"--python_out={target}", f"--pyi_out={target}"]
    run_protoc([*python, f"--grpc_python_out={target}"], [RECOMMENDER_PROTO], root)
    # The gateway calls PredictionService by its method path, so these are messages alone.
    run_protoc(python, [TFSERVING_PROTO, TFSERVING_CONFIG_PROTO], root)
    golden = text_format.MessageToString(describe(RECOMMENDER_PROTO, root))
    (target / GOLDEN_FILE).write_text(golden, encoding="utf-8")


def main() -> int:
    """Rewrites the committed files; 1 when a change would break callers."""
    try:
        if (ROOT / GOLDEN_FILE).exists():
            broken = breaking_changes(read_golden(), describe(RECOMMENDER_PROTO))
            if broken:
                print("refused, callers rely on:", *broken, sep="\n  ", file=sys.stderr)
                return 1
        generate(ROOT)
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
