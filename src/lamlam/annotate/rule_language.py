r"""The rule language: what a sentence has to look like to state facts about the document's subject.

A file of rules is YAML: a list of

    - rule: born and died                    # a name for messages
      about: person                          # or thing; left out: anything
      text: "{subject} … \\({Birth Date: date} [–-] {Death Date: date}\\)"
      examples:
        - title: Ada Lovelace
          text: Ada Lovelace (10 December 1815 – 27 November 1852) was a mathematician.
          calls: {Birth Date: 10 December 1815, Death Date: 27 November 1852}

`text` (one, or a list of alternatives) is a regular expression over one sentence, in which

- `{subject}` is any mention of the subject: its title, its short names, a pronoun, "the film"; `{subject's}` is the
  same in the genitive ("its", "Ada's"); `{subject is}` is the subject, what stands in brackets or between commas after
  it, and "is", "was", "are" or "were";
- `{Relation: kind}` is a value, which becomes a call; `{kind}` is not, but has to be there. Kinds are named in
  `rules/kinds.yaml`;
- `{of: kind}` is what the values after it are about, where that is not the subject: "the National Football League
  (NFL)". Such a rule holds anywhere, and as often as it is found in a sentence;
- `…` is a gap: up to 80 characters of the same clause (no full stop, semicolon, bracket or new subject);
- a blank is any white space.

`each: {directed: Director, written: Writer}` makes a rule for every entry: `$word` in the text stands for the key and
`$relation` for the value. The examples of all rules are run by the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from lamlam.errors import LamlamError

SUBJECT, GENITIVE = "\ue000", "\ue001"
"""Private characters that stand for the subject's mentions, "X" and "X's", in the sentence that a rule sees."""

_GAP = rf"[^.;()\n{SUBJECT}{GENITIVE}]{{0,80}}?"
_BRACKETS = r"\([^()]*(?:\([^()]*\)[^()]*)*\)"
_IS = (
    rf"(?:[^()\n.;]{{0,60}}?{_BRACKETS}(?: {_BRACKETS})?)?(?:,[^.;()\n]{{1,80}}?,)?,? (?:is|was|are|were)"
    "(?: (?:also|currently|now|today))?"
)
_SUBJECT_SLOTS = {"subject": SUBJECT, "subject's": GENITIVE, "subject is": SUBJECT + _IS}
_SLOT = re.compile(r"\{([^{}]*[A-Za-z'$][^{}]*)\}")
_ABOUT = ("person", "thing", None)


@dataclass(frozen=True)
class Example:
    """A text, and the calls (relation to value) that its rule has to find in it, those and no others."""

    title: str
    text: str
    calls: Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """A compiled rule: `relations[i]` is the relation of the value in group `v<i>` of the pattern."""

    name: str
    about: str | None
    pattern: re.Pattern[str]
    relations: tuple[str, ...]
    word: str
    """A word of small letters that a sentence has to hold, so that most rules need not be tried; empty: none."""
    examples: tuple[Example, ...]
    anywhere: bool = False
    """Whether it also holds for sentences that do not mention the subject."""

    @property
    def of_others(self) -> bool:
        """Whether its calls are about what group `of` of the pattern holds, and not about the subject."""
        return "of" in self.pattern.groupindex


def load_rules(path: Path | None = None) -> list[Rule]:
    """The rules of a file, or those that come with the package.

    Raises `LamlamError`, naming the rule, where one cannot be read.
    """
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LamlamError(f"{path}: cannot be read: {error}") from None
        return list(_rules(_yaml(text, str(path)), str(path)))
    return list(_own_rules())


@lru_cache(maxsize=1)
def _own_rules() -> tuple[Rule, ...]:
    folder = files("lamlam.annotate").joinpath("rules")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".yaml") and file.name != "kinds.yaml")
    return tuple(rule for name in names for rule in _rules(_yaml(folder.joinpath(name).read_text("utf-8"), name), name))


@lru_cache(maxsize=1)
def kinds() -> dict[str, str]:
    """The regular expressions of the kinds of values, each whole in itself."""
    raw = yaml.safe_load(files("lamlam.annotate").joinpath("rules", "kinds.yaml").read_text("utf-8"))

    def whole(name: str) -> str:
        return re.sub(
            r"\{([a-z]+)\}", lambda found: f"(?:{whole(found[1])})" if found[1] in raw else found[0], raw[name]
        )

    return {name: whole(name) for name in raw}


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LamlamError(f"{where}: not YAML: {' '.join(str(error).split())}") from None


def _rules(listed: Any, where: str) -> Iterator[Rule]:
    if not isinstance(listed, list):
        raise LamlamError(f"{where}: a file of rules is a list; see docs/annotation.md")
    for entry in listed:
        if not isinstance(entry, dict) or not isinstance(entry.get("rule"), str) or "text" not in entry:
            raise LamlamError(f"{where}: every rule needs 'rule' (its name) and 'text': {entry!r:.80}")
        unknown = set(entry) - {"rule", "about", "text", "each", "anywhere", "examples"}
        if unknown:
            raise LamlamError(f"{where}, rule {entry['rule']!r}: unknown key {sorted(unknown)[0]!r}")
        if entry.get("about") not in _ABOUT:
            raise LamlamError(f"{where}, rule {entry['rule']!r}: 'about' is person or thing, not {entry['about']!r}")
        examples = tuple(_example(one, f"{where}, rule {entry['rule']!r}") for one in entry.get("examples", ()))
        texts = entry["text"] if isinstance(entry["text"], list) else [entry["text"]]
        each = entry.get("each") or [""]
        for word, relation in each.items() if isinstance(each, dict) else ((word, "") for word in each):
            for text in texts:
                filled = text.replace("$word", word).replace("$relation", relation)
                rule = _compile(entry["rule"], entry.get("about"), filled, word, examples, where)
                yield replace(rule, anywhere=rule.of_others or entry.get("anywhere") is True)
                examples = ()


def _example(entry: Any, where: str) -> Example:
    try:
        return Example(entry["title"], entry["text"], {str(k): str(v) for k, v in entry["calls"].items()})
    except (TypeError, KeyError, AttributeError):
        raise LamlamError(f"{where}: an example needs 'title', 'text' and 'calls' (relation: value)") from None


def _compile(name: str, about: str | None, text: str, word: str, examples: tuple[Example, ...], where: str) -> Rule:
    relations: list[str] = []

    def slot(inside: str) -> str:
        inside = inside.strip()
        if inside in _SUBJECT_SLOTS:
            return _SUBJECT_SLOTS[inside]
        relation, colon, kind = (part.strip() for part in inside.rpartition(":"))
        if kind not in kinds():
            raise LamlamError(f"{where}, rule {name!r}: no kind {kind!r}; there are {', '.join(sorted(kinds()))}")
        if not colon:
            return f"(?:{kinds()[kind]})"
        if relation == "of":
            return f"(?P<of>{kinds()[kind]})"
        relations.append(relation)
        return f"(?P<v{len(relations) - 1}>{kinds()[kind]})"

    parts = _SLOT.split(text)  # literal, slot, literal, …
    expression = "".join(slot(part) if number % 2 else _literal(part) for number, part in enumerate(parts))
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise LamlamError(f"{where}, rule {name!r}: not a regular expression: {error}") from None
    required = re.split(r"[^a-z]", word.lower(), maxsplit=1)[0]
    return Rule(name, about, pattern, tuple(relations), required, examples)


def _literal(text: str) -> str:
    """What stands between slots. Blanks around a gap belong to it: "{subject} … by" also takes "X by"."""
    text = re.sub(r" ?… ?", "\ue003", text).replace(" ", r"\s+")
    return text.replace("\ue003", rf"(?:\s|\b|(?<=[{SUBJECT}{GENITIVE}])){_GAP}\b")
