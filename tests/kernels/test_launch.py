"""Calls side by side."""

import threading

import pytest

from picojoule.kernels import launch


@pytest.fixture(params=["OpenMP", "a pool"])
def threads(request, monkeypatch):
    if request.param == "a pool":
        monkeypatch.setattr(launch, "_parallel", lambda: None)
    elif launch._parallel() is None:
        pytest.skip("this torch has no threads of GNU's OpenMP")


@pytest.mark.usefixtures("threads")
class TestTogether:
    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_each_call_is_made_once(self, count):
        made = []
        launch.together([lambda k=k: made.append(k) for k in range(count)])
        assert sorted(made) == list(range(count))

    def test_two_run_at_the_same_time(self):
        both = threading.Barrier(2, timeout=60)
        launch.together([both.wait, both.wait])  # each waits for the other

    def test_an_error_is_raised_after_the_others_ran(self):
        made = []

        def fails():
            raise MemoryError("too little")

        with pytest.raises(MemoryError, match="too little"):
            launch.together([fails, lambda: made.append(1), lambda: made.append(2)])
        assert sorted(made) == [1, 2]
