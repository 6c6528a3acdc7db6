"""The fidelity guard: whatever an annotator returns, only its calls are taken, and they go into the source.

An annotator that is a language model paraphrases, drops a heading, mends a typo, changes white space. Its text is
aligned to the source word by word (a longest common subsequence), and a call goes where its words are in the source:

- where the annotator's text mentions the value, and those words are in the source one after another: before the first
  word at or after the call that the source has too;
- otherwise, where the source says the value between the two nearest words that both texts share: before it;
- where neither text says the value (it is put in other words) but the words before and after the call stand side by
  side in the source: between them.

Any other call is dropped, and counted by reason.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from lamlam.annotate.mentions import first_mention
from lamlam.text import Call, Document, Span, find_mention

NOT_SAID = "the source does not say the value there"
NO_PLACE = "the words around the call are not in the source"
OUT_OF_ORDER = "its words come before another call that it follows"
TOO_LONG = "the texts differ over too long a stretch to align them"

MOST_CELLS = 400_000_000
"""Words times words that are aligned: 20,000 each, 50 MB and less than a second. Both grow with the product."""

WIDEST_GAP = 200
"""Characters, beside the value's own, between two words that both texts share: further off, it is another mention."""

_WORD = re.compile(r"\w+|[^\w\s]")


class Guarded(NamedTuple):
    """The source with the calls that could be placed in it, and how many could not, by reason."""

    document: Document
    dropped: Counter[str]


def carry_over(source_text: str, annotated: Document) -> Guarded:
    """The calls of `annotated` put into `source_text`; the document's text is the source, to the character.

    Where the texts are the same, every call stays as it is. `meta["source_text"]`, which readers of other projects'
    files leave, is not in the result's meta: it is the text now.
    """
    meta = {name: value for name, value in annotated.meta.items() if name != "source_text"}
    if source_text == annotated.text:
        return Guarded(Document(annotated.id, source_text, annotated.calls, meta), Counter())
    alignment = _Alignment(source_text, annotated)
    calls: list[Call] = []
    dropped: Counter[str] = Counter()
    for call in annotated.calls:
        placed = alignment.place(call, calls[-1].at if calls else 0)
        if isinstance(placed, Call):
            calls.append(placed)
        else:
            dropped[placed] += 1
    return Guarded(Document(annotated.id, source_text, tuple(calls), meta), dropped)


class _Alignment:
    """Which words of the annotator's text are which of the source's."""

    def __init__(self, source: str, annotated: Document) -> None:
        self._source = source
        self._text = annotated.text
        self._theirs = [word.span() for word in _WORD.finditer(annotated.text)]
        self._ours = [word.span() for word in _WORD.finditer(source)]
        self._starts = [start for start, _ in self._theirs]
        self._matched, self._whole = _match(
            [self._text[start:end] for start, end in self._theirs],
            [source[start:end] for start, end in self._ours],
        )
        self._matched_words = sorted(self._matched)

    def place(self, call: Call, cursor: int) -> Call | str:
        """The call in the source, not before character `cursor`, or why it is dropped."""
        if call.span is not None and (span := self._span(call.span)) is not None:
            at = self._at(call.at)
            if at < cursor:
                return OUT_OF_ORDER
            same = self._source[span[0] : span[1]] == self._text[call.span[0] : call.span[1]]
            # White space may differ inside the mention; then no span can be found again, and none is kept.
            return Call(at, call.lookup, span if same else find_mention(self._source, at, call.lookup.value))
        # The nearest shared words around the call, and around the mention if the text has one.
        word = bisect_left(self._starts, call.at)
        after = word if call.span is None else bisect_left(self._starts, call.span[1])
        found = self._said(call.lookup.value, max(self._last_shared(word), cursor), self._first_shared(after))
        if found is None and call.span is None and self._side_by_side(word):
            found = max(self._first_shared(word), cursor)
        if found is not None:
            return Call(found, call.lookup, find_mention(self._source, found, call.lookup.value))
        if not self._whole:
            return TOO_LONG
        return NO_PLACE if call.span is None else NOT_SAID

    def _at(self, at: int) -> int:
        """Where in the source a place is, if inside a shared word; otherwise where the next shared word starts."""
        word = bisect_right(self._starts, at) - 1
        if word in self._matched and at < self._theirs[word][1]:
            return self._ours[self._matched[word]][0] + at - self._theirs[word][0]
        return self._first_shared(word + 1)

    def _said(self, value: str, start: int, end: int) -> int | None:
        """Where the source says a value between two places near each other; None if it does not."""
        if not 0 <= end - start <= len(value) + WIDEST_GAP:
            return None
        # One character more at either end tells whether the words there are whole.
        first = max(0, start - 1)
        said = first_mention(self._source[first : end + 1], value, start - first)
        return None if said is None or first + said[1] > end else first + said[0]

    def _side_by_side(self, word: int) -> bool:
        """Whether the word and the one before it (or an end of the text) are neighbours in the source too."""
        before = -1 if word == 0 else self._matched.get(word - 1)
        here = len(self._ours) if word == len(self._theirs) else self._matched.get(word)
        return before is not None and here == before + 1

    def _span(self, span: Span) -> Span | None:
        """Where the words of a mention stand in the source, if they do, one after another."""
        first, last = bisect_right(self._starts, span[0]) - 1, bisect_left(self._starts, span[1]) - 1
        if first < 0 or last < first or not all(word in self._matched for word in range(first, last + 1)):
            return None
        if self._theirs[first][1] <= span[0] or self._matched[last] - self._matched[first] != last - first:
            return None
        start = self._ours[self._matched[first]][0] + span[0] - self._theirs[first][0]
        end = self._ours[self._matched[last]][0] + min(span[1], self._theirs[last][1]) - self._theirs[last][0]
        return start, end

    def _first_shared(self, word: int) -> int:
        """Where in the source the first shared word from `word` on starts; its end if there is none."""
        found = bisect_left(self._matched_words, word)
        if found == len(self._matched_words):
            return len(self._source)
        return self._ours[self._matched[self._matched_words[found]]][0]

    def _last_shared(self, word: int) -> int:
        """Where in the source the last shared word before `word` ends; its start if there is none."""
        found = bisect_left(self._matched_words, word) - 1
        return 0 if found < 0 else self._ours[self._matched[self._matched_words[found]]][1]


def _match(theirs: Sequence[str], ours: Sequence[str]) -> tuple[dict[int, int], bool]:
    """Which word of theirs is which of ours, in order; and whether all of both were looked at.

    What both begin and end with is matched in any case; only what lies between may be too much.
    """
    from rapidfuzz.distance import LCSseq

    shorter = min(len(theirs), len(ours))
    head = next((i for i in range(shorter) if theirs[i] != ours[i]), shorter)
    tail = next((i for i in range(shorter - head) if theirs[-1 - i] != ours[-1 - i]), shorter - head)
    matched = {i: i for i in range(head)}
    matched.update({len(theirs) - i: len(ours) - i for i in range(1, tail + 1)})
    between_theirs, between_ours = theirs[head : len(theirs) - tail], ours[head : len(ours) - tail]
    if len(between_theirs) * len(between_ours) > MOST_CELLS:
        return matched, False
    # Numbers for words: equal numbers are equal words, which equal hashes need not be.
    numbers = {word: number for number, word in enumerate(dict.fromkeys([*between_theirs, *between_ours]))}
    for block in LCSseq.opcodes([numbers[word] for word in between_theirs], [numbers[word] for word in between_ours]):
        if block.tag == "equal":
            for i in range(block.src_end - block.src_start):
                matched[head + block.src_start + i] = head + block.dest_start + i
    return matched, True
