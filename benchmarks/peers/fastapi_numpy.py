"""FastAPI with NumPy: uvicorn fastapi_numpy:app."""

import orjson
from fastapi import FastAPI, Response
from numpy_model import NumpyModel
from world import as_answer, load_world

world = load_world()
model = NumpyModel(world)
app = FastAPI(openapi_url=None)


# `async def` and bytes of orjson were the fastest of the ways tried: no thread hop, no validation
# of our own answer.
@app.get("/recommend/{user_id}")
async def recommend(user_id: str) -> Response:
    """Ten movies for a stored user."""
    answer = as_answer(world, *model.recommend(user_id))
    return Response(orjson.dumps(answer), media_type="application/json")
