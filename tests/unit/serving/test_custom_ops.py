import sys

import grpc
import pytest
from tensorflow.core.protobuf import saved_model_pb2

from serving.errors import ServingError
from serving.servables.custom_ops import register_custom_ops
from tests.unit.serving import saved_models


@pytest.fixture
def scann_model(tmp_path):
    """A SavedModel whose graph has one of ScaNN's ops."""
    saved_models.export_affine(tmp_path / "1")
    file = tmp_path / "1" / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    model.meta_graphs[0].graph_def.node.add(name="search", op="Scann>ScannSearchBatched")
    file.write_bytes(model.SerializeToString())
    return tmp_path / "1"


def test_scann_model_without_scann_fails_with_a_sentence(scann_model, monkeypatch):
    """It says what is missing and which extra has it."""
    monkeypatch.setitem(sys.modules, "scann", None)
    with pytest.raises(ServingError, match=r"install the extra recserve\[scann\]") as caught:
        register_custom_ops(scann_model)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_scann_is_imported_for_its_models_only(scann_model, tmp_path, monkeypatch):
    """The package is imported before a graph with its ops is loaded, and for no other."""
    (tmp_path / "scann.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "scann", raising=False)
    saved_models.export_affine(tmp_path / "2")
    register_custom_ops(tmp_path / "2")
    register_custom_ops(tmp_path / "nowhere")
    assert "scann" not in sys.modules
    register_custom_ops(scann_model)
    assert sys.modules.pop("scann").__file__ == str(tmp_path / "scann.py")
