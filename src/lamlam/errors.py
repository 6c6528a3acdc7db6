"""The one kind of error a user is meant to see.

Every failure that the user can mend (a missing file, a malformed call, an unknown recipe key) is raised as a
`LamlamError` whose message is one line: what went wrong, where, and how to mend it. The command line prints that
line and exits with 1; any other exception is a defect of ours and keeps its traceback.
"""

from __future__ import annotations


class LamlamError(Exception):
    """A failure the user can mend. The message is one line: what, where, and how to mend it."""


class MalformedCall(LamlamError):
    """A call in written or token form that cannot be parsed.

    `offset` is the character offset, in the string being parsed, at which the call starts; `reason` is a short,
    countable phrase without the text in question.
    """

    def __init__(self, reason: str, offset: int, excerpt: str, source: str | None = None) -> None:
        where = f"{source}, character {offset}" if source else f"character {offset}"
        super().__init__(f"malformed call at {where}: {reason}: {excerpt!r}")
        self.reason = reason
        self.offset = offset
        self.excerpt = excerpt


class Stopped(KeyboardInterrupt):
    """Work that was interrupted, and saved so that it can go on. The message is one line that says where it stands."""
