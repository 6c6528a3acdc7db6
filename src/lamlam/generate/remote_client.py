"""The completions endpoint of `RemoteLookupModel`: one request at a time, and a line for everything that goes wrong."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

from lamlam.errors import LamlamError
from lamlam.generate.sampling import Sampling
from lamlam.text.tokens import SPECIAL_TOKENS


class Boundary(NamedTuple):
    """The token at which a completion stops, and how the tokenizer writes it."""

    token: int
    name: str


class Sent(NamedTuple):
    """What is asked of the endpoint: at most `room` tokens after `ids`, up to `boundary` or one of `stops`; `allowed`:
    the tokens that alone may come."""

    ids: Sequence[int]
    room: int
    boundary: Boundary | None
    stops: Sequence[str]
    bias: Mapping[int, float]
    sampling: Sampling
    seed: int
    allowed: Sequence[int] = ()


class Got(NamedTuple):
    """What came: text, its token ids where the engine tells them, whether it stopped of its own, and whether each piece
    of a stream would tell its ids too."""

    text: str
    ids: list[int] | None
    stopped: bool
    streams_ids: bool


class Client:
    """An OpenAI client for one model of one endpoint. `retries` are for what may pass: 429, 5xx, a lost connection."""

    def __init__(self, url: str, model: str | None, api_key: str | None, timeout: float, retries: int) -> None:
        try:
            import openai
        except ImportError as error:
            raise LamlamError("an endpoint is asked with openai; install it: pip install 'lamlam[openai]'") from error
        self._openai = openai
        self.url, self._key, self._timeout = url, api_key, timeout
        try:
            self._client = openai.OpenAI(base_url=url, api_key=api_key or "none", timeout=timeout, max_retries=retries)
        except Exception as error:  # whatever the client says of a URL that is none
            raise LamlamError(f"{url!r} is no URL of an endpoint: {self._line(error)}") from error
        self._model = model
        self._listed: Any = None
        self.tells_ids = self.streams_ids = False

    @property
    def model(self) -> str:
        """The name of the model: the user's, or the only one that the endpoint has."""
        if self._model is None:
            models = self._models()
            if len(models) != 1:
                names = ", ".join(str(getattr(one, "id", "?")) for one in models) or "none"
                raise LamlamError(f"{self.url} has the models {names}; say which one with model=…")
            self._model = str(models[0].id)
        return self._model

    def window(self) -> int | None:
        """How many tokens the model has room for, if the endpoint tells."""
        for one in self._models():
            length = getattr(one, "max_model_len", None)
            if length is None and isinstance(meta := getattr(one, "meta", None), dict):  # llama.cpp
                length = meta.get("n_ctx")
            if str(getattr(one, "id", "")) == self.model and isinstance(length, int):
                return length
        return None

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def complete(self, sent: Sent) -> Got:
        """Send one request; `LamlamError` for everything but a completion."""
        return self._got(self._ask(self._client.completions.create, **self._request(sent)))

    def stream(self, sent: Sent) -> Generator[Got, None, None]:
        """Send one request, whose answer comes in pieces; `LamlamError` for everything but a completion."""
        answer = self._ask(self._client.completions.create, stream=True, **self._request(sent))
        if not isinstance(answer, self._openai.Stream):
            raise LamlamError(f"{self.url} answered something that is no completion; {_IS_IT}")
        with answer:
            while (piece := self._ask(lambda: next(answer, None))) is not None:
                yield self._got(piece)

    def _request(self, sent: Sent) -> dict[str, Any]:
        sampling, boundary = sent.sampling, sent.boundary
        extra: dict[str, Any] = {
            "add_special_tokens": False,
            "return_token_ids": True,  # vLLM, SGLang
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
            "include_stop_str_in_output": True,  # vLLM
            "no_stop_trim": True,  # SGLang
            "return_tokens": True,  # llama.cpp, which tells them in what is for debugging
            "verbose": True,
            "preserved_tokens": list(SPECIAL_TOKENS),
            # All of them always: an engine has defaults of its own, and some take those of the checkpoint.
            "top_k": -1 if sampling.top_k is None else sampling.top_k,
            "min_p": sampling.min_p,
            "repetition_penalty": sampling.repetition_penalty,
            "repeat_penalty": sampling.repetition_penalty,  # llama.cpp
        }
        if boundary is not None:
            extra["stop_token_ids"] = [boundary.token]
        if sent.allowed:
            extra["allowed_token_ids"] = list(sent.allowed)
        return {
            "model": self.model,
            "prompt": list(sent.ids),
            "max_tokens": sent.room,
            "stop": [*([] if boundary is None else [boundary.name]), *sent.stops],
            "logit_bias": {str(token): bias for token, bias in sent.bias.items()},
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sent.seed,
            "extra_body": extra,
        }

    def _got(self, answer: Any) -> Got:
        choices = getattr(answer, "choices", None)
        if not choices or not isinstance(getattr(choices[0], "text", None), str):
            raise LamlamError(f"{self.url} answered something that is no completion; {_IS_IT}")
        choice = choices[0]
        ids = getattr(choice, "token_ids", None)
        streams_ids = ids is not None
        if not streams_ids:  # llama.cpp; its streams leave out those of half a character
            ids = ((getattr(answer, "model_extra", None) or {}).get("__verbose") or {}).get("tokens")
        if ids is not None and not (isinstance(ids, list) and all(type(token) is int for token in ids)):
            raise LamlamError(f"{self.url} answered token ids that are no numbers; {_IS_IT}")
        return Got(choice.text, ids, choice.finish_reason == "stop", streams_ids)

    def _models(self) -> list[Any]:
        if self._listed is None:
            answer = self._ask(self._client.models.list)
            data = getattr(answer, "data", None)
            if not isinstance(data, list):
                raise LamlamError(f"{self.url} answered something that is no list of models; {_IS_IT}")
            self._listed = data
        return list(self._listed)

    def _ask(self, call: Any, **request: Any) -> Any:
        openai = self._openai
        try:
            return call(**request)
        except openai.APITimeoutError as error:
            raise LamlamError(f"{self.url} did not answer within {self._timeout:g} seconds; is it busy?") from error
        except openai.APIConnectionError as error:
            reason = self._line(error.__cause__ or error)
            raise LamlamError(f"{self.url} cannot be reached, or broke off: {reason}") from error
        except openai.APIStatusError as error:
            raise LamlamError(f"{self.url} answered {error.status_code}: {self._line(error)}") from error
        except (openai.OpenAIError, ValueError) as error:  # a body that is no JSON, or not all of it
            raise LamlamError(f"{self.url} answered what cannot be read ({self._line(error)}); {_IS_IT}") from error

    def _line(self, error: BaseException) -> str:
        """What an error says in one short line, without the key."""
        said = " ".join(str(error).split())[:200] or type(error).__name__
        return said.replace(self._key, "…") if self._key else said


_IS_IT = "is it the base URL of an OpenAI-compatible API, ending in /v1?"
