"""Inputs of another type than the weights are answered by what to give, not by torch's sentence."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj

T, B = 5, 4
WHOLE = [torch.int64, torch.int32, torch.uint8, torch.bool]
REAL = [torch.float64, torch.float16, torch.bfloat16]


class Foreign(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, x):
        return self.linear(x)


NETS = {
    "linear": lambda: pj.Sequential(nn.Linear(6, 8), pj.LIF(), nn.Linear(8, 3), pj.LI()),
    "inside": lambda: pj.Sequential(nn.Sequential(nn.Linear(6, 3), nn.ReLU()), pj.LI()),
    "later": lambda: pj.Sequential(pj.Repeat(1), nn.Identity(), nn.Linear(6, 3), pj.LI()),
    "convolution": lambda: pj.Sequential(
        nn.Unflatten(1, (1, 6)),
        nn.Conv1d(1, 2, 3),
        pj.LIF(),
        nn.Flatten(),
        nn.Linear(8, 3),
        pj.LI(),
    ),
    "residual": lambda: pj.Sequential(
        pj.Residual(pj.Sequential(nn.Linear(6, 6), pj.LIF())), nn.Linear(6, 3), pj.LI()
    ),
    "foreign": Foreign,
}


def loader(x):
    batches = [(x, torch.tensor([0, 1, 2, 0]), None)] * 2
    return DataLoader(batches, batch_size=None)  # pyright: ignore[reportArgumentType]


def trained(net, x):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    options = {"criterion": nn.CrossEntropyLoss(), "readout": pj.readout.mean}
    list(pj.train(net, loader(x), optimizer, **options, chip=pj.load_chip("45nm"), epochs=1))


def measured(net, x):
    pj.measure(net, loader(x), readout=pj.readout.mean, chips=[pj.load_chip("45nm")])


def called(net, x):
    net(x)


def streamed(net, x):
    pj.stream(net.eval())(x[0])


def refusal(run, net, x) -> str:
    with pytest.raises(TypeError) as caught:
        run(net, x)
    return str(caught.value)


WAYS = [
    pytest.param(run, name, id=f"{name} {run.__name__}")
    for run in (trained, measured, called, streamed)
    for name in NETS
    if (run in (trained, measured) or name != "foreign") and (run, name) != (streamed, "later")
]


@pytest.mark.parametrize(("run", "name"), WAYS)
def test_an_input_of_another_type_is_answered_by_what_to_give(run, name):
    steps = 1 if name == "later" else T
    for dtype in WHOLE + REAL:
        told = refusal(run, NETS[name](), torch.ones(steps, B, 6).to(dtype))
        assert f"with weights of torch.float32 got an input of {dtype}: give x.float()" in told
        assert told.endswith(f"net.to({dtype})") == (dtype in REAL)
    told = refusal(run, NETS[name](), torch.ones(steps, B, 6).to(torch.complex64))
    assert told.endswith("such as its magnitude, x.abs(), or two channels of real numbers")
    assert "give x.to(torch.float64)" in refusal(
        run, NETS[name]().double(), torch.ones(steps, B, 6)
    )


def test_whole_numbers_that_a_network_takes_are_left_alone():
    net = pj.Sequential(nn.Flatten(), nn.Embedding(10, 6), nn.Flatten(), pj.LIF())
    assert net(torch.ones(T, B, 1, dtype=torch.int64))[0].shape == (T, B, 6)


def test_an_error_of_another_cause_stays():
    net = pj.Sequential(nn.Linear(6, 8), pj.LIF())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        net(torch.ones(T, B, 7))
    with pytest.raises(ValueError, match=r"got torch.int64: give x\.float\(\)$"):
        pj.LIF()(torch.ones(T, B, 7, dtype=torch.int64))
