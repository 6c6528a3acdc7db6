"""A completions endpoint as engines have it, over a random tiny model: a real HTTP server for the tests to start.

It runs the whole prompt anew for every token, which for a tiny model is quick, and knows what vLLM knows of a request:
token ids as the prompt, stop strings and whether they come back, logit_bias, token ids in the answer.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

KEY = "sk-very-secret"


@dataclass
class Endpoint:
    """What the server does. `faults`: what goes wrong with the next requests, one each, before all is well again."""

    model: object
    tokenizer: object
    tells_ids: bool = True
    honours_bias: bool = True
    honours_stop: bool = True
    tells_window: bool = True
    models: tuple[str, ...] = ("tiny",)
    faults: list[str] = field(default_factory=list)
    requests: list[dict] = field(default_factory=list)
    url: str = ""

    @torch.inference_mode()
    def complete(self, body: dict) -> dict:
        ids, made = list(body["prompt"]), []
        bias = {int(token): value for token, value in body.get("logit_bias", {}).items()} if self.honours_bias else {}
        stops = body.get("stop") or []
        finish = "length"
        generator = torch.Generator().manual_seed(body.get("seed") or 0)
        for _ in range(body["max_tokens"]):
            logits = self.model(input_ids=torch.tensor([ids + made])).logits[0, -1, : len(self.tokenizer)].clone()
            for token, value in bias.items():
                logits[token] += value
            if body.get("temperature"):
                likely = torch.softmax(logits / body["temperature"], dim=-1)
                token = int(torch.multinomial(likely, 1, generator=generator))
            else:
                token = int(logits.argmax())
            made.append(token)
            text = self.tokenizer.decode_piece(made)
            if token == self.tokenizer.eos_id or any(stop in text for stop in stops):
                finish = "stop"
                break
        shown = [token for token in made if token != self.tokenizer.eos_id]
        text = self.tokenizer.decode_piece(shown)
        if not self.honours_stop:
            for stop in stops:
                text = text.removesuffix(stop)
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        if self.tells_ids:
            choice["token_ids"] = made
        return {"id": "c", "object": "text_completion", "created": 0, "model": body["model"], "choices": [choice]}


def app_of(endpoint: Endpoint) -> FastAPI:
    app = FastAPI()

    @app.get("/v1/models")
    def models() -> dict:
        window = {"max_model_len": 512} if endpoint.tells_window else {}
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "t", **window} for name in endpoint.models]
        return {"object": "list", "data": data}

    @app.post("/v1/completions", response_model=None)
    async def completions(request: Request) -> Response:
        body = await request.json()
        fault = endpoint.faults.pop(0) if endpoint.faults else None
        if fault is None:
            endpoint.requests.append(body)
            return JSONResponse(await asyncio.to_thread(endpoint.complete, body))
        if fault == "hang":
            await asyncio.sleep(1)
        if fault == "html":
            return HTMLResponse("<html><body>Welcome to nginx!</body></html>")
        if fault == "truncated":

            async def half() -> Iterator[bytes]:
                yield b'{"id": "c", "object": "text_compl'

            return StreamingResponse(half(), media_type="application/json", headers={"content-length": "500"})
        if fault == "half":
            return Response(b'{"id": "c", "object": "text_compl', media_type="application/json")
        if fault in ("empty", "other"):
            return JSONResponse({"choices": []} if fault == "empty" else ["no", "completion"])
        if fault in ("strings", "strange"):
            ids = ["1"] if fault == "strings" else [10**6]
            return JSONResponse({"choices": [{"index": 0, "text": "a", "finish_reason": "stop", "token_ids": ids}]})
        code = int(fault) if fault.isdigit() else 200
        message = {"error": {"message": f"no luck with {request.headers['authorization']}\nand more", "code": code}}
        return JSONResponse(message, code, headers={"retry-after-ms": "1"})

    return app


@contextmanager
def running(endpoint: Endpoint) -> Iterator[Endpoint]:
    server = uvicorn.Server(uvicorn.Config(app_of(endpoint), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    endpoint.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield endpoint
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
