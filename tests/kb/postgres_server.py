"""A PostgreSQL server of the tests' own, in a temporary folder, listening on a Unix socket there and nowhere else."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

HOW = "run scripts/install-postgresql as root, or put initdb and pg_ctl on PATH"

MEMORY = Path("/dev/shm")


@dataclass
class Server:
    """`control` runs pg_ctl. `free`: databases with an empty base that nobody has at the moment."""

    folder: Path
    control: Callable[..., None]
    options: str
    made: int = 0
    free: list[str] = field(default_factory=list)

    def url(self, database: str, user: str = "lamlam") -> str:
        """Where a database of that name is."""
        return f"postgresql:///{database}?host={self.folder}&user={user}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        self.made += 1
        name = f"test_{self.made}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, database: str, *statements: str) -> None:
        """Carry out statements as the server's owner, each for itself."""
        with psycopg.connect(database if "://" in database else self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def version(self) -> str:
        """The server's name and version."""
        with psycopg.connect(self.url("postgres")) as connection:
            return f"PostgreSQL {connection.execute('SHOW server_version').fetchone()[0]}"

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The URL of a database for one base, emptied afterwards: to make one takes longer than most tests."""
        url = self.free.pop() if self.free else self.new_database()
        yield url
        with psycopg.connect(url, autocommit=True) as connection:
            tables = connection.execute(
                "SELECT string_agg(tablename, ', ') FROM pg_tables"
                " WHERE schemaname = current_schema AND tablename <> 'meta'"
            )
            connection.execute(f"TRUNCATE {tables.fetchone()[0]} RESTART IDENTITY")
            connection.execute("DELETE FROM meta WHERE key NOT IN ('salt', 'version')")
        self.free.append(url)

    def raw(self, url: str) -> bytes:
        """All bytes of a database, once they are in the files."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            query = "SELECT oid FROM pg_database WHERE datname = current_database()"
            folder = self.folder / "data" / "base" / str(connection.execute(query).fetchone()[0])
        return b"".join(file.read_bytes() for file in folder.iterdir())

    def stop(self) -> None:
        """Stop as an operator does, ending all connections."""
        self.control("--mode=fast", "stop")

    def start(self) -> None:
        """Start again."""
        self.control(f"--log={self.folder}/log", f"--options={self.options}", "start")


def _binaries() -> Path:
    for folder in (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), None):
        found = shutil.which("initdb", path=folder)
        if found:
            return Path(found).parent
    missing = f"there is no PostgreSQL server here; {HOW}"
    if os.environ.get("LAMLAM_REQUIRE_POSTGRES"):
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def running(settings: str = "-c fsync=off -c full_page_writes=off", parent: str | None = None) -> Iterator[Server]:
    """A fresh server, stopped and removed at the end. As root, it runs as another user, as PostgreSQL insists.

    Its folder lies in `parent`, by default in memory where there is room: it makes and removes thousands of files.
    """
    binaries = _binaries()
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4e9
    # Not in TMPDIR: a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="lamlam-pg-", dir=parent or (MEMORY if roomy else "/tmp")))
    user = {}
    if os.geteuid() == 0:
        names = {one.pw_name for one in pwd.getpwall()}
        other = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
        os.chown(folder, other.pw_uid, other.pw_gid)
        user = {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}

    def call(program: str, *arguments: str) -> None:
        command = (f"{binaries}/{program}", f"--pgdata={folder}/data", *arguments)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, **user)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout[-500:]}{done.stderr[-500:]}")

    try:
        call(
            "initdb",
            "--auth=trust",
            "--username=lamlam",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--wal-segsize=1",
        )
        options = f"-k {folder} -c listen_addresses='' -c max_connections=40 {settings}"
        server = Server(folder, lambda *arguments: call("pg_ctl", "--wait", *arguments), options)
        server.start()
        try:
            yield server
        finally:
            server.control("--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
