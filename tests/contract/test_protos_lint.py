"""The .proto files keep buf's STANDARD rules, checked without a network."""

import shutil
from pathlib import Path

from protos.compiler import PROTO_FILES, RECOMMENDER_PROTO, ROOT
from protos.lint import lint


def test_the_standard_rules_hold() -> None:
    """Buf has nothing to say about our .proto files."""
    assert lint() == []


def copy_of_the_protos(folder: Path) -> Path:
    for file in (*PROTO_FILES, "buf.yaml"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, folder / file)
    return folder


def test_a_broken_rule_is_found(tmp_path: Path) -> None:
    """A field name in camel case is reported with its file and line."""
    root = copy_of_the_protos(tmp_path)
    proto = root / RECOMMENDER_PROTO
    lines = proto.read_text().replace("string recommendation_id", "string recommendationId")
    proto.write_text(lines)
    line = next(n for n, text in enumerate(lines.splitlines(), 1) if "recommendationId" in text)
    [finding] = lint(root)
    assert finding.startswith(f"{RECOMMENDER_PROTO}:{line}:")
    assert "lower_snake_case" in finding


def test_only_the_directory_rule_is_off(tmp_path: Path) -> None:
    """Without its one exception the configuration finds the folder of recommender.v1, only that."""
    root = copy_of_the_protos(tmp_path)
    config = root / "buf.yaml"
    config.write_text(config.read_text().partition("  except:")[0])
    [finding] = lint(root)
    assert 'Files with package "recommender.v1" must be within a directory' in finding
