"""`RemoteLookupModel`: the same loop over somebody else's engine, behind an OpenAI-compatible completions endpoint.

The engine (vLLM, SGLang, …) runs the model and caches prefixes; the row machine, the base and the policies are here. A
row asks for tokens up to the next lookup token, three requests a lookup: the text up to `<|db_entity|>`, the entity up
to `<|db_relationship|>`, the relation up to `<|db_return|>`. What the grammar rules out in between is ruled out by
`logit_bias`. Prompts go out as token ids. Tokens come back as ids where the engine can tell them (vLLM and SGLang do);
elsewhere as text in the tokenizer's written form, which is encoded again, piece by piece.

What an endpoint cannot do, or only in part:

- Constrained queries need an engine that takes `allowed_token_ids` and tells token ids (vLLM): each token of a query
  that is not the only one possible is a request of its own, since a completion has one set of tokens for all of its
  length. Elsewhere they are refused. There is no beam: the engine would run the prefix of each of its beginnings.
- A stream of an engine that tells no ids gives text a stretch at a time, up to the next call, since text that may yet
  grow cannot be tokenised.
- Seeds give the same text again only as far as the engine keeps them; they are not those of `LookupModel`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from lamlam.errors import LamlamError
from lamlam.generate.constraint import Constraint, constraint_of
from lamlam.generate.policy import Policy, PolicyName, named_policy
from lamlam.generate.prose import Generation, certain_text, generation
from lamlam.generate.remote_client import Client, Sent
from lamlam.generate.request import Answered, Base, Text
from lamlam.generate.row import MAX_QUERY_TOKENS, Asked, Row, State
from lamlam.generate.sampling import Sampling
from lamlam.model import LookupTokenizer
from lamlam.text.tokens import SPECIAL_TOKENS

_NEVER, _SURELY = -100.0, 100.0
_PIECE = 8
"""Tokens to ask for where only the next one has bans of its own, of an engine that tells no ids: one token alone may be
half a character."""


_Tokens = Generator[int, None, None]


class _Stretch(NamedTuple):
    """Where a request stops, and what may not come before: ids of lookup tokens, the closing one first."""

    stop: int
    never: tuple[int, ...]


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
        # Of an eos that starts documents too, the text may have one: it ends it.
        start = {self.tokenizer.start_id} - {self.tokenizer.eos_id}
        outside = tuple({self.tokenizer.eos_id, self.tokenizer.start_id})
        text = _Stretch(entity, (relation, ret, end, *start))
        in_entity = _Stretch(relation, (entity, ret, end, *outside))
        in_relation = _Stretch(ret, (entity, relation, end, *outside))
        self._stretches = {
            State.TEXT: text,
            State.TEXT_ONLY: _Stretch(entity, (entity, relation, ret, end, *start)),
            State.ENTITY_START: _Stretch(relation, (relation, *in_entity.never)),
            State.ENTITY: in_entity,
            State.RELATION_START: _Stretch(ret, (ret, *in_relation.never)),
            State.RELATION: in_relation,
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
        answer, in order; last the whole as a Generation. An engine that tells no ids gives text by stretches."""
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
        ids = self.tokenizer.encode_text(prompt) if isinstance(prompt, str) else [int(token) for token in prompt]
        stops = (stop,) if isinstance(stop, str) else tuple(stop)
        lookups = max_lookups if self.kb is not None else 0
        return Row(self.tokenizer, ids, max_new_tokens, lookups, self.window, stop=stops)

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
        while row.finish is None:
            stretch = self._stretches[row.state]
            if queries is not None and row.open_call is not None:
                tokens: _Tokens = self._choice(row, stretch, sampling, seed, queries)
            else:
                tokens = self._next(row, stretch, sampling, seed, streams)
            with closing(tokens):
                for token in tokens:
                    if token != stretch.stop and token in stretch.never:
                        raise LamlamError(
                            f"{self.client.url} wrote a token that was ruled out; it has to take logit_bias by token id"
                        )
                    row.push(token)
                    yield None
                    if row.finish is not None or row.asking is not None or row.cut:
                        break
            row.cut = False
            yield from self._answer(row, policy)

    def _choice(self, row: Row, stretch: _Stretch, sampling: Sampling, seed: int, queries: Constraint) -> _Tokens:
        """The next token of a query, among those with which a name of the base goes on; none where the call is taken
        back for want of one."""
        node = queries.entity_root
        for token in row.ids[(row.open_call or 0) + 1 :]:
            node = int(queries.advance([node], [token])[0])
        may = queries.allowed([node])
        allowed = set(may.pairs[1].tolist())
        if may.hot[0] >= 0:
            allowed |= set(np.flatnonzero(queries.hot(len(self.tokenizer))[may.hot[0]]).tolist())
        allowed -= row.banned() | ({stretch.stop} if row.refused_here() else set())
        if not allowed:
            row.give_up()
        elif len(allowed) == 1:
            yield from allowed
        else:
            yield from self._one_of(row, sorted(allowed), sampling, seed)

    def _one_of(self, row: Row, allowed: list[int], sampling: Sampling, seed: int) -> list[int]:
        sent = Sent(row.ids, 1, None, (), {}, sampling, seed + len(row.ids), allowed)
        tokens = self.client.complete(sent).ids or []
        if len(tokens) != 1 or tokens[0] not in allowed:
            raise LamlamError(
                f"{self.client.url} wrote a token that no name of the base goes on with; constrained queries need an "
                "engine that takes allowed_token_ids, as vLLM does"
            )
        return tokens

    def _next(self, row: Row, stretch: _Stretch, sampling: Sampling, seed: int, streams: bool) -> _Tokens:
        """The row's next tokens: up to a lookup token, to the end of its budget, or the one with bans of its own."""
        bans = row.banned()
        if row.open_call is None:
            room = min(row.max_new_tokens - row.clean.tokens, row.window - len(row.ids))
        else:
            room = MAX_QUERY_TOKENS
        # What may not come first must not be ruled out for all that follows.
        alone = bool(bans) or row.state in (State.ENTITY_START, State.RELATION_START)
        if alone:
            room = min(room, 1 if self.client.tells_ids else _PIECE)
        stops = row.stop if row.open_call is None else ()
        sent = Sent(
            row.ids,
            max(1, room),
            SPECIAL_TOKENS[self.tokenizer.lookup_ids.index(stretch.stop)],
            stops,
            {**dict.fromkeys(stretch.never, _NEVER), **dict.fromkeys(bans, _NEVER)},
            sampling,
            seed + len(row.ids),
        )
        # A stop string that the engine sees may begin in a token before, so that all has to be there.
        if streams and self.client.tells_ids and not alone and not stops:
            yield from self._streamed(sent, stretch)
            return
        got = self.client.complete(sent)
        tokens = got.ids if got.ids is not None else self._encoded(got.text)
        if got.stopped and not self._ended(tokens, stretch) and not any(stop in got.text for stop in row.stop):
            tokens = [*tokens, self.tokenizer.eos_id]  # which some engines tell by stopping alone
        yield from self._checked(tokens[:1] if alone else tokens)

    def _streamed(self, sent: Sent, stretch: _Stretch) -> _Tokens:
        """Tokens as they come."""
        tokens: list[int] = []
        stopped = False
        with closing(self.client.stream(sent)) as pieces:
            for got in pieces:
                stopped = stopped or got.stopped
                if got.ids:
                    tokens = got.ids
                    yield from self._checked(tokens)
        if stopped and not self._ended(tokens, stretch):
            tokens = [self.tokenizer.eos_id]
            yield from tokens
        self._checked(tokens)

    def _checked(self, tokens: list[int]) -> list[int]:
        if not tokens:
            raise LamlamError(f"{self.client.url} answered without a token; look at what the engine logs")
        if any(not 0 <= token < len(self.tokenizer) for token in tokens):
            raise LamlamError(f"{self.client.url} answered token ids that the tokenizer does not have")
        return tokens

    def _ended(self, tokens: list[int], stretch: _Stretch) -> bool:
        return bool(tokens) and tokens[-1] in (stretch.stop, self.tokenizer.eos_id)

    def _encoded(self, text: str) -> list[int]:
        """Token ids of text in the tokenizer's written form, which may end with a lookup token or the end of text."""
        written = dict(zip(SPECIAL_TOKENS, self.tokenizer.lookup_ids, strict=True))
        written[self.tokenizer.decode([self.tokenizer.eos_id])] = self.tokenizer.eos_id
        for name, token in written.items():
            if name and text.endswith(name):
                return [*self.tokenizer.encode_text(text.removesuffix(name), first=False), token]
        return self.tokenizer.encode_text(text.rstrip("\ufffd"), first=False)

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
                f"{self.client.url} tells no token ids; constrained queries need an engine that does, and that takes "
                "allowed_token_ids, as vLLM does"
            )
        return constraint_of(self.kb, self.tokenizer)

    def _try(self) -> None:
        """Find out whether the endpoint honours what the loop stands on, by having it write one lookup token."""
        if self._tried:
            return
        entity = self.tokenizer.entity_id
        name = SPECIAL_TOKENS[0]
        sent = Sent([self.tokenizer.start_id], 1, name, (), {entity: _SURELY}, Sampling(), 0)
        got = self.client.complete(sent)
        if got.ids is not None:
            self.client.tells_ids = True
            good = got.ids == [entity]
        else:
            good = got.text == name
        if not good:
            raise LamlamError(
                f"{self.client.url} does not give back the token {name} that it stopped at; it has to honour "
                "logit_bias, include_stop_str_in_output and skip_special_tokens=false, as vLLM does"
            )
        self._tried = True

    def _as_text(self, prompt: str | Sequence[int]) -> str:
        return prompt if isinstance(prompt, str) else self.tokenizer.decode(list(prompt))
