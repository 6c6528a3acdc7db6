"""A completions endpoint as engines have it, over a random tiny model: a real HTTP server for the tests to start.

It runs the whole prompt anew for every request, which for a tiny model is quick, and knows what vLLM knows of one:
token ids as the prompt, stop strings and whether they come back, logit_bias, token ids in the answer.
"""

from __future__ import annotations

import asyncio
import json
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
    honours_allowed: bool = True
    tells_window: bool = True
    as_llama: bool = False
    """Tell ids and the window as llama.cpp does, and leave stop strings out; `tells_ids` has to be off."""
    models: tuple[str, ...] = ("tiny",)
    faults: list[str] = field(default_factory=list)
    requests: list[dict] = field(default_factory=list)
    url: str = ""

    def complete(self, body: dict) -> dict:
        """The whole answer: its pieces, put together."""
        pieces = list(self.pieces(body))
        whole = pieces[-1]
        choice = whole["choices"][0]
        choice["text"] = "".join(piece["choices"][0]["text"] for piece in pieces)
        if self.tells_ids:
            choice["token_ids"] = [token for piece in pieces for token in piece["choices"][0]["token_ids"]]
        if self.as_llama:
            whole["__verbose"] = {"tokens": [token for piece in pieces for token in piece["__verbose"]["tokens"]]}
        return whole

    @torch.inference_mode()
    def pieces(self, body: dict) -> Iterator[dict]:
        """The answer a token at a time."""
        ids, made, told = list(body["prompt"]), [], ""
        bias = {int(token): value for token, value in body.get("logit_bias", {}).items()} if self.honours_bias else {}
        stops = body.get("stop") or []
        allowed = body.get("allowed_token_ids") if self.honours_allowed else None
        generator = torch.Generator().manual_seed(body.get("seed") or 0)
        cache, new = None, ids
        for _ in range(body["max_tokens"]):
            output = self.model(input_ids=torch.tensor([new]), past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache, logits = output.past_key_values, output.logits[0, -1, : len(self.tokenizer)].clone()
            for token, value in bias.items():
                logits[token] += value
            if allowed:
                logits[[token for token in range(len(logits)) if token not in allowed]] = -torch.inf
            if body.get("temperature"):
                likely = torch.softmax(logits / body["temperature"], dim=-1)
                token = int(torch.multinomial(likely, 1, generator=generator))
            else:
                token = int(logits.argmax())
            made.append(token)
            new = [token]
            whole = self.tokenizer.decode_piece(made)
            ended = token == self.tokenizer.eos_id or any(stop in whole for stop in stops)
            text = self.tokenizer.decode_piece([token for token in made if token != self.tokenizer.eos_id])
            if ended and not self.honours_stop:
                for stop in stops:
                    text = text.removesuffix(stop)
            last = ended or len(made) == body["max_tokens"]
            # Half a character is kept until it is whole.
            shown = text[len(told) :] if last or not text.endswith("\ufffd") else ""
            told += shown
            finish = ("stop" if ended else "length") if last else None
            choice = {"index": 0, "text": shown, "logprobs": None, "finish_reason": finish}
            if self.tells_ids:
                choice["token_ids"] = [token]
            debugging = {"__verbose": {"tokens": [token]}} if self.as_llama and body["verbose"] else {}
            head = {"id": "c", "object": "text_completion", "created": 0, "model": body["model"]}
            yield {**head, "choices": [choice], **debugging}
            if last:
                break


def app_of(endpoint: Endpoint) -> FastAPI:
    app = FastAPI()

    @app.get("/v1/models")
    def models() -> dict:
        window = {"meta": {"n_ctx": 512}} if endpoint.as_llama else {"max_model_len": 512}
        window = window if endpoint.tells_window else {}
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "t", **window} for name in endpoint.models]
        return {"object": "list", "data": data}

    def told(body: dict) -> Iterator[str]:
        for piece in endpoint.pieces(body):
            yield f"data: {json.dumps(piece)}\n\n"
        yield "data: [DONE]\n\n"

    @app.post("/v1/completions", response_model=None)
    async def completions(request: Request) -> Response:
        body = await request.json()
        fault = endpoint.faults.pop(0) if endpoint.faults else None
        if fault is None:
            endpoint.requests.append(body)
            if body.get("stream"):
                return StreamingResponse(told(body), media_type="text/event-stream")
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
