"""Models by name; each module's docstring names its source, shapes and defaults."""

from __future__ import annotations

from importlib import import_module

NAMES = ("dot_bias", "two_tower_retrieval", "linear_sequence", "content", "similarity")


def summaries() -> dict[str, str]:
    """{model name: first line of its docstring}."""
    docs = {name: import_module(f"trainer.models.{name}").__doc__ or "" for name in NAMES}
    return {name: doc.splitlines()[0] for name, doc in docs.items()}
