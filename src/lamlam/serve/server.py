"""Running the app on a port."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from lamlam.errors import LamlamError

_SECONDS_TO_FINISH = 5


def listen(host: str, port: int) -> socket.socket:
    """A socket on `host` and `port` (0: any free one). LamlamError where that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise LamlamError(f"cannot listen on {host}, port {port}: {reason}; choose another --host or --port") from error


def run(app: FastAPI, listening: socket.socket) -> None:
    """Serve `app` on a socket from `listen`, and close it, until interrupted; open requests get a few seconds."""
    # No access log: addresses hold what was asked of the base, and a log would outlive what is forgotten there.
    config = uvicorn.Config(app, access_log=False, timeout_graceful_shutdown=_SECONDS_TO_FINISH)
    with listening:
        uvicorn.Server(config).run(sockets=[listening])
