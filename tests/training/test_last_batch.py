"""A last batch of one item trains, or what to change is said before anything is learned."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

import picojoule as pj

PICTURES = [(torch.rand(1, 4, 4), index % 2) for index in range(9)]


def static(*first):
    """A network that a picture passes as one step."""
    made = pj.Sequential(*first, pj.networks.Repeat(3), pj.LIF(), nn.Linear(6, 2), pj.LI())
    made[0](torch.rand(2, 1, 4, 4))
    return made


def flat():
    return static(nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.BatchNorm1d(6)))


def collate(batch):
    x = torch.stack([x for x, _ in batch]).unsqueeze(0)
    return x, torch.tensor([label for _, label in batch]), None


def train(net, loader, **options):
    return pj.train(
        net,
        loader,
        torch.optim.SGD(net.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        readout=pj.readout.mean,
        chip=pj.load_chip("45nm"),
        epochs=1,
        **options,
    )


def batches(size, pictures=PICTURES, **options):
    return DataLoader(pictures, batch_size=size, collate_fn=collate, **options)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (8, r"'0\.2' would see one value.*last batch has 1 of 9 items.*batch_size than 8"),
        (4, r"last batch has 1 of 9 items.*train\.batch_size of a recipe\), or drop_last=True"),
        (1, r"every batch has 1 item: choose a batch_size of at least 2"),
    ],
)
@pytest.mark.parametrize("penalty", [None, pj.EnergyBudget(1e9)])
def test_batch_norm_of_one_value_is_refused_before_training(size, message, penalty):
    net = flat()
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    with pytest.raises(ValueError, match=message):
        next(train(net, batches(size, shuffle=True), penalty=penalty))
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(net.state_dict(), before)
    assert all(part.training and not part._forward_pre_hooks for part in net.modules())


class Stream(IterableDataset):
    def __iter__(self):
        return iter(PICTURES)


@pytest.mark.parametrize(
    ("net", "loader"),
    [
        (flat, batches(3)),
        (flat, batches(8, drop_last=True)),
        (flat, batches(9)),
        (flat, DataLoader([collate(PICTURES)], batch_size=None)),
        (flat, batches(5, Stream())),
        (lambda: static(nn.Sequential(nn.Flatten(), nn.Linear(16, 6))), batches(8)),
        (lambda: static(nn.Sequential(nn.Flatten(), nn.Linear(16, 6))), batches(1)),
        (
            lambda: static(
                nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.MaxPool2d(2), nn.Flatten())
            ),
            batches(8),
        ),
    ],
    ids=[
        *("no rest", "left out", "one batch", "made batches", "without a length"),
        *("no norm", "no norm, one by one", "maps of several values"),
    ],
)
def test_all_others_train(net, loader):
    made = net()
    before = copy.deepcopy(made.state_dict())
    *_, last = train(made, loader)
    assert last.history
    assert any((made.state_dict()[name] != one).any() for name, one in before.items())


def test_a_last_sequence_of_several_steps_trains():
    sequences = [(torch.rand(steps, 4), steps % 2) for steps in (5, 3, 4, 5, 2)]

    def padded(batch):
        x = nn.utils.rnn.pad_sequence([x for x, _ in batch])
        label = torch.tensor([label for _, label in batch])
        return x, label, torch.tensor([len(x) for x, _ in batch])

    net = pj.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), pj.LIF(), nn.Linear(6, 2), pj.LI())
    *_, last = train(net, DataLoader(sequences, batch_size=4, collate_fn=padded))
    assert last.history[-1].step == 2
    assert torch.isfinite(net[1].running_var).all()


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (torch.tensor([2, 1, 1]), r"within 1\.\.T = 1\.\.1.*got 2 for sequence 0"),
        (torch.tensor([1.0, 1.0, 1.0]), "whole numbers"),
    ],
)
def test_lengths_are_checked_where_batches_come_in(lengths, message):
    def with_lengths(batch):
        return (*collate(batch)[:2], lengths)

    loader = DataLoader(PICTURES, batch_size=3, collate_fn=with_lengths)
    with pytest.raises(ValueError, match=message):
        list(train(flat(), loader))


@pytest.mark.parametrize("sizes", [(4, 1), (1,)])
def test_a_batch_of_one_that_was_not_foreseen_is_explained(sizes):
    batches = [
        (torch.ones(1, size, 8), torch.zeros(size, dtype=torch.int64), None) for size in sizes
    ]
    net = nn.Sequential(
        nn.Flatten(0, 1), nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Unflatten(0, (1, -1))
    )
    logs = pj.train(
        net,
        DataLoader(batches, batch_size=None),  # pyright: ignore[reportArgumentType]
        torch.optim.Adam(net.parameters()),
        criterion=nn.functional.cross_entropy,
        readout=pj.readout.mean,
        chip=pj.load_chip("45nm"),
        epochs=1,
    )
    with pytest.raises(
        ValueError, match=r"a batch norm got one value .* give batches of at least 2"
    ):
        list(logs)
