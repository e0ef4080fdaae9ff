"""Storms of kills and damage, for as long as there is time: ``make soak MINUTES=10``.

Every run must end with the bits of one that nothing befell, or with an error that names the file.
Counts are printed and kept in a file as it goes; another call goes on from there. A trial that
failed is named by its number, which decides all that was random in it: ``--trial 17`` repeats it.
"""

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from forked import processes
from soak.scene import KINDS, TIERS, Scene, commands, undisturbed
from soak.trials import ORDER


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--counts", type=Path, default=Path("soak.json"))
    words.add_argument("--trial", type=int, help="Repeat this one alone.")
    given = words.parse_args()
    place = Path(tempfile.mkdtemp(prefix="picojoule-soak-"))
    try:
        with processes() as process:
            failed = soak(given, place, process)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    raise SystemExit(bool(failed))


def soak(given: argparse.Namespace, place: Path, process) -> list[str]:
    """Runs trials until the time is over; returns those that failed."""
    end = time.monotonic() + 60 * given.minutes
    kept = json.loads(given.counts.read_text()) if given.counts.exists() else {}
    counts, failed = Counter(kept.get("counts", {})), list(kept.get("failed", []))
    seconds, number = kept.get("seconds", 0.0), kept.get("trials", 0)
    scenes: dict[str, Scene] = {}
    known = commands(place)
    number = number if given.trial is None else given.trial
    while time.monotonic() < end:
        began = time.monotonic()
        scene = _scene(scenes, known, random.Random(number), place, process)
        trial = ORDER[number % len(ORDER)]
        try:
            counts += trial(scene)
            counts[f"trials of {trial.__name__}"] += 1
        except (AssertionError, ValueError, OSError) as error:
            failed.append(f"{number}, {trial.__name__}: {error}"[:2000])
            print(failed[-1], flush=True)
        shutil.rmtree(scene.place, ignore_errors=True)
        number += 1
        seconds += time.monotonic() - began
        if given.trial is not None:
            break
        found = {
            "trials": number,
            "seconds": round(seconds),
            "counts": dict(sorted(counts.items())),
            "failed": failed,
        }
        making = given.counts.with_suffix(".tmp")
        making.write_text(json.dumps(found, indent=2) + "\n")
        os.replace(making, given.counts)
        if number % 10 == 0 or time.monotonic() >= end:
            print(f"{number} trials: {dict(sorted(counts.items()))}", flush=True)
    print(f"{len(failed)} failed", flush=True)
    return failed


def _scene(
    scenes: dict[str, Scene],
    known: dict[str, list[str]],
    chance: random.Random,
    place: Path,
    process,
) -> Scene:
    """Returns a scene of some kind and tier; the undisturbed run of each is made once."""
    kind, tier = chance.choice([*KINDS]), chance.choices(TIERS, (4, 1))[0]
    name = f"{kind} {tier}"
    mine = Path(tempfile.mkdtemp(prefix="trial-", dir=place))
    if name not in scenes:
        scene = Scene(
            chance, mine, place / f"cache {name}", tier, known[kind], place / name, 0.0, process
        )
        scenes[name] = replace(scene, seconds=undisturbed(scene, place / name))
    return replace(scenes[name], chance=chance, place=mine)


if __name__ == "__main__":
    main()
