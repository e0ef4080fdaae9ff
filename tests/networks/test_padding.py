"""What comes after the ends of sequences changes nothing, in training either."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import picojoule as pj
from picojoule.networks import Repeat, Residual, Sequential
from picojoule.readout import READOUTS

STEPS, CHANNELS = 12, 6
LENGTHS = torch.tensor([12, 7, 1, 9])


class Own(nn.Module):
    """Somebody's own module with a batch norm inside."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(CHANNELS, CHANNELS)
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("variance", torch.ones(CHANNELS))

    def forward(self, x):
        return F.batch_norm(self.layer(x), self.mean, self.variance, training=self.training)


def flat(*layers):
    """Layers between weights and neurons, for sequences of vectors."""
    return Sequential(
        nn.Linear(5, CHANNELS), *layers, pj.LIF(CHANNELS), nn.Linear(CHANNELS, 3), pj.LI()
    )


def maps(*layers):
    """Layers between a convolution and neurons, for sequences of pictures."""
    return Sequential(
        nn.Unflatten(1, (1, 1, 5)),
        nn.Conv2d(1, CHANNELS, 3, padding=1),
        *layers,
        pj.LIF(CHANNELS),
        nn.AvgPool2d((1, 5)),
        nn.Flatten(),
        nn.Linear(CHANNELS, 3),
        pj.LI(),
    )


def block(norm):
    body = Sequential(nn.Linear(CHANNELS, CHANNELS), norm, pj.LIF(CHANNELS))
    shortcut = Sequential(nn.Linear(CHANNELS, CHANNELS), nn.BatchNorm1d(CHANNELS))
    return Residual(body, shortcut)


MADE = {
    "batch": lambda: flat(nn.BatchNorm1d(CHANNELS)),
    "batch, cumulative": lambda: flat(nn.BatchNorm1d(CHANNELS, momentum=None)),
    "batch, nothing kept": lambda: flat(nn.BatchNorm1d(CHANNELS, track_running_stats=False)),
    "batch, plain": lambda: flat(nn.BatchNorm1d(CHANNELS, affine=False)),
    "batch, lazy": lambda: flat(nn.LazyBatchNorm1d()),
    "batch, of maps": lambda: maps(nn.BatchNorm2d(CHANNELS)),
    "batch, of frozen weights": lambda: flat(nn.BatchNorm1d(CHANNELS).requires_grad_(False)),
    "twice": lambda: flat(nn.BatchNorm1d(CHANNELS), nn.ReLU(), nn.BatchNorm1d(CHANNELS)),
    "layer": lambda: flat(nn.LayerNorm(CHANNELS)),
    "root mean square": lambda: flat(nn.RMSNorm(CHANNELS)),
    "group": lambda: maps(nn.GroupNorm(2, CHANNELS)),
    "instance": lambda: maps(nn.InstanceNorm2d(CHANNELS, affine=True)),
    "instance, kept": lambda: maps(nn.InstanceNorm2d(CHANNELS, track_running_stats=True)),
    "local": lambda: maps(nn.LocalResponseNorm(2)),
    "in a plain container": lambda: flat(
        nn.Sequential(nn.Linear(CHANNELS, CHANNELS), nn.BatchNorm1d(CHANNELS))
    ),
    "in a network": lambda: flat(Sequential(nn.BatchNorm1d(CHANNELS), pj.LIF(CHANNELS))),
    "in a block": lambda: flat(pj.LIF(CHANNELS), block(nn.BatchNorm1d(CHANNELS))),
    "in a block of chunks": lambda: flat(pj.LIF(CHANNELS), block(nn.LayerNorm(CHANNELS))),
    "of one's own": lambda: flat(Own()),
    "after feedback": lambda: flat(pj.Recurrent(pj.LIF(), CHANNELS), nn.BatchNorm1d(CHANNELS)),
    "first": lambda: Sequential(nn.BatchNorm1d(5), nn.Linear(5, 3), pj.LI()),
    "last": lambda: Sequential(
        nn.Linear(5, CHANNELS), pj.LIF(CHANNELS), nn.Linear(CHANNELS, 3), nn.BatchNorm1d(3)
    ),
}
every = pytest.mark.parametrize("name", MADE)


def made(name, engine=None):
    torch.manual_seed(1)
    net = MADE[name]()
    if name == "batch, lazy":
        net(torch.rand(2, 3, 5))
    for part in net.modules():
        if isinstance(part, pj.Neuron):
            part.engine = engine
        if isinstance(part, nn.Linear):
            part.weight.data.mul_(4)
    return net.double()


def batch(extra=0, filling=0.0):
    """The same sequences, with ``extra`` further steps and something after their ends."""
    torch.manual_seed(0)
    x = (torch.rand(STEPS, len(LENGTHS), 5) < 0.4).double()
    x = torch.cat([x, torch.zeros(extra, len(LENGTHS), 5, dtype=torch.float64)])
    after = torch.arange(len(x))[:, None] >= LENGTHS
    return x.masked_fill(after.unsqueeze(-1), filling).requires_grad_()


def learned(net, x, readout="mean"):
    """Everything that a step of training gives: scores, all gradients, what norms keep, counts."""
    with pj.Meter(net, inputs="events") as meter:
        out, _ = net(x, lengths=LENGTHS)
    scores, label = READOUTS[readout](out, LENGTHS), torch.arange(4) % 3
    if scores.dim() == 3:  # of each step
        within = torch.arange(len(x))[:, None] < LENGTHS
        scores, label = scores[within], label.expand(len(x), -1)[within]
    energy = pj.load_chip("45nm").price(meter.counts).total
    (F.cross_entropy(scores, label) + 1e-3 * energy).backward()
    assert not out[STEPS:].any()
    gradients = {name: one.grad for name, one in net.named_parameters() if one.requires_grad}
    counts = {name: dict(counts.items()) for name, counts in meter.counts.items()}
    return {
        "out": out[:STEPS].detach(),
        "scores": scores.detach(),
        "input": x.grad[:STEPS],
        "gradients": gradients,
        "kept": {name: one.clone() for name, one in net.named_buffers()},
        "counts": counts,
        "uncounted": dict.fromkeys(meter.uncounted, 0),
    }


@every
@pytest.mark.parametrize("engine", ["eager", "fused"])
def test_padding_changes_nothing_in_training(name, engine):
    expected = learned(made(name, engine), batch())
    assert any(one.abs().sum() > 0 for one in expected["gradients"].values())
    for padding in ((1, 0.0), (40, 0.0), (0, 7.0), (3, torch.nan)):
        found = learned(made(name, engine), batch(*padding))
        torch.testing.assert_close(
            found, expected, rtol=1e-9, atol=1e-12, msg=lambda said, of=padding: f"{of}: {said}"
        )


@pytest.mark.parametrize("readout", READOUTS)
def test_padding_changes_no_readout(readout):
    expected = learned(made("batch"), batch(), readout)
    found = learned(made("batch"), batch(5), readout)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


NORMS = {
    "batch": nn.BatchNorm1d,
    "batch, cumulative": lambda size: nn.BatchNorm1d(size, momentum=None),
    "batch, plain": lambda size: nn.BatchNorm1d(size, affine=False),
}


@pytest.mark.parametrize("name", NORMS)
def test_statistics_are_torchs_own_of_the_valid_rows(name):
    norm = NORMS[name](5).double()
    for parameter in norm.parameters():
        nn.init.uniform_(parameter)
    other, x = copy.deepcopy(norm), torch.randn(STEPS, 4, 5, dtype=torch.float64) * 3 + 1
    valid = torch.arange(STEPS)[:, None] < LENGTHS
    rows = x[valid].requires_grad_()
    given = x.clone().requires_grad_()
    for _ in range(2):  # a mean of what was seen before, too
        found, expected = Sequential(norm)(given, lengths=LENGTHS)[0][valid], other(rows)
        torch.testing.assert_close(found, expected)
    weights = torch.linspace(-1, 1, rows.numel()).double().view_as(rows)
    for out in (found, expected):
        (out.sin() * weights).sum().backward()
    torch.testing.assert_close(given.grad[valid], rows.grad)
    assert not given.grad[~valid].any()
    assert norm.num_batches_tracked == other.num_batches_tracked
    torch.testing.assert_close(norm.state_dict(), other.state_dict())
    torch.testing.assert_close(
        [one.grad for one in norm.parameters()], [one.grad for one in other.parameters()]
    )


def test_what_an_instance_norm_keeps_is_that_of_the_valid_rows():
    norm = nn.InstanceNorm1d(2, affine=True, track_running_stats=True).double()
    other, x = copy.deepcopy(norm), torch.randn(STEPS, 4, 2, 6, dtype=torch.float64) * 3 + 1
    valid = torch.arange(STEPS)[:, None] < LENGTHS
    found = Sequential(norm)(x, lengths=LENGTHS)[0][valid]
    torch.testing.assert_close(found, other(x[valid]))
    torch.testing.assert_close(norm.state_dict(), other.state_dict())


@every
def test_full_lengths_are_no_lengths(name):
    net, x = made(name), batch().detach()
    other = copy.deepcopy(net)
    found, _ = net(x, lengths=torch.full((4,), STEPS))
    torch.testing.assert_close(found, other(x)[0])
    torch.testing.assert_close(net.state_dict(), other.state_dict())


def test_half_precision_keeps_its_type():
    net = Sequential(nn.BatchNorm1d(5)).bfloat16()
    x = (torch.rand(2000, 4, 5) + 100).bfloat16()
    out, _ = net(x, lengths=torch.tensor([2000, 1999, 3, 700]))
    assert out.dtype == net[0].running_mean.dtype == torch.bfloat16
    valid = torch.arange(2000)[:, None] < torch.tensor([2000, 1999, 3, 700])
    assert out[valid].float().mean().abs() < 0.02


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.InstanceNorm2d])
def test_statistics_under_autocast_are_of_full_precision(norm):
    x, kept = torch.randn(STEPS, 4, 3, 2, 5) + 100, []
    for enabled in (False, True):
        net = Sequential(norm(3, track_running_stats=True))
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            net(x, lengths=LENGTHS)
        kept.append(net.state_dict())
    torch.testing.assert_close(*kept)


def test_one_valid_step_is_learned_from():
    net = Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), pj.LI())
    out, _ = net(torch.rand(4, 1, 5), lengths=torch.tensor([1]))
    out.sum().backward()
    assert (net[1].running_mean != 0).all()
    kept = [*net[1].buffers(), *(one.grad for one in net[:2].parameters())]
    assert all(torch.isfinite(one).all() for one in kept)


def test_rows_that_are_no_steps_are_refused():
    net = Sequential(nn.Sequential(nn.Unflatten(0, (-1, 2)), nn.BatchNorm1d(2), nn.Flatten(0, 1)))
    net(torch.rand(4, 3, 5))
    with pytest.raises(ValueError, match=r"sees \[6, 2, 5\] and not the 12 rows"):
        net(torch.rand(4, 3, 5), lengths=torch.tensor([4, 1, 2]))


def test_a_norm_over_several_devices_is_refused():
    net = Sequential(nn.SyncBatchNorm(5))
    with pytest.raises(TypeError, match="SyncBatchNorm takes what comes after"):
        net(torch.rand(4, 3, 5), lengths=torch.tensor([4, 1, 2]))
    net.eval()(torch.rand(4, 3, 5), lengths=torch.tensor([4, 1, 2]))


def test_norms_take_statistics_of_all_items_before_a_network_makes_its_steps():
    torch.manual_seed(0)
    before, after = nn.BatchNorm1d(3), nn.BatchNorm1d(2)
    net = Sequential(nn.Linear(5, 3), before, Repeat(4), pj.LIF(), nn.Linear(3, 2), after)
    nn.init.constant_(before.bias, 0.5)
    x, lengths = torch.rand(1, 3, 5), torch.tensor([4, 1, 2])
    net(x, lengths=lengths)
    currents = net[0](x[0])
    torch.testing.assert_close(before.running_mean, 0.1 * currents.mean(0))
    spikes, _ = net[3](before(currents).expand(4, 3, 3))
    rows = net[4](torch.cat([spikes[:steps, item] for item, steps in enumerate(lengths)]))
    torch.testing.assert_close(after.running_mean, 0.1 * rows.mean(0))


def test_transforms_of_torch_see_the_valid_steps():
    net, x = made("batch, nothing kept"), batch()
    learned(net, x)
    weights = {name: one for name, one in net.named_parameters() if one.requires_grad}

    def loss(weights, x):
        out, _ = torch.func.functional_call(net, weights, (x,), {"lengths": LENGTHS})
        return F.cross_entropy(pj.readout.mean(out, LENGTHS), torch.arange(4) % 3)

    plain = loss(weights, x.detach())
    plain_gradients = torch.autograd.grad(plain, list(weights.values()))
    for extra in (0, 9):
        given = batch(extra).detach()
        found = torch.func.grad(loss)({n: w.detach() for n, w in weights.items()}, given)
        torch.testing.assert_close(list(found.values()), list(plain_gradients))
        every = torch.func.vmap(lambda one: loss(weights, one))(given.expand(2, *given.shape))
        torch.testing.assert_close(every, plain.expand(2))


def test_chunks_see_the_valid_steps():
    net = made("in a block of chunks")
    net[2].shortcut[1] = nn.Identity()
    expected = learned(net, batch())
    net.zero_grad()
    net.chunk = 5
    torch.testing.assert_close(learned(net, batch(8)), expected, rtol=1e-9, atol=1e-12)


WRONG = {
    "beyond": (
        torch.tensor([5, 6, 1]),
        ValueError,
        r"within 1\.\.T = 1\.\.5.*got 6 for sequence 1",
    ),
    "none": (torch.tensor([5, 5, 0]), ValueError, r"got 0 for sequence 2 of 3"),
    "below": (torch.tensor([-1, 5, 3]), ValueError, r"got -1 for sequence 0"),
    "floats": (torch.tensor([5.0, 5.0, 3.0]), ValueError, r"whole numbers.*lengths\.long\(\)"),
    "truths": (torch.tensor([True, True, True]), ValueError, "whole numbers"),
    "another batch": (torch.tensor([5, 5]), ValueError, r"\[B\] = \[3\].*got \[2\]"),
    "a column": (torch.tensor([[5], [5], [3]]), ValueError, r"\[B\] = \[3\].*got \[3, 1\]"),
    "one for all": (torch.tensor(5), ValueError, r"\[B\] = \[3\]"),
    "a list": ([5, 5, 3], TypeError, r"got a list: give torch\.tensor\(lengths\)"),
    "elsewhere": (torch.tensor([5, 5, 3], device="meta"), ValueError, "are on meta.*on cpu"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize(
    "take",
    [
        *READOUTS.values(),
        lambda x, lengths: flat()(x, lengths=lengths),
        lambda x, lengths: Residual(flat())(x, lengths=lengths),
    ],
    ids=[*READOUTS, "network", "residual layer"],
)
def test_wrong_lengths_are_refused_by_all_alike(name, take):
    lengths, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        take(torch.rand(5, 3, 5), lengths)


@pytest.mark.parametrize("name", WRONG)
def test_and_under_a_meter_and_in_chunks(name):
    lengths, error, message = WRONG[name]
    net = flat()
    with pytest.raises(error, match=message), pj.Meter(net):
        net(torch.rand(5, 3, 5), lengths=lengths)
    net.chunk = 2
    with pytest.raises(error, match=message):
        net(torch.rand(5, 3, 5), lengths=lengths)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8])
def test_whole_numbers_of_any_type_are_lengths(dtype):
    net, x = made("batch"), batch().detach()
    out, _ = copy.deepcopy(net)(x, lengths=LENGTHS)
    found, _ = net(x, lengths=LENGTHS.to(dtype))
    assert torch.equal(found, out)
    out = torch.cat([out, torch.rand(300, 4, 3)])  # more steps than a small type can hold
    for readout in READOUTS.values():
        assert torch.equal(readout(out, LENGTHS.to(dtype)), readout(out, LENGTHS))


def test_who_may_not_look_at_values_is_told_by_torch():
    for take in (flat(), lambda x, lengths: pj.readout.mean(x, lengths)):
        with FlopCounterMode(display=False), pytest.raises(RuntimeError, match=r"1\.\.T = 1\.\.5"):
            take(torch.rand(5, 3, 5), lengths=torch.tensor([5, 6, 1]))
