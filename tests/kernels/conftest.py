"""What the tests of kernels start from."""

import pytest

from event_cases import there
from picojoule.kernels import cc


@pytest.fixture(params=cc.TIERS)
def tier(request, monkeypatch):
    """Each tier that this machine has, in turn."""
    if not there(request.param):
        pytest.skip(f"this machine has no tier '{request.param}'")
    monkeypatch.setenv("PICOJOULE_KERNELS", request.param)
    return request.param
