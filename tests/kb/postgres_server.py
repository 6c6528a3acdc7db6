"""A PostgreSQL server of the tests' own, in a temporary folder, listening on a Unix socket there and nowhere else."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

HOW = "install Debian's postgresql-15, or put initdb and pg_ctl on PATH"


@dataclass
class Server:
    """`data`: the folder with its files."""

    folder: Path
    data: Path
    made: int = 0

    def url(self, database: str) -> str:
        """Where a database of that name is."""
        return f"postgresql:///{database}?host={self.folder}&user=lamlam"

    def new_database(self) -> str:
        """The URL of an empty database."""
        self.made += 1
        name = f"test_{self.made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)


def _binaries() -> Path:
    for folder in (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), None):
        found = shutil.which("initdb", path=folder)
        if found:
            return Path(found).parent
    pytest.skip(f"there is no PostgreSQL server here; {HOW}")


@contextmanager
def running(settings: str = "-c fsync=off") -> Iterator[Server]:
    """A fresh server, stopped and removed at the end. As root, it runs as another user, as PostgreSQL insists."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="lamlam-pg-", dir="/tmp"))  # a socket's path must be short
    user = {}
    if os.geteuid() == 0:
        names = {one.pw_name for one in pwd.getpwall()}
        other = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
        os.chown(folder, other.pw_uid, other.pw_gid)
        user = {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
    data = folder / "data"

    def call(*command: str) -> None:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, **user)
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stdout[-500:]}{done.stderr[-500:]}")

    try:
        create = ("--auth=trust", "--username=lamlam", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        call(f"{binaries}/initdb", f"--pgdata={data}", *create)
        options = f"-k {folder} -c listen_addresses='' -c max_connections=40 {settings}"
        control = f"{binaries}/pg_ctl", f"--pgdata={data}", "--wait"
        call(*control, f"--log={folder}/log", f"--options={options}", "start")
        try:
            yield Server(folder, data)
        finally:
            call(*control, "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
