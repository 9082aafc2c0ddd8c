"""Who may import whom, asked of a fresh interpreter that imports every module of a package."""

from __future__ import annotations

import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TENSORFLOW = {"tensorflow", "tensorflow_serving", "tf_keras", "tensorflow_recommenders", "scann"}
FORBIDDEN = {
    "protos": {"client", "server", "serving", "trainer", "numpy", "pandas"} | TENSORFLOW,
    "client": {"server", "serving", "trainer", "numpy", "pandas"} | TENSORFLOW,
    "server": {"client", "trainer", "pandas", "pyarrow", "scipy", "rich"} | TENSORFLOW,
    # TensorFlow itself imports pandas where it is installed.
    "serving": {"client", "server", "trainer", "tensorflow_recommenders"},
    "serving.contract": {"client", "server", "trainer", "numpy", "google", "grpc", "pydantic"}
    | TENSORFLOW,
    "trainer": {"client", "server"},
}
"""What may not be in sys.modules once every module of the package is imported."""

SIBLINGS_OF = {
    "server": {"serving": "serving.contract"},
    "trainer": {"serving": "serving.contract"},
}
"""A package that may see one part of a sibling and nothing else of it."""

# They start processes or need a development tool; both are scripts and no part of the product.
NOT_IMPORTED = re.compile(r"__main__$|^protos\.(generate|lint|compiler|compatibility)$")


def modules_of(package: str) -> list[str]:
    folder = ROOT / package.replace(".", "/")
    found = [package]
    found += [m.name for m in pkgutil.walk_packages([str(folder)], prefix=f"{package}.")]
    return [name for name in found if not NOT_IMPORTED.search(name)]


def loaded_after_importing(modules: list[str]) -> set[str]:
    program = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_package_imports_only_what_it_may(package):
    """No module of the package pulls in a sibling or a library that the design forbids."""
    modules = modules_of(package)
    assert len(modules) >= 2
    loaded = loaded_after_importing(modules)

    wrong = {name for name in loaded if name.split(".")[0] in FORBIDDEN[package]}
    assert not wrong
    for sibling, part in SIBLINGS_OF.get(package, {}).items():
        outside = {
            name
            for name in loaded
            if name.startswith(f"{sibling}.") and not f"{name}.".startswith(f"{part}.")
        }
        assert not outside


def test_client_imports_no_optional_library():
    """`from client import RecommenderClient` works with the base install: no rich, no numpy."""
    loaded = loaded_after_importing(["client"])

    assert not {name.split(".")[0] for name in loaded} & {"rich", "numpy", "pydantic"}


def test_serving_package_is_empty():
    """Importing the contract imports nothing else of serving."""
    assert (ROOT / "serving" / "__init__.py").read_text() == ""


ENVIRONMENT_READERS = {
    "client/demo/child.py",  # hands its environment to the processes that it starts
    "client/settings.py",  # for from_env(), when a caller asks for it
    "serving/__main__.py",  # TensorFlow's log level, before TensorFlow is imported
    "server/__init__.py",  # the threads of NumPy, before NumPy is imported
    "server/settings.py",
    "trainer/__init__.py",  # the Keras switch, before TensorFlow is imported
    "trainer/datasets/fetch.py",  # where caches live
}


def test_only_settings_read_the_environment():
    """Configuration enters at one place of each process and is passed down from there."""
    readers = {
        path.relative_to(ROOT).as_posix()
        for package in ("protos", "client", "server", "serving", "trainer")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text(encoding="utf-8"))
    }

    assert readers <= ENVIRONMENT_READERS


def test_no_module_has_a_name_that_says_nothing():
    """utils, helpers, common, misc and manager are drawers, not modules."""
    names = {
        path.stem
        for package in ("protos", "client", "server", "serving", "trainer", "tests")
        for path in (ROOT / package).rglob("*.py")
    }

    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
