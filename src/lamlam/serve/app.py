"""The HTTP API: OpenAI-compatible completions with citations, and the base's read side."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse, StreamingResponse

from lamlam.generate import LookupModel
from lamlam.serve.errors import RequestError, answer_errors, error_body
from lamlam.serve.schema import CompletionRequest, call_json, citation_json, fact_json
from lamlam.serve.worker import Finished, Job, Worker

log = logging.getLogger("lamlam.serve")

Name = Annotated[str, Query(min_length=1, max_length=1000)]


def create_app(lm: LookupModel, model_name: str) -> FastAPI:
    """The server of one model and the base it asks; clients see the model as `model_name`.

    The base has to stand being asked from several threads, as `KnowledgeBase` does; the caller closes it, after the
    server has stopped.
    """
    worker = Worker(lm)
    created = int(time.time())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(worker.close)

    # Its pages of documentation would load scripts from elsewhere; /openapi.json is served.
    app = FastAPI(title="lamlam", docs_url=None, redoc_url=None, lifespan=lifespan)
    answer_errors(app)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """The server is up, and has this model."""
        return {"status": "ok", "model": model_name, "lookups": lm.kb is not None}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The one model, in OpenAI's shape."""
        model = {"id": model_name, "object": "model", "created": created, "owned_by": "lamlam"}
        return {"object": "list", "data": [model]}

    @app.post("/v1/completions", response_model=None)
    async def completions(request: CompletionRequest) -> JSONResponse | StreamingResponse:
        """Continue the prompts; with `stream`, as server-sent events."""
        if request.model not in (None, model_name):
            message = f"no model of that name here; this server has {model_name!r}"
            raise RequestError(message, "model", 404, "model_not_found")
        job = await asyncio.to_thread(worker.prepare, request)
        head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model_name,
        }
        if request.stream:
            with_usage = request.stream_options is not None and request.stream_options.include_usage
            return StreamingResponse(_events(worker, job, head, with_usage), media_type="text/event-stream")
        async with aclosing(worker.run(job)) as news:
            done = [piece async for piece in news if isinstance(piece, Finished)]
        choices = [_choice(one.index, one.generation.text, one) for one in done]
        return JSONResponse({**head, "choices": choices, "usage": _usage(job, done)})

    @app.get("/kb/lookup")
    def lookup(entity: Name, relation: Name) -> dict[str, Any]:
        """What the base answers to (entity, relation), the way a model asks; `match` is null where it has no answer."""
        if lm.kb is None:
            raise RequestError("this server has no base; it was started without one", status=404)
        [match] = lm.kb.lookup_many([(entity, relation)])
        return {"entity": entity, "relation": relation, "match": None if match is None else fact_json(match)}

    return app


async def _events(worker: Worker, job: Job, head: dict[str, Any], with_usage: bool) -> AsyncIterator[str]:
    """The job as server-sent events: chunks of text, a last one for each choice with its citations, `[DONE]`."""
    done: list[Finished] = []
    try:
        async with aclosing(worker.run(job)) as news:
            async for piece in news:
                if isinstance(piece, Finished):
                    done.append(piece)
                    yield _event({**head, "choices": [_choice(piece.index, "", piece)]})
                else:
                    yield _event({**head, "choices": [_choice(piece.index, piece.text, None)]})
    except Exception as error:  # the status has been sent: an event is the only way left to tell
        log.exception("a stream broke off")
        yield _event(error_body(error))
        return
    if with_usage:
        yield _event({**head, "choices": [], "usage": _usage(job, done)})
    yield "data: [DONE]\n\n"


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _choice(index: int, text: str, finished: Finished | None) -> dict[str, Any]:
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": None}
    if finished is None:
        return choice
    generation = finished.generation
    return {
        **choice,
        "finish_reason": "stop" if generation.finish in ("end", "stop") else "length",
        "citations": [citation_json(citation) for citation in generation.citations],
        "calls": [call_json(call) for call in generation.calls],
    }


def _usage(job: Job, done: list[Finished]) -> dict[str, int]:
    """Tokens of prompts and of written text; those of calls are not counted, as `max_tokens` does not either."""
    written = sum(one.tokens for one in done)
    return {
        "prompt_tokens": job.prompt_tokens,
        "completion_tokens": written,
        "total_tokens": job.prompt_tokens + written,
    }
