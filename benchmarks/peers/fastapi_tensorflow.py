"""FastAPI with the SavedModel inside: uvicorn fastapi_tensorflow:app."""

import os

import orjson
from fastapi import FastAPI, Response
from tensorflow_model import TensorFlowModel
from world import as_answer, load_world

world = load_world()
model = TensorFlowModel(world)
app = FastAPI(openapi_url=None)


def _answer(user_id: str) -> Response:
    (found,) = model.recommend([user_id])
    return Response(orjson.dumps(as_answer(world, *found)), media_type="application/json")


if os.environ.get("ON_THREADS"):

    @app.get("/recommend/{user_id}")
    def recommend(user_id: str) -> Response:
        """Ten movies for a stored user, from Starlette's thread pool."""
        return _answer(user_id)

else:

    @app.get("/recommend/{user_id}")
    async def recommend(user_id: str) -> Response:
        """Ten movies for a stored user, on the event loop."""
        return _answer(user_id)
