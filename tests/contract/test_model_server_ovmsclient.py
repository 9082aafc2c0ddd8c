"""A client that nobody here wrote, ovmsclient, understands the model server.

It asks for version 0 where the caller names none, which OpenVINO's server takes for the latest one
and TensorFlow Serving does not: the calls name theirs.
"""

import json
import subprocess
import sys

# It brings its own TensorFlow Serving messages, which cannot live in one process with the others.
PROGRAM = """
import json, sys
import numpy
from ovmsclient import make_grpc_client, make_http_client
for make, address in ((make_grpc_client, sys.argv[1]), (make_http_client, sys.argv[2])):
    client = make(address)
    status = client.get_model_status("half", 1)
    metadata = client.get_model_metadata("half", 1)
    answer = client.predict({"x": numpy.float32([4, 0])}, "half", 1)
    print(json.dumps([status, metadata, answer.tolist()]))
"""


def test_status_metadata_and_predict_work_over_both_apis(server):
    """Over gRPC and REST, ovmsclient reads the state, the signature and the answer."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, server.address, server.rest],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    over_grpc, over_rest = map(json.loads, done.stdout.splitlines())
    for status, _, answer in (over_grpc, over_rest):
        assert status["1"] == {"state": "AVAILABLE", "error_code": 0, "error_message": ""}
        assert answer == [4.0, 2.0]
    metadata = over_grpc[1]
    assert metadata["inputs"] == {"x": {"shape": [-1], "dtype": "DT_FLOAT"}}
    assert metadata["outputs"] == {"y": {"shape": [-1], "dtype": "DT_FLOAT"}}
    # Over REST it only unpacks OpenVINO's own spelling, and hands TensorFlow Serving's on as it is.
    signatures = over_rest[1]["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"]["x"]["dtype"] == "DT_FLOAT"
