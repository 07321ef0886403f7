"""Answers every request with the state of one order."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def order(request: Request) -> JSONResponse:
    return JSONResponse({"order": request.path_params["number"], "state": "shipped"})


app = Starlette(routes=[Route("/orders/{number:int}", order)])
