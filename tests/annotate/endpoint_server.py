"""A real HTTP server on this machine that answers as an OpenAI-compatible endpoint does, or as a broken one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any


class Behaviour:
    """What the server does: `script` gives, request by request, a status or a way to fail; then it works."""

    def __init__(self, mark: Callable[[str], str], script: list[Any] | None = None) -> None:
        self.mark = mark
        self.script = list(script or [])
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.lock = Lock()
        self.met = Event()


def years(text: str) -> str:
    """An annotator of years, as a model would be."""
    return re.sub(r"\b(\d{4})\b", r"[dblookup('X', 'Year') -> \1] \1", text)


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """The server's URL, while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = body["messages"][-1]["content"]
            with behaviour.lock:
                behaviour.asked.append(text)
                step = behaviour.script.pop(0) if behaviour.script else "work"
                behaviour.at_once += 1
                behaviour.most_at_once = max(behaviour.most_at_once, behaviour.at_once)
                if behaviour.at_once > 1:
                    behaviour.met.set()
            try:
                self._answer(step, text)
            finally:
                with behaviour.lock:
                    behaviour.at_once -= 1

        def _answer(self, step: Any, text: str) -> None:
            if step == "hang":
                time.sleep(1.5)
                return
            if step == "meet":  # answers when another request has come beside it
                behaviour.met.wait(20)
            if isinstance(step, int):
                self._send(step, json.dumps({"error": {"message": "no"}}), "application/json")
            elif step == "html":
                self._send(200, "<html><body>Sign in to this network</body></html>", "text/html")
            elif step == "no completion":
                self._send(200, "{}", "application/json")
            else:
                marked = behaviour.mark(text)
                cut = step == "truncate"
                content = marked[: len(marked) // 2] if cut else marked
                choice = {
                    "index": 0,
                    "message": {"role": "assistant", "content": content},
                    "finish_reason": "length" if cut else "stop",
                }
                usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
                made = {
                    "id": "1",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "m",
                    "choices": [choice],
                    "usage": usage,
                }
                self._send(200, json.dumps(made), "application/json")

        def _send(self, status: int, body: str, kind: str) -> None:
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            if status == 429:
                self.send_header("Retry-After", "0.05")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
