"""What every test starts from."""

import os

import pytest
import torch
from hypothesis import settings

# Derived cases are the same on every machine and in every run, and leave nothing on disk.
settings.register_profile(
    "picojoule", deadline=None, max_examples=40, derandomize=True, database=None
)
settings.load_profile("picojoule")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Decoded data go to a folder of these tests."""
    os.environ["PICOJOULE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
