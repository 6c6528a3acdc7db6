"""What all tests share: the folder of real data, where it is there, and Hypothesis without deadlines."""

from __future__ import annotations

import os
from pathlib import Path

# Tiny models gain nothing from a second thread, and lose much where other work runs beside the tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# As the command line has it, which comes too late where a test imported transformers before.
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import pytest
from hypothesis import settings

# Machines that run other work at the same time make single examples slow; that is no failure.
settings.register_profile("lamlam", deadline=None)
settings.load_profile("lamlam")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, from LAMLAM_DATA or beside the repository; the test is skipped where it is missing."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    data = Path(os.environ.get("LAMLAM_DATA", beside))
    if not data.is_dir():
        pytest.skip(f"no real data at {data}; set LAMLAM_DATA to its folder")
    return data
