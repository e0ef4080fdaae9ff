"""Labels and scores that cannot be compared are refused, before training and before measuring."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj

B, T, CLASSES = 4, 5, 3


def net(outputs=CLASSES):
    torch.manual_seed(0)
    return pj.Sequential(nn.Linear(6, 8), pj.LIF(), nn.Linear(8, outputs), pj.LI())


def loader(label, samples=B):
    batches = [(torch.rand(T, samples, 6), torch.arange(samples) % CLASSES, None)] * 2
    batches.append((torch.rand(T, B, 6), label, None))
    return DataLoader(batches, batch_size=None)  # pyright: ignore[reportArgumentType]


def measured(net, loader, readout=pj.readout.mean):
    return pj.measure(net, loader, readout=readout, chips=[pj.load_chip("45nm")])


def trained(net, loader, readout=pj.readout.mean):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return list(
        pj.train(
            net,
            loader,
            optimizer,
            criterion=nn.CrossEntropyLoss(),
            readout=readout,
            chip=pj.load_chip("45nm"),
            epochs=1,
        )
    )


WRONG = {
    "of each step, batch first": (
        torch.zeros(B, T, dtype=torch.int64),
        r"expected labels \[5, 4\].*got \[4, 5\].*label\.transpose\(0, 1\)",
    ),
    "of each step": (torch.zeros(T, B, dtype=torch.int64), "each|as in the batches before"),
    "one-hot": (torch.eye(CLASSES, dtype=torch.int64)[[0, 1, 2, 0]], r"label.argmax\(-1\)"),
    "a column": (torch.zeros(B, 1, dtype=torch.int64), r"got \[4, 1\]"),
    "too few": (torch.zeros(B - 1, dtype=torch.int64), r"expected labels \[4\].*got \[3\]"),
    "one for all": (torch.tensor(1), r"got \[\]"),
    "too few numbers": (torch.rand(B - 1, 2), r"expected labels \[4, K\].*got \[3, 2\]"),
    "numbers after classes": (
        torch.rand(B, CLASSES),
        "labels of a classification, as in the batches before, got those of a regression",
    ),
    "not finite": (torch.tensor([0.0, 1.0, torch.nan, 1.0]), "finite numbers, got some"),
    "of four dimensions": (torch.rand(T, B, 1, 1), r"or numbers \[N\], .*got \[5, 4, 1, 1\]"),
    "truth values": (torch.ones(B, dtype=torch.bool), "got torch.bool"),
    "a list": ([0, 1, 2, 0], "got a list"),
    "none": (None, "got a NoneType"),
    "negative": (torch.tensor([0, 1, -100, 2]), "from 0 on.*got -100"),
    "above the classes": (torch.tensor([0, 1, 3, 2]), "expected labels 0 to 2.*got 3"),
}


@pytest.mark.parametrize("run", [trained, measured])
@pytest.mark.parametrize("name", WRONG)
def test_labels_that_do_not_fit_are_refused(run, name):
    label, said = WRONG[name]
    with pytest.raises((ValueError, TypeError), match=said):
        run(net(), loader(label))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_whole_numbers_of_any_type_are_labels(dtype):
    label = torch.arange(B) % CLASSES
    same, other = measured(net(), loader(label)), measured(net(), loader(label.to(dtype)))
    assert other.accuracy == same.accuracy
    first, second = (trained(net(), loader(one)) for one in (label, label.to(dtype)))
    assert first[-1].loss == second[-1].loss


@pytest.mark.parametrize("run", [trained, measured])
@pytest.mark.parametrize(
    "readout",
    [
        lambda out, lengths: out,
        lambda out, lengths: out[-1].sum(-1),
        lambda out, lengths: out.mean(0).repeat(2, 1),
    ],
    ids=["of each step", "one number", "of too many samples"],
)
def test_scores_that_are_not_of_each_sample_and_output_are_refused(run, readout):
    with pytest.raises(ValueError, match=r"expected scores \[4, outputs\] from the readout"):
        run(net(), loader(torch.zeros(B, dtype=torch.int64)), readout)


def test_scores_that_are_no_numbers_name_no_class():
    silent = net()
    silent[2].bias.data[1] = torch.nan
    with pytest.raises(ValueError, match="scores of 12 of 12 samples are not numbers"):
        measured(silent, loader(torch.zeros(B, dtype=torch.int64)))


@pytest.mark.parametrize("test", [423.0, -0.1, float("nan")])
def test_an_accuracy_is_a_share(test):
    with pytest.raises(ValueError, match="test"):
        pj.report.Accuracy(test=test)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (torch.zeros(B - 1, T, dtype=torch.int64), r"expected labels \[4, ...\].*got \[3, 5\]"),
        (torch.zeros(B, 1, 1, dtype=torch.int64), r"expected labels of classes \[N\] or"),
        (torch.ones(B, dtype=torch.bool), "expected labels as .* got torch.bool"),
        (torch.tensor([0, -1, 0, 1]), "expected labels from 0 on, the numbers of classes, got -1"),
        (torch.full((B, T), -2), "or -1 where a step has none, got -2"),
        (torch.tensor([0.0, 1.0, torch.inf, 1.0]), "labels that are finite numbers, got"),
        (torch.full((B,), torch.nan), "labels that are finite numbers, got"),
    ],
)
def test_splits_hold_labels(label, said):
    with pytest.raises((ValueError, TypeError), match=said):
        pj.data.Split(torch.zeros(B, 1, 8, 8), label)


def one_hot(dtype):
    label = torch.eye(CLASSES, dtype=dtype)[[0, 1, 2, 0]]
    batches = [(torch.rand(T, B, 6), label, None)] * 2
    return DataLoader(batches, batch_size=None)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_classes_in_the_guise_of_numbers_are_refused_by_what_to_do(dtype, caplog):
    with pytest.raises(ValueError, match=r"all 8 labels are one-hot: .*label\.argmax\(-1\)"):
        measured(net(), one_hot(dtype))
    assert "one-hot" not in caplog.text
    logs = trained(net(), one_hot(dtype))
    assert logs
    assert caplog.text.count("the labels of the first batch are one-hot") == 1


def test_several_ones_in_a_row_are_numbers():
    label = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    batches = [(torch.rand(T, B, 6), label, None)]
    loader = DataLoader(batches, batch_size=None)  # pyright: ignore[reportArgumentType]
    assert measured(net(), loader).mse is not None
