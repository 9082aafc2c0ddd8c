"""Makes a SavedModel compute only what is asked for.

TensorFlow saves a signature as one call of a function, of which the outputs are fetched directly.
What is fetched keeps its name and its number, so the function stays as it is and computes all its
outputs for a caller who wants one. Behind an Identity for each, TensorFlow's own optimizer leaves
out of the function what nobody reads, in any server that runs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

FILE: Final = "saved_model.pb"
FINGERPRINT: Final = "fingerprint.pb"
_INTERNAL: Final = "__saved_model"


def fetch_by_name(folder: Path) -> None:
    """Gives every output of every signature in a SavedModel's folder a node of its own."""
    file = folder / FILE
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for graph in saved.meta_graphs:
        _split_outputs(graph)
    file.write_bytes(saved.SerializeToString())
    # It is that of the file before; no reader wants one.
    (folder / FINGERPRINT).unlink(missing_ok=True)


def _split_outputs(graph: meta_graph_pb2.MetaGraphDef) -> None:
    for name, signature in graph.signature_def.items():
        if name.startswith(_INTERNAL):
            continue
        for alias, info in signature.outputs.items():
            node = graph.graph_def.node.add(
                name=f"fetched/{name}/{alias}", op="Identity", input=[info.name]
            )
            node.attr["T"].type = info.dtype
            info.name = f"{node.name}:0"
