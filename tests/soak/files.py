"""Damage to files of every kind that is read: ``python -m soak.files --minutes 10``.

Whatever its bytes, a file is read, or refused with an error that names it, in little memory and
without a hang. Counts are printed and kept in a file as it goes; another call goes on from there. A
trial that failed is named by its number, which decides all that was random in it: ``--trial 17``
repeats it.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from bounded import outcome
from soak.samples import Read, samples

# Numbers that a header may have no worse.
_EXTREMES = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    (1 << 63) - 1,
)


_OFTEN = 200  # trials until counts are kept


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--counts", type=Path, default=Path("soak-files.json"))
    words.add_argument("--trial", type=int, help="Repeat this one alone.")
    given = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="picojoule-soak-") as place:
        raise SystemExit(bool(soak(given, Path(place))))


def soak(given: argparse.Namespace, place: Path) -> list[str]:
    """Tries damaged files until the time is over; returns the trials that failed."""
    end = time.monotonic() + 60 * given.minutes
    kept = json.loads(given.counts.read_text()) if given.counts.exists() else {}
    counts, failed = Counter(kept.get("counts", {})), list(kept.get("failed", []))
    known, number = samples(), kept.get("trials", 0)
    if given.trial is not None:
        print(tried(*chosen(known, given.trial), place))
        return []
    while time.monotonic() < end:
        name, raw, read = chosen(known, number)
        found = tried(name, raw, read, place)
        counts[found if found in ("read", "refused") else "failed"] += 1
        if found not in ("read", "refused"):
            failed.append(f"{number}, {name}: {found}"[:2000])
            print(failed[-1], flush=True)
        number += 1
        if number % _OFTEN == 0 or time.monotonic() >= end:
            keep(given.counts, {"trials": number, "counts": counts, "failed": failed})
    print(f"{number} trials: {dict(sorted(counts.items()))}", flush=True)
    return failed


def keep(file: Path, found: dict) -> None:
    """Writes counts whole or not at all."""
    making = file.with_suffix(".tmp")
    making.write_text(json.dumps(found, indent=2) + "\n")
    os.replace(making, file)


def chosen(known: list[tuple[str, bytes, Read]], number: int) -> tuple[str, bytes, Read]:
    """Returns name, damaged bytes and reader of a trial."""
    chance = random.Random(number)
    name, whole, read = chance.choice(known)
    return name, damaged(whole, chance), read


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """The bytes with a few changes, each of a kind that is drawn."""
    raw = bytearray(whole)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 12))):
        place = chance.randrange(len(raw) + 1)
        # Headers are at the beginning, and in archives at the end.
        place = chance.choice((place, place % 64, max(0, len(raw) - place % 64)))
        size = chance.choice((1, 2, 4, 8))
        match chance.randrange(7):
            case 0:
                raw[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                raw = raw[:place]
            case 2:
                value = chance.choice(_EXTREMES) & ((1 << 8 * size) - 1)
                raw[place : place + size] = value.to_bytes(size, chance.choice(("big", "little")))
            case 3:
                raw[place:place] = raw[place : place + chance.randrange(1, 200)] * chance.choice(
                    (1, 50)
                )
            case 4:
                del raw[place : place + chance.randrange(1, 40)]
            case 5:
                raw[place:place] = chance.randbytes(chance.randrange(1, 40))
            case _:
                other = chance.randrange(len(raw) + 1)
                raw[place : place + size] = raw[other : other + size]
    return bytes(raw)


def tried(name: str, raw: bytes, read: Read, place: Path) -> str:
    """Returns what becomes of a file: ``read``, ``refused``, or what went wrong."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        path = Path(folder) / name
        path.write_bytes(raw)

        def silently() -> None:
            # The libraries that decode sounds tell their troubles on standard error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            read(path)

        try:
            message = outcome(silently)
        except AssertionError as error:
            return str(error)
    if message == "done":
        return "read"
    return "refused" if name in message else f"its name is not in: {message}"


if __name__ == "__main__":
    main()
