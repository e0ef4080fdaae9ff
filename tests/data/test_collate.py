import pickle

import pytest
import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader, Subset
from torch.utils.data.distributed import DistributedSampler

from picojoule.data import Augment, Direct, Filterbank, Latency, Split, load, loader


def images(count: int = 50) -> Split:
    """Images whose first pixel is their number, as their label is."""
    x = torch.zeros(count, 1, 8, 8, dtype=torch.uint8)
    x[:, 0, 0, 0] = torch.arange(count)
    return Split(x, torch.arange(count))


def seen(batches) -> list[int]:
    return [int(label) for _, y, _ in batches for label in y]


@pytest.mark.parametrize(
    "part",
    [
        lambda split: split[10:31:5],
        lambda split: split[[10, 15, 20, 25, 30]],
        lambda split: split[torch.tensor([10, 15, 20, 25, 30])],
        lambda split: split[torch.isin(torch.arange(len(split)), torch.arange(10, 31, 5))],
        lambda split: Subset(split, [10, 15, 20, 25, 30]),
        lambda split: Subset(Subset(split, range(10, 40)), [0, 5, 10, 15, 20]),
    ],
)
def test_parts_of_a_split(part):
    split = load("digits").test
    x, y, lengths = next(iter(loader(part(split), Direct(), batch_size=5)))
    assert x[0].equal(split.x[10:31:5])
    assert y.equal(split.y[10:31:5])
    assert lengths is None


def test_one_item_and_none():
    split = load("digits").test
    assert [one.y.tolist() for one in (split[3], split[-1])] == [[split.y[3]], [split.y[-1]]]
    assert len(list(split[:7])) == 7
    assert len(split[5:5]) == 0
    assert split[::-1].y.equal(split.y.flip(0))
    with pytest.raises(IndexError):
        split[len(split)]


def test_batches_in_order():
    batches = list(loader(images(), Direct(), batch_size=16))
    assert [len(y) for _, y, _ in batches] == [16, 16, 16, 2]
    x, y, lengths = batches[1]
    assert x.shape == (1, 16, 1, 8, 8)
    assert y.dtype == torch.int64
    assert lengths is None
    assert (x[0, :, 0, 0, 0] * 255).round().int().tolist() == y.tolist() == list(range(16, 32))
    assert seen(batches) == list(range(50))


def test_lengths_come_along():
    split = Split(
        torch.randn(5, 4_000), torch.arange(5), torch.tensor([300, 4_000, 900, 500, 2_000])
    )
    bank = Filterbank()
    x, _, lengths = next(iter(loader(bank.prepare(split), bank, batch_size=3)))
    assert lengths.tolist() == [2, 48, 9]
    assert x.shape == (48, 3, bank.channels)


def test_shuffling_follows_the_global_random_state():
    batches = loader(images(), Direct(), batch_size=16, shuffle=True)
    torch.manual_seed(5)
    first = seen(batches)
    state = torch.get_rng_state()
    second = seen(batches)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    torch.set_rng_state(state)
    assert seen(batches) == second


def test_shuffling_by_a_generator_of_its_own():
    torch.manual_seed(0)
    one = seen(loader(images(), Direct(), batch_size=16, shuffle=True, generator=seeded(3)))
    torch.manual_seed(1)
    assert seen(loader(images(), Direct(), batch_size=16, shuffle=True, generator=seeded(3))) == one


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_fabric_takes_it():
    fabric = Fabric(accelerator="cpu", devices=1)
    batches = fabric.setup_dataloaders(loader(images(), Latency(4), batch_size=16))
    assert seen(batches) == list(range(50))


@pytest.mark.parametrize("rank", [0, 1])
def test_a_distributed_sampler_in_its_place(rank):
    batches = loader(images(), Direct(), batch_size=16)
    sampler = DistributedSampler(batches.dataset, num_replicas=2, rank=rank, shuffle=False)
    share = DataLoader(batches.dataset, 16, sampler=sampler, collate_fn=batches.collate_fn)
    assert seen(share) == list(range(rank, 50, 2))


def test_a_worker_process_gives_the_same():
    batches = loader(images(), Latency(4), batch_size=16)
    assert pickle.loads(pickle.dumps(batches.collate_fn)) == batches.collate_fn
    workers = DataLoader(batches.dataset, 16, collate_fn=batches.collate_fn, num_workers=1)
    assert seen(workers) == list(range(50))


def test_the_split_is_not_changed():
    split = images()
    before = split.x.clone()
    list(loader(split, Direct(), batch_size=16, augment=Augment(shift=2, flip=True)))
    assert torch.equal(split.x, before)


def test_augmented_before_it_is_encoded():
    split = Split(
        torch.full((4, 1, 8, 8), 255, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
    )
    encode = Latency(4)
    torch.manual_seed(0)
    x, _, _ = next(iter(loader(split, encode, batch_size=4, augment=Augment(shift=3))))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert float(x.sum()) < 4 * 64


def test_empty_split():
    with pytest.raises(ValueError, match="expected a split with items in it"):
        loader(images(0), Direct(), batch_size=4)


def test_batch_size_below_one():
    with pytest.raises(ValueError, match="expected batch_size of at least 1, got 0"):
        loader(images(), Direct(), batch_size=0)
