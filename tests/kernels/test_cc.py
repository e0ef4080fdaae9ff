"""Which tier of kernels runs, and what is compiled for it."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from event_cases import there
from picojoule.kernels import cc, convolution_c, events_c


class TestTier:
    def test_unknown(self, monkeypatch):
        monkeypatch.setenv("PICOJOULE_KERNELS", "nunba")
        with pytest.raises(ValueError, match="did you mean 'numba'"):
            cc.tier()

    def test_off_compiles_nothing(self, monkeypatch):
        monkeypatch.setenv("PICOJOULE_KERNELS", "off")
        assert cc.tier() == "off"
        assert cc.shared_object("not C at all") is None

    def test_of_other_devices(self, monkeypatch):
        compiler = shutil.which(os.environ.get("CC", "cc"))
        found = importlib.util.find_spec("triton") is not None and compiler is not None
        assert cc.tier("cuda") == ("triton" if found else "off")
        assert cc.tier("mps") == "off"
        monkeypatch.setenv("PICOJOULE_KERNELS", "off")
        assert cc.tier("cuda") == "off"

    def test_asked_for_and_missing(self, monkeypatch):
        monkeypatch.setenv("CC", "no-such-compiler")
        assert cc.tier() != "c"
        monkeypatch.setenv("PICOJOULE_KERNELS", "c")
        with pytest.raises(RuntimeError, match="needs a C compiler that works"):
            cc.tier()

    def test_without_a_compiler_in_a_process_of_its_own(self, tmp_path):
        code = (
            "import torch\n"
            "from picojoule.kernels import cc\n"
            "from picojoule.kernels.event_products import product\n"
            "x, w = torch.eye(9, 8), torch.rand(8, 7)\n"
            "assert torch.allclose(product(x, w, path='events'), x @ w)\n"
            "print(cc.tier())"
        )
        environment = os.environ | {"PATH": str(tmp_path)}
        environment.pop("PICOJOULE_KERNELS", None)
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == ("numba" if there("numba") else "off")

    @pytest.mark.skipif(not there("c"), reason="no compiler")
    def test_compiled_once(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PICOJOULE_KERNELS", "c")
        monkeypatch.setenv("PICOJOULE_CACHE", str(tmp_path))
        source = "int forty_two(void) { return 42; }"
        cc._load.cache_clear()
        assert cc.shared_object(source).forty_two() == 42
        (file,) = (tmp_path / "kernels").glob("*.so")
        made = file.stat().st_mtime_ns
        cc._load.cache_clear()
        assert cc.shared_object(source).forty_two() == 42
        assert file.stat().st_mtime_ns == made

    @pytest.mark.skipif(not there("c"), reason="no compiler")
    def test_compiled_by_several_at_once(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PICOJOULE_KERNELS", "c")
        monkeypatch.setenv("PICOJOULE_CACHE", str(tmp_path))
        source = "int forty_three(void) { return 43; }"
        with ThreadPoolExecutor(3) as threads:
            loaded = list(threads.map(cc._load.__wrapped__, [source] * 3, ["-O2"] * 3, [""] * 3))
        assert [library.forty_three() for library in loaded] == [43] * 3
        assert {file.suffix for file in (tmp_path / "kernels").iterdir()} == {".so", ".sha256"}

    @pytest.mark.skipif(not there("c"), reason="no compiler")
    def test_no_room_for_the_compiler_is_said_as_that(self, monkeypatch):
        no_room = "ld: final link failed: No space left on device"
        command = ["sh", "-c", f"echo '{no_room}' >&2; exit 1", "cc"]
        with pytest.raises(OSError, match=r"no room for a kernel .*TMPDIR"):
            cc._compiled(command, "int one;")

    @pytest.mark.skipif(not there("c"), reason="no compiler")
    def test_what_does_not_compile(self, monkeypatch):
        monkeypatch.setenv("PICOJOULE_KERNELS", "c")
        with pytest.raises(RuntimeError, match=r"could not compile(.|\n)*error"):
            cc.shared_object("int f(void) { return nothing; }")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have other names")
@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("processor", ["x86-64", "sandybridge", "haswell", "skylake-avx512"])
def test_other_processors_can_have_it(processor, real):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("this machine has no C compiler")
    for text in (events_c.source(real), convolution_c.source(real)):
        flags = [one for one in cc.FLAGS if not one.startswith("-march")]
        done = subprocess.run(
            [compiler, *flags, f"-march={processor}", "-fsyntax-only", "-x", "c", "-"],
            input=text,
            capture_output=True,
            text=True,
        )
        assert not done.returncode, done.stderr[:2000]
