"""The STANDARD rules of buf rules on our .proto files, offline: python -m protos.lint."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from protos.compiler import ROOT, CompileError, build_image


def lint(root: Path = ROOT) -> list[str]:
    """Findings of buf below `root`, one a line; empty when all rules hold.

    Raises:
      CompileError: protoc found a mistake.
      FileNotFoundError: buf is not installed beside this interpreter.
    """
    buf = Path(sys.executable).with_name("buf")
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.binpb"
        build_image(image, root=root)
        # --path keeps the imports in the image, which are not ours, out of the findings.
        command = [str(buf), "lint", str(image), "--config", "buf.yaml", "--path", "protos"]
        finished = subprocess.run(  # noqa: S603  (the buf-bin wheel's program)
            command, cwd=root, capture_output=True, text=True, check=False
        )
    findings = finished.stdout.splitlines()
    if finished.returncode and not findings:
        raise CompileError(finished.stderr.strip())
    return findings


def main() -> int:
    """Prints the findings; 1 when there are any."""
    try:
        findings = lint()
    except CompileError as error:
        findings = [str(error)]
    except FileNotFoundError:
        findings = ["buf is missing: install the dev extra, which has buf-bin"]
    for finding in findings:
        print(finding, file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
