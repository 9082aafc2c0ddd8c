"""The REST API as any server has it; MODEL_SERVER_REST names another one's."""

import base64
import http.client
import json
import socket

import pytest

CALL_S = 60


def call(server, method: str, path: str, body: object = None, headers=None) -> tuple[int, str]:
    """Status and text of one call; a body that is no bytes is sent as JSON."""
    connection = http.client.HTTPConnection(server.rest, timeout=CALL_S)
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def predict(server, model: str, **body) -> dict:
    status, text = call(server, "POST", f"/v1/models/{model}:predict", body)
    assert status == 200, text
    return json.loads(text)


def error(server, method: str, path: str, body: object = None) -> tuple[int, str]:
    status, text = call(server, method, path, body)
    return status, json.loads(text)["error"]


def test_status_is_the_grpc_answer_as_json(server):
    """State, version and code come as text, as protobuf's JSON has them."""
    status, text = call(server, "GET", "/v1/models/half")
    assert status == 200
    assert {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    } in json.loads(text)["model_version_status"]
    assert error(server, "GET", "/v1/models/nobody") == (
        404,
        "Could not find any versions of model nobody",
    )


def test_metadata_holds_the_signatures(server):
    """Names keep their underscores, sizes are texts, and the version is the one in use."""
    status, text = call(server, "GET", "/v1/models/words/versions/5/metadata")
    assert status == 200
    answer = json.loads(text)
    assert answer["model_spec"] == {"name": "words", "signature_name": "", "version": "5"}
    split = answer["metadata"]["signature_def"]["signature_def"]["split"]
    assert split["inputs"]["text"]["dtype"] == "DT_STRING"
    assert split["inputs"]["text"]["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}],
        "unknown_rank": False,
    }


def test_rows(server):
    """One input and one output need no names; several are objects, one a row."""
    assert predict(server, "half", instances=[4, 0.5]) == {"predictions": [4.0, 2.25]}
    assert predict(server, "half", instances=[{"x": 4}]) == {"predictions": [4.0]}
    rows = [{"words": ["a", "b"], "suffix": "!"}, {"words": ["c", ""], "suffix": "?"}]
    assert predict(server, "words", instances=rows) == {
        "predictions": [{"joined": "ab!", "n_bytes": 3}, {"joined": "c?", "n_bytes": 2}]
    }


def test_columns(server):
    """Columns come back as columns; version, label-free path and signature are obeyed."""
    assert predict(server, "half/versions/1", inputs=[4.0]) == {"outputs": [4.0]}
    assert predict(server, "half", inputs={"x": [4.0]}) == {"outputs": [4.0]}
    answer = predict(server, "words", signature_name="split", inputs={"text": ["xyz", ""]})
    assert answer == {"outputs": {"first": ["x", ""], "is_empty": [False, True]}}
    assert predict(server, "total", inputs=[[1, 2], [3, 4]]) == {"outputs": 10.0}


def test_numbers_keep_their_shortest_form(server):
    """A float that is no short double stays short; NaN and infinities are told as such."""
    third = predict(server, "half", inputs=[0.2])["outputs"]
    assert third == [2.1]
    status, text = call(
        server, "POST", "/v1/models/half:predict", b'{"inputs": [NaN, Infinity, -Infinity]}'
    )
    assert status == 200
    assert [word in text for word in ("NaN", "Infinity", "-Infinity")] == [True] * 3


def test_bytes_come_as_base64(server):
    """A {"b64": ...} object is a string of any bytes, in rows and in columns."""
    text = {"b64": base64.b64encode(b"e\xff").decode()}
    for body in ({"instances": [text]}, {"inputs": [text]}, {"inputs": {"text": [text]}}):
        (answer,) = predict(server, "words", signature_name="split", **body).values()
        empty = answer["is_empty"] if isinstance(answer, dict) else [answer[0]["is_empty"]]
        assert empty == [False]


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("half:predict", b"", 400, "JSON Parse error: The document is empty"),
        ("half:predict", b"[1]", 400, "JSON Value: [1] Is not object"),
        ("half:predict", b"{", 400, "JSON Parse error: "),
        ("half:predict", b"[" * 100_000, 400, "JSON Parse error: "),
        ("half:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("half:predict", {"instances": [1], "inputs": [1]}, 400, "JSON Value: "),
        ("half:predict", {"instances": []}, 400, "JSON Value: "),
        ("half:predict", {"instances": 1}, 400, "JSON Value: "),
        ("half:predict", {"inputs": [1], "signature_name": 1}, 400, "JSON Value: "),
        (
            "half:predict",
            {"inputs": [1], "signature_name": "x"},
            400,
            'Serving signature name: "x" not found in signature def',
        ),
        (
            "half:predict",
            {"inputs": ["a"]},
            400,
            'JSON Value: "a" Type: String is not of expected type: float',
        ),
        (
            "half:predict",
            {"inputs": [[1, 2], [3]]},
            400,
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        ("half:predict", {"instances": [1, [2]]}, 400, "Failed to process element: 1"),
        ("half:predict", {"instances": [{"z": 1}]}, 400, "Failed to process element: 0 key: z"),
        ("words:predict", {"instances": ["a"]}, 400, "instances is a plain list, but expecting"),
        ("words:predict", {"inputs": {"words": [["a"]]}}, 400, "Missing named input: suffix"),
        (
            "lookup:predict",
            {"inputs": [{"b64": "?"}]},
            400,
            "Unable to base64 decode",
        ),
        ("nobody:predict", {"inputs": [1]}, 404, "Servable not found for request: Latest(nobody)"),
        (
            "half/versions/9:predict",
            {"inputs": [1]},
            404,
            "Servable not found for request: Specific(half, 9)",
        ),
        (
            "half/labels/x:predict",
            {"inputs": [1]},
            400,
            "Unrecognized servable version label: x",
        ),
        ("half:guess", {"inputs": [1]}, 400, "Malformed request: POST /v1/models/half:guess"),
    ],
)
def test_wrong_calls_get_status_and_reason(server, path, body, status, told):
    """The code of the failure chooses the HTTP status; the text is under "error"."""
    got, text = error(server, "POST", f"/v1/models/{path}", body)
    assert (got, text[: len(told)]) == (status, told)


def test_paths_that_are_nobodys(server):
    """Outside of /v1 there is nothing; inside, a method or form that is not known is refused."""
    assert call(server, "GET", "/") == (404, "")
    assert error(server, "PUT", "/v1/models/half")[0] == 400
    assert error(server, "GET", "/v1/models") == (400, "Missing model name in request.")
    assert call(server, "GET", "/v1/models/half/versions/99999999999999999999")[0] == 400


def test_connection_is_kept_and_chunks_are_read(server):
    """Two calls go over one connection, the second one's body in chunks."""
    connection = http.client.HTTPConnection(server.rest, timeout=CALL_S)
    path = "/v1/models/half:predict"
    for body, chunked in ((b'{"inputs": [4]}', False), (iter([b'{"inputs"', b": [6]}"]), True)):
        headers = {"Transfer-Encoding": "chunked"} if chunked else {}
        connection.request("POST", path, body, headers, encode_chunked=chunked)
        response = connection.getresponse()
        assert (response.status, len(json.loads(response.read())["outputs"])) == (200, 1)
    connection.close()


def test_half_a_request_disturbs_nobody(server):
    """Callers that promise a body and go, or send no HTTP at all, leave the server as it was."""
    host, port = server.rest.split(":")
    for text in (
        b"POST /v1/models/half:predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n{",
        b"\x00\n",
    ):
        with socket.create_connection((host, int(port)), timeout=CALL_S) as sending:
            sending.sendall(text)
    assert predict(server, "half", inputs=[4]) == {"outputs": [4.0]}


def test_metrics_have_the_real_names(server):
    """Calls are counted by model and status, and timed by entry point, where the file says."""
    predict(server, "half", inputs=[4])
    error(server, "POST", "/v1/models/nobody:predict", {"inputs": [1]})
    status, page = call(server, "GET", "/metrics")
    assert status == 200
    lines = page.splitlines()
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    names = [line.rpartition(" ")[0] for line in lines]
    assert ':tensorflow:serving:request_count{model_name="half",status="OK"}' in names
    assert ':tensorflow:serving:request_count{model_name="nobody",status="NOT_FOUND"}' in names
    assert (
        ':tensorflow:serving:request_latency_bucket{model_name="half",API="predict",'
        'entrypoint="REST",le="+Inf"}'
    ) in names
    assert (
        ':tensorflow:serving:runtime_latency_count{model_name="half",API="Predict",runtime="TF1"}'
    ) in names
