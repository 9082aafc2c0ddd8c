"""Where there is a compiler, an installation has the compiled modules."""

from __future__ import annotations

import shutil

import pytest

from server import native
from server.engine import kernel


@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no compiler")
def test_an_installation_with_a_compiler_is_compiled() -> None:
    """Both modules are optional: nothing else would say that their build failed."""
    assert kernel.Kernel is not None
    assert native.PAGES is not None
