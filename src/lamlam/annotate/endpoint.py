"""Asking an OpenAI-compatible endpoint, patiently: a rate limit, retries with back-off, a count of what it cost."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

from lamlam.errors import LamlamError

ATTEMPTS = 6
TIMEOUT = 120.0
"""Seconds to wait for one answer."""
LONGEST_WAIT = 60.0
"""Seconds between two attempts at most."""


class Answer(NamedTuple):
    """What the endpoint said; `cut` if it stopped at its limit of tokens."""

    text: str
    cut: bool


@dataclass
class Spent:
    """What was asked so far, what it cost, and what went wrong, by reason."""

    requests: int = 0
    tokens_read: int = 0
    tokens_written: int = 0
    cost: float | None = None
    from_journal: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    """Calls that could not be read or placed."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}


class Endpoint:
    """One model behind an endpoint. May be used from several threads at once.

    `per_minute` limits requests, retries included; `price` is what a million tokens cost, (read, written).
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        spent: Spent,
        per_minute: float | None = None,
        price: tuple[float, float] | None = None,
        timeout: float = TIMEOUT,
        first_wait: float = 1.0,
    ) -> None:
        try:
            import openai
        except ImportError:
            raise LamlamError("--with llm needs the openai client; install lamlam[openai]") from None
        import os

        self._openai = openai
        # Local servers need no key, but the client insists on one. It reads OPENAI_API_KEY itself.
        key = os.environ.get("OPENAI_API_KEY") or "none"
        self._client = openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=timeout)
        self._url, self._model = url, model
        self._spent, self._price = spent, price
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._first_wait = first_wait
        self._next = 0.0
        self._lock = Lock()
        if price is not None:
            spent.cost = 0.0

    def ask(self, messages: Sequence[dict[str, str]]) -> Answer | str:
        """The answer, or the reason why there is none after `ATTEMPTS` attempts.

        Raises `LamlamError` where trying again, or asking anything else, is of no use: a wrong key, model or address.
        """
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._count(self._spent.retries, reason)
                time.sleep(min(LONGEST_WAIT, self._first_wait * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25))
            self._take_turn()
            outcome = self._once(messages)
            if isinstance(outcome, Answer):
                return outcome
            reason = outcome
        self._count(self._spent.failed, reason)
        return reason

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _once(self, messages: Any) -> Answer | str:
        openai = self._openai
        try:
            made: Any = self._client.chat.completions.create(model=self._model, messages=messages, temperature=0)
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise LamlamError(
                f"{self._url}: refused ({error.status_code}); mend the key, the model or the address"
            ) from None
        except openai.RateLimitError as error:
            self._wait_as_told(error)
            return "429, too many requests"
        except openai.APITimeoutError:
            return "no answer in time"
        except openai.APIConnectionError:
            return "no connection"
        except openai.APIStatusError as error:
            return f"status {error.status_code}"
        except (openai.OpenAIError, ValueError):
            return "the answer is not JSON"
        # A page in HTML comes back as a string, other JSON as an object without these fields.
        try:
            choice = made.choices[0]
            text, cut, usage = choice.message.content, choice.finish_reason == "length", made.usage
        except (AttributeError, IndexError, TypeError):
            return "the answer is no completion"
        if not isinstance(text, str) or not text:
            return "the answer is empty"
        self._pay(usage)
        return Answer(text, cut)

    def _pay(self, usage: Any) -> None:
        read, written = (getattr(usage, name, 0) or 0 for name in ("prompt_tokens", "completion_tokens"))
        with self._lock:
            self._spent.requests += 1
            self._spent.tokens_read += read
            self._spent.tokens_written += written
            if self._price is not None:
                cost = (read * self._price[0] + written * self._price[1]) / 1e6
                self._spent.cost = (self._spent.cost or 0.0) + cost

    def _take_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._gap
        time.sleep(start - now)

    def _wait_as_told(self, error: Any) -> None:
        """Hold all requests back for as long as the endpoint's `Retry-After` says."""
        try:
            seconds = float(error.response.headers.get("retry-after", ""))
        except ValueError:
            return
        with self._lock:
            self._next = max(self._next, time.monotonic() + min(max(0.0, seconds), LONGEST_WAIT))

    def _count(self, counter: Counter[str], reason: str) -> None:
        with self._lock:
            counter[reason] += 1
