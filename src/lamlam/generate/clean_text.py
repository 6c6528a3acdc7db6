"""What a reader sees of a row, kept token by token: its new text without calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lamlam.model import LookupTokenizer

_TAIL, _KEPT = 24, 8  # of a stretch that is read while it grows, the last tokens are decoded again and again


class Place(NamedTuple):
    """A place in the text: after so many tokens of stretch number `stretch`."""

    stretch: int
    tokens: int


class CleanText:
    """The clean text after a prompt, in stretches between calls.

    A stretch is decoded as a whole, since a character may take several tokens; the one space that follows each call is
    left out. Nothing is decoded before somebody reads it.
    """

    def __init__(self, tokenizer: LookupTokenizer) -> None:
        self._tokenizer = tokenizer
        self._stretches: list[list[int]] = [[]]
        self._texts: list[str] = []  # of the first stretches, those that are over and were read
        self._settled, self._settled_tokens = (
            "",
            0,
        )  # the beginning of the last stretch, which no token changes any more
        self.tokens = 0
        """How many tokens of text there are."""

    def push(self, token: int) -> None:
        """Take a token of text."""
        self._stretches[-1].append(token)
        self.tokens += 1

    def extend(self, tokens: list[int]) -> None:
        """Take several tokens of text."""
        self._stretches[-1] += tokens
        self.tokens += len(tokens)

    def pop(self) -> None:
        """Take the last token back, which must be a token of the last stretch."""
        self._stretches[-1].pop()
        self.tokens -= 1

    def call(self) -> None:
        """An answered call stands here."""
        self._stretches.append([])
        self._settled, self._settled_tokens = "", 0

    def place(self) -> Place:
        """Where the text ends now."""
        return Place(len(self._stretches) - 1, len(self._stretches[-1]))

    def text(self) -> str:
        """All of it."""
        return self._before(len(self._stretches) - 1) + self._last()

    def characters(self, place: Place) -> int:
        """How many characters stand before a place."""
        return len(self._before(place.stretch)) + len(self._decoded(place.stretch, 0, place.tokens))

    def certain(self, stops: Sequence[str] = ()) -> str:
        """As much of it as no later token changes.

        Half a character, a space that goes if the call it announces is taken back, and what may turn out to be the
        beginning of a stop string have to wait.
        """
        text = self.text().rstrip(" \ufffd")
        longest = max((_overlap(text, stop) for stop in stops), default=0)
        return text[: len(text) - longest]

    def _before(self, stretch: int) -> str:
        """The stretches before one."""
        while len(self._texts) < stretch:
            number = len(self._texts)
            self._texts.append(self._decoded(number, 0, len(self._stretches[number])))
        return "".join(self._texts[:stretch])

    def _last(self) -> str:
        """The last stretch; what came long ago is decoded once, where the tokens fall apart between two characters."""
        number, size = len(self._stretches) - 1, len(self._stretches[-1])
        start = self._settled_tokens
        tail = self._decoded(number, start, size)
        if size - start >= _TAIL:
            early = self._decoded(number, start, size - _KEPT)
            if not early.endswith("\ufffd") and early + self._decoded(number, size - _KEPT, size) == tail:
                before = self._settled
                self._settled, self._settled_tokens = before + early, size - _KEPT
                return before + tail
        return self._settled + tail

    def _decoded(self, stretch: int, start: int, stop: int) -> str:
        """Tokens `start` to `stop` of a stretch."""
        ids = self._stretches[stretch][start:stop]
        text = self._tokenizer.decode_piece(ids) if ids else ""
        return text.removeprefix(" ") if stretch and not start else text


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of a text begin the stop string, less than all of it."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
