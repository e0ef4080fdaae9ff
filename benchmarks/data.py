"""How fast batches of CIFAR-10 come, beside how fast a small VGG takes them.

    PICOJOULE_DATA=DIR python benchmarks/data.py

The loader draws, crops (a border of 4), mirrors, cuts out (8 x 8) and normalises batches of 128
from the cache; the step is forward, backward and update of a VGG of six convolutions (16 to 64
channels, LIF, 4 steps). Both run on the same threads, one after the other. The loader is to be five
times as fast as the step.
"""

import argparse
import os
import time
from itertools import islice

import torch
from torch import nn

import picojoule as pj

BATCH = 128


def vgg() -> pj.Sequential:
    """Six convolutions, their first one once for all steps."""
    layers: list[nn.Module] = []
    channels = 3
    for number, width in enumerate((16, 16, 32, 32, 64, 64)):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        layers += [pj.Repeat(4)] if number == 0 else []
        layers += [pj.LIF(width)]
        layers += [nn.AvgPool2d(2)] if number % 2 else []
        channels = width
    return pj.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 10))


def per_second(batches, seconds: float) -> float:
    """Batches of an iterator in a second; the first ones do not count."""
    for _ in islice(batches, 3):
        pass
    start, count = time.perf_counter(), 0
    for _ in batches:
        count += 1
        if time.perf_counter() - start > seconds:
            break
    return count / (time.perf_counter() - start)


def endless(loader):
    """One pass after another."""
    while True:
        yield from loader


def steps(loader):
    """Trains on each batch."""
    net = vgg()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-2)
    for x, y, _ in endless(loader):
        out, _ = net(x)
        loss = nn.functional.cross_entropy(out.mean(0), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss


def synthetic() -> pj.data.Split:
    """Noise of the same size, for where there is no CIFAR-10."""
    x = torch.randint(0, 256, (45_000, 3, 32, 32), dtype=torch.uint8)
    return pj.data.Split(x, torch.randint(0, 10, (45_000,)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", default=os.environ.get("PICOJOULE_DATA"))
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    start = time.perf_counter()
    split = synthetic()
    if options.data_dir:
        split = pj.data.load("cifar10", options.data_dir).train
    print(f"{len(split):,} images in {time.perf_counter() - start:.2f} s")
    cifar10 = pj.data.dataset("cifar10")
    encode = pj.data.Direct(mean=cifar10.mean, std=cifar10.std)
    augment = pj.data.Augment(shift=4, flip=True, cutout=8)

    def loader():
        return pj.data.loader(split, encode, batch_size=BATCH, shuffle=True, augment=augment)

    loaded = per_second(endless(loader()), options.seconds)
    trained = per_second(steps(loader()), options.seconds)
    # A step has its batch loaded, too.
    alone = 1 / (1 / trained - 1 / loaded)
    print(f"{torch.get_num_threads()} threads, batches of {BATCH}")
    print(f"loader {loaded:8.1f} batches/s")
    print(f"step   {alone:8.1f} batches/s")
    print(f"the loader is {loaded / alone:.1f} times as fast (wanted: 5)")


if __name__ == "__main__":
    main()
