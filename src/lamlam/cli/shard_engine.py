"""A command over many files at once, by datatrove: on this machine's cores, on Slurm, or on a Ray cluster.

datatrove is made for this: it hands out tasks, keeps a marker for each that is done, and skips those when it is started
again. What a task does is one of lamlam's own commands on one file, which writes its output whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from lamlam.errors import LamlamError
from lamlam.text.files import READABLE

Engine = Literal["local", "slurm", "ray"]
MEMORY_GB = 8
"""Memory of a task on Slurm: a table of facts and the local annotator's models do not fit in datatrove's 2."""
COMMANDS = ("annotate", "convert", "correct", "pack")
"""Commands that take IN and OUT; `kb build` reads a folder of shards by itself, since a base has one writer."""


class ShardTask:
    """Runs a command on the shard whose number is the task's rank."""

    def __init__(self, command: Sequence[str], shards: Sequence[Path], out: Path) -> None:
        self.command, self.shards, self.out = list(command), list(shards), out

    def __call__(self, data: Iterable[Any] | None, rank: int = 0, world_size: int = 1) -> None:
        """What datatrove calls: `rank` is the shard's number, `world_size` how many there are."""
        from lamlam.cli.main import app

        shard = self.shards[rank]
        name, *options = self.command
        code = app([name, str(shard), str(output_of(name, shard, self.out)), *options], standalone_mode=False)
        if code:  # its line of error is in the task's log
            raise RuntimeError(f"{name} of {shard} ended with exit code {code}")


def output_of(command: str, shard: Path, out: Path) -> Path:
    """Where a shard's output goes: a folder of the shard's name for `pack`, else a Parquet file."""
    return out / (shard.stem if command == "pack" else f"{shard.stem}.parquet")


def run_over_shards(
    command: Sequence[str],
    source: Path,
    out: Path,
    engine: Engine,
    workers: int,
    partition: str | None = None,
    time: str = "24:00:00",
) -> dict[str, int]:
    """Run `command` on every file of `source`; returns how many shards there are, and how many are done.

    The markers of what is done lie in `out/.shards`; a run with another command there starts afresh. Raises
    `LamlamError` for a folder without files, a command that does not go from file to file, or where shards failed.
    """
    if not command or command[0] not in COMMANDS:
        raise LamlamError(f"give one of {', '.join(COMMANDS)} after --, with its options, but without IN and OUT")
    shards = (
        sorted(file for file in source.iterdir() if file.suffix in READABLE and file.name[0] != ".")
        if source.is_dir()
        else []
    )
    if not shards:
        raise LamlamError(f"{source}: no folder with {', '.join(READABLE)} files; make one with `lamlam shards split`")
    out.mkdir(parents=True, exist_ok=True)
    log = out.resolve() / ".shards" / key_of_command(command)
    task = ShardTask(command, [shard.resolve() for shard in shards], out.resolve())
    executor = _executor(engine, task, len(shards), workers, str(log), partition, time)
    failed = ""
    try:
        executor.run()
    except Exception as error:  # of a shard, in whatever kind the engine wraps it
        failed = " ".join(str(error).split())[-300:]
    done = sum(
        output_of(command[0], shard, out).exists() and (log / "completions" / f"{number:05}").exists()
        for number, shard in enumerate(shards)
    )
    if engine != "slurm" and done < len(shards):
        raise LamlamError(
            f"{len(shards) - done} of {len(shards)} shards failed; run the same command again for them: {failed}"
        )
    return {"shards": len(shards), "done": done}


def key_of_command(command: Sequence[str]) -> str:
    """A name for the markers of one command with its options."""
    from hashlib import sha256

    return f"{command[0]}-{sha256(' '.join(command).encode()).hexdigest()[:8]}"


def _executor(
    engine: Engine, task: ShardTask, tasks: int, workers: int, log: str, partition: str | None, time: str
) -> Any:
    try:
        from datatrove import executor
    except ImportError:
        raise LamlamError("running over shards needs datatrove; install lamlam[scale]") from None
    match engine:
        case "local":
            return executor.LocalPipelineExecutor([task], tasks=tasks, workers=workers, logging_dir=log)
        case "ray":
            try:
                import ray
            except ImportError:
                raise LamlamError("--engine ray needs Ray; install lamlam[ray]") from None
            if not ray.is_initialized():
                ray.init(address="auto", log_to_driver=False)
            return executor.RayPipelineExecutor([task], tasks=tasks, workers=workers, logging_dir=log)
        case _:
            if partition is None:
                raise LamlamError("--engine slurm needs --partition, the queue to run in")
            return executor.SlurmPipelineExecutor(
                [task],
                tasks=tasks,
                workers=workers,
                logging_dir=log,
                partition=partition,
                time=time,
                mem_per_cpu_gb=MEMORY_GB,
            )
