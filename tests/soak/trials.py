"""The trials of the soak; each counts what it did, and fails if anything was lost."""

import os
import shutil
import signal
from collections import Counter
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

from soak.scene import Scene, damage

_KILLED = (-signal.SIGKILL,)
_INTERRUPTED = (130, -signal.SIGINT)


def storm(scene: Scene) -> Counter[str]:
    """Kills a run at random moments until it is finished."""
    counts, run = Counter[str](), scene.place / "run"
    cache = scene.place / "cache" if scene.chance.random() < 0.3 else None
    counts["runs with a cold cache"] += cache is not None
    longest = scene.chance.uniform(0.2, 1.1) * scene.seconds
    for left in range(scene.chance.randint(8, 24), -1, -1):
        process = scene.start(scene.train(run), cache=cache)
        if not left:
            break
        process.join(scene.chance.uniform(0.02, longest))
        with suppress(ProcessLookupError):
            number = signal.SIGKILL if scene.chance.random() < 0.9 else signal.SIGINT
            os.kill(process.pid or 0, number)
        code = scene.ended(process)
        assert code in (0, *_KILLED, *_INTERRUPTED), (code, scene.said())
        counts["kills"] += code in _KILLED
        counts["interruptions"] += code in _INTERRUPTED
        if (run / "report.json").exists():
            break
    assert scene.ended(process) in (0, *_KILLED, *_INTERRUPTED), scene.said()
    assert scene.ended(scene.start(scene.train(run), cache=cache)) == 0, scene.said()
    scene.check(run)
    return counts + Counter({"runs that ended bit-identical": 1})


def four_at_once(scene: Scene) -> Counter[str]:
    """Resumes a killed run four times at once, and kills some of those, too."""
    counts, run = Counter[str](), scene.place / "run"
    process = scene.start(scene.train(run))
    while not run.exists() and process.is_alive():
        process.join(0.005)
    process.join(scene.chance.uniform(0, 0.6 * scene.seconds))
    process.kill()
    counts["kills"] += scene.ended(process) in _KILLED
    for _ in range(3):
        if (run / "report.json").exists():
            break
        names = [f"said {number}" for number in range(4)]
        four = [scene.start(scene.train(run), name) for name in names]
        _kill_some(scene, four)
        for one, name in zip(four, names, strict=True):
            code, said = scene.ended(one, name), scene.said(name)
            counts["kills"] += code in _KILLED
            counts["refused"] += code == 2
            assert code in (0, 2, *_KILLED), (code, said)
            assert code != 2 or "is held by process" in said, said
    assert scene.ended(scene.start(scene.train(run))) == 0, scene.said()
    scene.check(run)
    return counts + Counter({"runs that ended bit-identical": 1, "times four at once": 1})


def _kill_some(scene: Scene, processes: list[BaseProcess]) -> None:
    for one in scene.chance.sample(processes, scene.chance.randint(0, 3)):
        processes[0].join(scene.chance.uniform(0, 0.7 * scene.seconds))
        one.kill()


def damaged_run(scene: Scene) -> Counter[str]:
    """Damages one file of a run, finished or not, and goes on with it or uses it."""
    run = scene.place / "run"
    finished = scene.chance.random() < 0.5
    shutil.copytree(scene.right if finished else cut(scene), run)
    files = sorted(item for item in run.rglob("*") if item.is_file())
    file = scene.chance.choice(files)
    what = damage(file, scene.chance)
    words = scene.train(run)
    if finished and scene.chance.random() < 0.6:
        words = ["measure", str(run), "--json"]
    code = scene.ended(scene.start(words))
    said = scene.said()
    name = file.name.removeprefix(".").removesuffix(".sha256")
    if code == 2:
        assert name in said, f"{what}: {said}"
        return Counter({"damaged files named": 1})
    assert code == 0, f"{what}: {said}"
    if words[0] == "measure":
        scene.ended(scene.start(["measure", str(scene.right), "--json"], "right"))
        assert said == scene.said("right"), what
    else:
        scene.check(run)
    return Counter({"damaged files that changed nothing": 1})


def cut(scene: Scene) -> Path:
    """Returns the undisturbed run as it was after some epochs; made once."""
    run = scene.right.with_name(f"{scene.right.name} cut")
    if not run.exists():
        making = scene.place / "cut"
        process = scene.start(scene.train(making))
        while not (making / "log.jsonl").exists() and process.is_alive():
            process.join(0.005)
        process.kill()
        scene.ended(process)
        making.rename(run)
    return run


def damaged_cache(scene: Scene) -> Counter[str]:
    """Damages files of the cache of kernels and of data, and trains."""
    cache, run = scene.place / "cache", scene.place / "run"
    shutil.copytree(scene.cache, cache)
    (cache / "kernels").chmod(0o700)
    files = sorted(item for item in cache.rglob("*") if item.is_file())
    chosen = scene.chance.sample(files, scene.chance.randint(1, 4))
    what = [damage(file, scene.chance) for file in chosen]
    assert scene.ended(scene.start(scene.train(run), cache=cache)) == 0, f"{what}: {scene.said()}"
    scene.check(run)
    return Counter({"damaged files of caches": len(chosen), "runs that ended bit-identical": 1})


# As many storms as all else.
ORDER = [storm, damaged_run, storm, four_at_once, storm, damaged_cache]
