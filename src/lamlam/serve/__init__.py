"""A model and its base over HTTP: OpenAI-compatible completions, and lookups.

Needs the extra `serve`; importing this raises LamlamError where it is not installed.
"""

from lamlam.errors import LamlamError

try:
    from lamlam.serve.app import create_app
    from lamlam.serve.server import listen, run
except ModuleNotFoundError as error:
    if error.name not in ("fastapi", "starlette", "uvicorn"):
        raise
    raise LamlamError(f"serving needs {error.name}, which is not installed: pip install 'lamlam[serve]'") from error

__all__ = ["create_app", "listen", "run"]
