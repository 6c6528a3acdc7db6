"""Errors as OpenAI's clients expect them: `{"error": {"message", "type", "param", "code"}}`.

Only what the server itself says about a request is told to the client. Any other failure, such as a base that cannot
be read, becomes a plain 500; its message, which may hold paths, goes to the server's log.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lamlam.errors import LamlamError

log = logging.getLogger("lamlam.serve")


class RequestError(Exception):
    """A request that cannot be answered. `param` names the field at fault; `code` is OpenAI's, where it has one."""

    def __init__(self, message: str, param: str | None = None, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.status, self.code = message, param, status, code


def error_body(error: Exception) -> dict[str, Any]:
    """The body that tells a client of this error; nothing of an error that is not a `RequestError`."""
    if isinstance(error, RequestError):
        return _body(error.message, "invalid_request_error", error.param, error.code)
    return _body("the server failed to answer; its log says why", "server_error")


def answer_errors(app: FastAPI) -> None:
    """Have `app` answer every error in OpenAI's shape."""

    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> JSONResponse:
        return JSONResponse(error_body(error), error.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        # ("body", "prompt", "str") → "prompt"; what stands deeper is pydantic's view of a union
        path = [part for part in first["loc"] if part not in ("body", "query")]
        param = path[0] if path and isinstance(path[0], str) else None
        message = str(first["msg"]).removeprefix("Value error, ")
        return JSONResponse(_body(f"{param}: {message}" if param else message, "invalid_request_error", param), 400)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        body = _body(f"{request.method} {request.url.path}: {error.detail}", "invalid_request_error")
        return JSONResponse(body, error.status_code, error.headers)

    @app.exception_handler(LamlamError)
    async def failed(request: Request, error: LamlamError) -> JSONResponse:
        log.error("%s %s: %s", request.method, request.url.path, error)
        return JSONResponse(error_body(error), 500)

    @app.exception_handler(Exception)  # Starlette raises it again after this answer, so the log has its traceback
    async def broken(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse(error_body(error), 500)


def _body(message: str, type: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}
