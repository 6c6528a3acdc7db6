"""What every measurement has in common: a versioned definition, and a result that says what it was made with.

A result is one task on one model with one base. It is plain data: JSON on the disk (`Results`), a row of the table that
compares models, a section of the HTML report (`lamlam.evaluate.report`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeVar

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.evaluate.bootstrap import difference_interval, ratio_interval

FORMAT = 1
"""Of the JSON files; results of another format are refused."""

EXAMPLES = 5
"""How many right answers, and how many wrong ones, a result keeps."""

BASES = {"full": "everything there is", "oracle": "made from the benchmark's own answers", "none": "lookups off"}
"""The three kinds of base for questions, which are never mixed."""

Unit = Literal["share", "number", "seconds"]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Definition:
    """What was measured, and how. `version` goes up when a figure of the task changes its meaning.

    `data` is what it was measured on and `split` which part of it; `prompt` says how a row becomes what the model
    reads, `metric` what is counted, `base` which base answers. `seed` draws everything that is drawn.
    `limit`: only so many rows were taken, None for all.
    """

    task: str
    version: int
    data: str
    split: str
    prompt: str
    metric: str
    base: str
    seed: int
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure with its 95 % bootstrap interval over `n` units, where it has one. A share goes from 0 to 1."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: Unit = "share"

    def __str__(self) -> str:
        def shown(value: float) -> str:
            if self.unit == "share":
                return f"{value:.1%}"
            text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
            return f"{text} s" if self.unit == "seconds" else text

        interval = "" if self.low is None or self.high is None else f" ({shown(self.low)} to {shown(self.high)})"
        return shown(self.value) + interval


@dataclass(frozen=True, slots=True)
class Example:
    """One thing the model was asked, what would have been right, and what it said; `note` says what it looked up."""

    right: bool
    prompt: str
    wanted: str
    got: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A table of figures by something: a relation, a topology. The first column names the row."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot: `series` is name → points (x, y). Bars have words for x, lines numbers; `log_x` where those are to be
    read as ratios. A `y` that is called share or probability goes from 0 to 1."""

    title: str
    kind: Literal["bars", "lines"]
    x: str
    y: str
    series: Mapping[str, Sequence[Sequence[Any]]]
    log_x: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came out. `base` is the kind of base in one word (full, oracle, none, gold calls); `policy` what happens
    where nothing matches. `details` is the task's own, JSON values only."""

    definition: Definition
    model: str
    base: str
    policy: str
    metrics: Mapping[str, Metric]
    seconds: float
    tables: Sequence[Breakdown] = ()
    charts: Sequence[Chart] = ()
    examples: Sequence[Example] = ()
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its file: task, data, model and base, in characters that every file system takes."""
        parts = (self.definition.task, Path(self.definition.data).stem, self.model, self.base)
        return ".".join(re.sub(r"[^\w-]+", "-", part).strip("-") for part in parts)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, values: Any, where: str = "result") -> Result:
        """The result that `to_json` gave; LamlamError where it is something else."""
        try:
            values = dict(values)
            if values.pop("format") != FORMAT:
                raise LamlamError(f"{where}: a result of another version; measure again")
            return cls(
                **{
                    **values,
                    "definition": Definition(**values["definition"]),
                    "metrics": {name: Metric(**metric) for name, metric in values["metrics"].items()},
                    "tables": [Breakdown(**table) for table in values["tables"]],
                    "charts": [Chart(**chart) for chart in values["charts"]],
                    "examples": [Example(**example) for example in values["examples"]],
                }
            )
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise LamlamError(f"{where}: not a result of `lamlam eval` ({error}); measure again") from error


def share(hits: Sequence[float], seed: int) -> Metric:
    """The mean of numbers from 0 to 1, such as right or wrong, or of differences of such. At least one."""
    low, high = ratio_interval(hits, [1] * len(hits), seed)
    return Metric(sum(hits) / len(hits), low, high, len(hits))


def difference(one: Sequence[float], other: Sequence[float], seed: int) -> Metric:
    """How much higher the mean of `one` is than that of `other`, with its interval. At least one of each."""
    low, high = difference_interval(one, other, seed)
    return Metric(sum(one) / len(one) - sum(other) / len(other), low, high, len(one))


def drawn(items: Sequence[Item], seed: int, count: int = EXAMPLES) -> list[Item]:
    """A few at random, since the first ones of a file are often alike."""
    return Random(seed).sample(list(items), min(count, len(items)))


def right_and_wrong(examples: Iterable[Example], seed: int) -> list[Example]:
    """Some of the right ones and some of the wrong ones, drawn at random."""
    every = list(examples)
    return [one for which in (True, False) for one in drawn([e for e in every if e.right is which], seed)]


def write_result(result: Result, folder: Path) -> Path:
    """Write a result into a folder of results, in place of an older one of the same name."""
    path = folder / f"{result.name}.json"
    with write_beside(path) as partial:
        partial.write_text(json.dumps(result.to_json(), indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def read_results(folders: Iterable[Path]) -> list[Result]:
    """All results in some folders, by file name; LamlamError where a folder is missing or holds none."""
    results: list[Result] = []
    for folder in folders:
        if not folder.is_dir():
            raise LamlamError(f"{folder}: no such folder; give one that `lamlam eval … --out` wrote")
        files = sorted(folder.glob("*.json"))
        if not files:
            raise LamlamError(f"{folder}: no results in it; give a folder that `lamlam eval … --out` wrote")
        for file in files:
            try:
                values = json.loads(file.read_text(encoding="utf-8"))
            except (ValueError, OSError) as error:
                raise LamlamError(f"{file}: not a result of `lamlam eval` ({error}); measure again") from error
            results.append(Result.from_json(values, str(file)))
    return results
