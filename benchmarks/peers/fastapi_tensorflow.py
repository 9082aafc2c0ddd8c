"""FastAPI with the SavedModel inside: uvicorn fastapi_tensorflow:app."""

import orjson
from fastapi import FastAPI, Response
from tensorflow_model import TensorFlowModel
from world import as_answer, load_world

world = load_world()
model = TensorFlowModel(world)
app = FastAPI(openapi_url=None)


# On the event loop: Starlette's thread pool was tried, and cost more processor time for each call.
@app.get("/recommend/{user_id}")
async def recommend(user_id: str) -> Response:
    """Ten movies for a stored user."""
    (found,) = model.recommend([user_id])
    return Response(orjson.dumps(as_answer(world, *found)), media_type="application/json")
