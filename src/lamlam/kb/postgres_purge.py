"""Out of the server's files: tables with readable text are written anew without the rows that were deleted.

A deleted row stays in its page, and in the indexes, until something else is written there; VACUUM alone leaves its
bytes. VACUUM FULL copies what is left to new files. Rows that some open transaction could still see are copied too: it
is asked how many, and what was forgotten counts as purged only when there are none.
"""

from __future__ import annotations

import re
from contextlib import suppress

import psycopg

from lamlam.errors import LamlamError
from lamlam.kb import postgres_schema as schema

_NUMBER = re.compile(r"\d+")


def purge(connection: psycopg.Connection) -> None:
    """Write the tables anew and take the mark of an unfinished `forget` away.

    Raises `LamlamError` where another connection keeps the old rows from being left out.
    """
    kept: list[int] = []
    skipped = False

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        nonlocal skipped
        skipped |= notice.severity_nonlocalized == "WARNING"  # to who does not own a table it is no more than that
        # "3 dead row versions cannot be removed yet", in the server's language
        if number := _NUMBER.search(notice.message_detail or ""):
            kept.append(int(number[0]))

    connection.add_notice_handler(hear)
    try:
        for table in schema.rewritten():
            connection.execute(f"VACUUM (FULL, VERBOSE) {table}".encode())
    except psycopg.errors.LockNotAvailable as error:
        raise _delayed() from error
    finally:
        connection.remove_notice_handler(hear)
    if skipped:
        raise LamlamError(
            "no lookup finds it any more, but its bytes stay in the tables, which only their owner may write anew; "
            "they go when the owner next opens the base"
        )
    if any(kept):
        raise _delayed()
    connection.execute("DELETE FROM meta WHERE key = 'purge'")
    # The old files go, and the log with the old rows is no longer needed, after a checkpoint; not every role may ask
    # for one, and the server makes them by itself.
    with suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("CHECKPOINT")
        connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")


def _delayed() -> LamlamError:
    return LamlamError(
        "no lookup finds it any more, but its bytes stay in the tables while another connection reads the base; "
        "they go when the base is opened for writing after that one has ended"
    )
