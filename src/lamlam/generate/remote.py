"""`RemoteLookupModel`: the same loop over somebody else's engine, behind an OpenAI-compatible completions endpoint.

The engine (vLLM, SGLang, llama.cpp's server, …) runs the model and caches prefixes; the row machine, the base and the
policies are here. A row has the engine write up to `<|db_return|>`, puts the base's answer in and sends all of it
again: one request a lookup. What was written on the way is held against the grammar, token by token; from the first on
that may not come it is thrown away, and that one token is asked for again, alone, with those that may not come ruled
out by `logit_bias`, which draws it as if they had been ruled out at once. Prompts go out as token ids. Tokens come
back as ids where the engine can tell them; elsewhere as text in the tokenizer's written form, which is encoded again.

What an endpoint cannot do, or only in part (docs/engines.md says what was tried with which):

- Constrained queries need an engine that tells token ids. There is no beam: the engine would run the prefix of each of
  its beginnings.
- A stream of an engine whose pieces tell no ids gives text a stretch at a time, up to the next answer, since text that
  may yet grow cannot be tokenised.
- Seeds give the same text again only as far as the engine keeps them; they are not those of `LookupModel`. A repetition
  penalty is the engine's own, which counts the tokens of calls too.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import numpy as np

from lamlam.errors import LamlamError
from lamlam.generate.constraint import Constraint, constraint_of
from lamlam.generate.policy import Policy, PolicyName, named_policy
from lamlam.generate.prose import Generation, certain_text, generation
from lamlam.generate.remote_client import Boundary, Client, Sent
from lamlam.generate.request import Answered, Base, Text, row_of
from lamlam.generate.row import MAX_QUERY_TOKENS, Asked, Row, State
from lamlam.generate.sampling import Sampling
from lamlam.model import LookupTokenizer
from lamlam.text.tokens import ENTITY, RETURN, SPECIAL_TOKENS

_NEVER, _SURELY = -100.0, 100.0
_PIECE = 8
"""Tokens to ask for where only the next one has bans of its own, of an engine that tells no ids: one token alone may be
half a character."""


_Tokens = Generator[int, None, None]

_LATER = {
    State.TEXT: (State.TEXT, State.ENTITY, State.RELATION),
    State.TEXT_ONLY: (State.TEXT_ONLY,),
    State.ENTITY_START: (State.ENTITY, State.RELATION),
    State.ENTITY: (State.ENTITY, State.RELATION),
    State.RELATION_START: (State.RELATION,),
    State.RELATION: (State.RELATION,),
}
"""The states that one completion may run through before it asks."""


class RemoteLookupModel:
    """A causal LM with lookup tokens behind a completions endpoint, and the base that it asks; None: lookups off.

    `tokenizer` is the model's own, or the folder it lies in. `window`: how many tokens a prompt and what follows may
    have; asked of the endpoint where it tells. The first use tries whether the endpoint does what is needed of it.
    """

    def __init__(
        self,
        url: str,
        tokenizer: LookupTokenizer | str | Path,
        kb: Base | None,
        *,
        model: str | None = None,
        window: int | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: int = 2,
    ) -> None:
        self.tokenizer = tokenizer if isinstance(tokenizer, LookupTokenizer) else LookupTokenizer.load(tokenizer)
        self.kb = kb
        self.client = Client(url, model, api_key, timeout, retries)
        self._window = window
        entity, relation, ret, end = self.tokenizer.lookup_ids
        outside = {self.tokenizer.eos_id, self.tokenizer.start_id}
        # Of an eos that starts documents too, the text may have one: it ends it.
        start = {self.tokenizer.start_id} - {self.tokenizer.eos_id}
        self._never = {
            State.TEXT: {relation, ret, end} | start,
            State.TEXT_ONLY: {entity, relation, ret, end} | start,
            State.ENTITY_START: {entity, relation, ret, end} | outside,
            State.ENTITY: {entity, ret, end} | outside,
            State.RELATION_START: {entity, relation, ret, end} | outside,
            State.RELATION: {entity, relation, end} | outside,
        }
        self._tried = False

    def generate(
        self,
        prompts: Sequence[str | Sequence[int]],
        *,
        max_new_tokens: int = 128,
        max_lookups: int = 64,
        policy: PolicyName | Policy = "abstain",
        sampling: Sampling | None = None,
        stop: str | Sequence[str] = (),
        constrained: bool = False,
        batch_size: int = 64,
    ) -> list[Generation]:
        """Continue each prompt as `LookupModel.generate` does, `batch_size` of them at once.

        Greedily the same tokens as there, where the engine computes the same logits; with a temperature the engine
        draws. LamlamError where the endpoint fails, or the base or the policy does, and for `constrained` where the
        endpoint cannot do it.
        """
        if isinstance(prompts, str):
            raise LamlamError("generate takes a list of prompts: write generate([prompt])")
        self._try()
        sampling, chosen, queries = sampling or Sampling(), named_policy(policy, self.kb), self._queries(constrained)
        rows = [self.row(prompt, max_new_tokens, max_lookups, stop) for prompt in prompts]
        with ThreadPoolExecutor(max(1, min(batch_size, len(rows)))) as threads:
            futures = [
                threads.submit(deque, self._run(row, chosen, sampling, sampling.seed + number, queries), 0)
                for number, row in enumerate(rows)
            ]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return [generation(self._as_text(prompt), row) for prompt, row in zip(prompts, rows, strict=True)]

    def stream(
        self,
        prompt: str | Sequence[int],
        *,
        max_new_tokens: int = 128,
        max_lookups: int = 64,
        policy: PolicyName | Policy = "abstain",
        sampling: Sampling | None = None,
        stop: str | Sequence[str] = (),
        constrained: bool = False,
    ) -> Iterator[Text | Asked | Answered | Generation]:
        """Continue one prompt as `LookupModel.stream` does: text as soon as it is certain, each question, and its
        answer, in order; last the whole as a Generation. An engine whose pieces tell no ids gives text by stretches."""
        self._try()
        sampling, chosen, queries = sampling or Sampling(), named_policy(policy, self.kb), self._queries(constrained)
        row = self.row(prompt, max_new_tokens, max_lookups, stop)
        told = 0
        for event in self._run(row, chosen, sampling, sampling.seed, queries, streams=True):
            if event is not None:
                yield event
            elif len(certain := certain_text(row)) > told:
                yield Text(certain[told:])
                told = len(certain)
        yield generation(self._as_text(prompt), row)

    def row(
        self, prompt: str | Sequence[int], max_new_tokens: int, max_lookups: int, stop: str | Sequence[str] = ()
    ) -> Row:
        """The prompt as a row; LamlamError where it does not fit into the model's window."""
        lookups = max_lookups if self.kb is not None else 0
        return row_of(self.tokenizer, prompt, max_new_tokens, lookups, self.window, stop)

    def close(self) -> None:
        """Let go of the connections to the endpoint; so does leaving a `with` block."""
        self.client.close()

    def __enter__(self) -> RemoteLookupModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def window(self) -> int:
        """How many tokens the model has room for; LamlamError where neither the user nor the endpoint says."""
        if self._window is None:
            self._window = self.client.window()
        if self._window is None:
            raise LamlamError(f"{self.client.url} does not tell how many tokens its model has room for; give window=…")
        return self._window

    def _run(
        self, row: Row, policy: Policy, sampling: Sampling, seed: int, queries: Constraint | None, streams: bool = False
    ) -> Iterator[Asked | Answered | None]:
        """Take one row to its end. Gives what it asks and is answered, and None when it has taken a token."""
        yield from self._answer(row, policy)
        alone = False
        while row.finish is None:
            alone = alone or bool(row.banned())
            if not alone:
                tokens: _Tokens = self._several(row, sampling, seed, streams)
            elif queries is not None and row.open_call is not None:
                tokens = self._among(row, sampling, seed, queries)
            else:
                tokens = self._one(row, sampling, seed)
            ruled_out = False
            with closing(tokens):
                for token in tokens:
                    if ruled_out := not self._may(row, token, queries):
                        break
                    row.push(token)
                    yield None
                    if row.finish is not None or row.asking is not None or row.cut:
                        break
            if alone and ruled_out:
                raise LamlamError(
                    f"{self.client.url} wrote a token that was ruled out; it has to take logit_bias by token id"
                )
            alone, row.cut = ruled_out, False
            yield from self._answer(row, policy)

    def _may(self, row: Row, token: int, queries: Constraint | None) -> bool:
        """Whether a token may come next."""
        if token in self._never[row.state] or token in row.banned():
            return False
        return queries is None or row.open_call is None or token in self._allowed(row, queries)

    def _allowed(self, row: Row, queries: Constraint) -> set[int]:
        """The tokens with which a name of the base goes on in a row's query."""
        node = queries.entity_root
        for token in row.ids[(row.open_call or 0) + 1 :]:
            node = int(queries.advance([node], [token])[0])
        may = queries.allowed([node])
        allowed = set(may.pairs[1].tolist())
        if may.hot[0] >= 0:
            allowed |= set(np.flatnonzero(queries.hot(len(self.tokenizer))[may.hot[0]]).tolist())
        return allowed - row.banned() - ({self.tokenizer.return_id} if row.refused_here() else set())

    def _among(self, row: Row, sampling: Sampling, seed: int, queries: Constraint) -> _Tokens:
        """The next token of a query among those that may come; none where the call is taken back for want of one."""
        allowed = sorted(self._allowed(row, queries))
        if len(allowed) > 1:
            sent = self._sent(row, 1, None, set(), sampling, seed)
            tokens = self.client.complete(sent._replace(allowed=allowed)).ids or []
            if len(tokens) != 1 or tokens[0] not in allowed:
                # Of allowed_token_ids it knows nothing: what is added to the logits of all alike leaves their order.
                tokens = self._whole(sent._replace(bias=dict.fromkeys(allowed, _SURELY)))
            yield from tokens
        elif allowed:
            yield from allowed
        else:
            row.give_up()

    def _one(self, row: Row, sampling: Sampling, seed: int) -> _Tokens:
        """The row's next token, with all that may not come ruled out: what may come after it is not the same."""
        room = 1 if self.client.tells_ids else min(_PIECE, row.window - len(row.ids))
        yield from self._whole(self._sent(row, room, None, self._never[row.state] | row.banned(), sampling, seed))[:1]

    def _several(self, row: Row, sampling: Sampling, seed: int, streams: bool) -> _Tokens:
        """The row's next tokens, up to what asks, a stop string or the end of the row's budget; some of them may be
        such as may not come."""
        room = MAX_QUERY_TOKENS if row.open_call is not None else row.max_new_tokens - row.clean.tokens
        room = min(room, row.window - len(row.ids))
        never = set.intersection(*(self._never[state] for state in _LATER[row.state]))
        asks = self.tokenizer.return_id
        sent = self._sent(row, room, None if asks in never else Boundary(asks, RETURN), never, sampling, seed)
        # A stop string that the engine sees may begin in a token before, so that all has to be there.
        if streams and self.client.streams_ids and not sent.stops:
            yield from self._streamed(sent)
        else:
            yield from self._whole(sent)

    def _sent(
        self, row: Row, room: int, boundary: Boundary | None, never: set[int], sampling: Sampling, seed: int
    ) -> Sent:
        stops = row.stop if row.open_call is None else ()
        bias = dict.fromkeys(sorted(never), _NEVER)
        return Sent(row.ids, max(1, room), boundary, stops, bias, sampling, seed + len(row.ids))

    def _whole(self, sent: Sent) -> list[int]:
        """All tokens of one completion."""
        got = self.client.complete(sent)
        tokens = got.ids if got.ids is not None else self._encoded(got.text)
        return self._checked([*tokens, *self._untold_end(tokens, got.stopped, sent)])

    def _streamed(self, sent: Sent) -> _Tokens:
        """Tokens as they come."""
        tokens: list[int] = []
        stopped = False
        with closing(self.client.stream(sent)) as pieces:
            for got in pieces:
                stopped = stopped or got.stopped
                if got.ids:
                    tokens += self._checked(got.ids)
                    yield from got.ids
        end = self._untold_end(tokens, stopped, sent)
        self._checked([*tokens, *end])
        yield from end

    def _untold_end(self, tokens: list[int], stopped: bool, sent: Sent) -> list[int]:
        """The end of the text, where an engine has told it by stopping alone."""
        last = tokens[-1] if tokens else None
        if not stopped or last == self.tokenizer.eos_id or (sent.boundary and last == sent.boundary.token):
            return []
        # What is written like the boundary in ordinary characters stops an engine as well.
        stops = [*sent.stops, *([sent.boundary.name] if sent.boundary else ())]
        written = self.tokenizer.decode_piece(tokens)
        return [] if any(stop in written for stop in stops) else [self.tokenizer.eos_id]

    def _checked(self, tokens: list[int]) -> list[int]:
        if not tokens:
            raise LamlamError(f"{self.client.url} answered without a token; look at what the engine logs")
        if any(not 0 <= token < len(self.tokenizer) for token in tokens):
            raise LamlamError(f"{self.client.url} answered token ids that the tokenizer does not have")
        return tokens

    def _encoded(self, text: str) -> list[int]:
        """Token ids of text in the tokenizer's written form, lookup tokens and the end of text included."""
        written = dict(zip(SPECIAL_TOKENS, self.tokenizer.lookup_ids, strict=True))
        if end := self.tokenizer.decode([self.tokenizer.eos_id]):
            written[end] = self.tokenizer.eos_id
        ids: list[int] = []
        for part in re.split(f"({'|'.join(map(re.escape, written))})", text.rstrip("\ufffd")):
            ids += [written[part]] if part in written else self.tokenizer.encode_text(part, first=False)
        return ids

    def _answer(self, row: Row, policy: Policy) -> Iterator[Asked | Answered]:
        """Let the row have the base's answer, if it asks; a policy may have it ask again."""
        asked = row.asking
        if asked is None or self.kb is None:
            return
        time = datetime.now(UTC)
        (match,) = self.kb.lookup_many([(asked.entity, asked.relation)])
        row.answer(match, policy(asked, match), time)
        row.cut = False
        yield asked
        yield Answered(row.calls[-1].match)

    def _queries(self, constrained: bool) -> Constraint | None:
        """The base's names, for constrained queries."""
        if not constrained:
            return None
        if not self.client.tells_ids:
            raise LamlamError(
                f"{self.client.url} tells no token ids; constrained queries need an engine that does, such as vLLM"
            )
        return constraint_of(self.kb, self.tokenizer)

    def _try(self) -> None:
        """Find out whether the endpoint honours what the loop stands on, by having it write one lookup token."""
        if self._tried:
            return
        entity = self.tokenizer.entity_id
        sent = Sent([self.tokenizer.start_id], 1, Boundary(entity, ENTITY), (), {entity: _SURELY}, Sampling(), 0)
        try:
            got = self.client.complete(sent)
        except LamlamError as error:
            if getattr(error.__cause__, "status_code", 0) not in (400, 422):
                raise
            raise LamlamError(
                f"{error}; it has to be an engine that takes token ids as a prompt, and logit_bias, as vLLM, SGLang "
                "and llama.cpp's server do"
            ) from error
        if got.ids is not None:
            self.client.tells_ids, self.client.streams_ids = True, got.streams_ids
            good = got.ids == [entity]
        else:
            good = got.text == ENTITY
        if not good:
            raise LamlamError(
                f"{self.client.url} does not give back the token {ENTITY} that it stopped at; it has to honour "
                "logit_bias, include_stop_str_in_output and skip_special_tokens=false, as vLLM does"
            )
        self._tried = True

    def _as_text(self, prompt: str | Sequence[int]) -> str:
        return prompt if isinstance(prompt, str) else self.tokenizer.decode(list(prompt))
