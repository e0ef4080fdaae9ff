"""What is learned is told from labels: classes or numbers, of samples or of steps."""

import math

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule.targets import CLASSES, NUMBERS, STEP_CLASSES, STEP_NUMBERS, TARGETS, target_of
from picojoule.training import evaluate

T, B, INPUTS, OUTPUTS = 7, 5, 6, 3
CHIP = pj.load_chip("45nm")
NONE = {"classification per step": -1, "regression per step": math.nan}
every = pytest.mark.parametrize("target", TARGETS.values(), ids=str)
per_step = pytest.mark.parametrize("target", [STEP_CLASSES, STEP_NUMBERS], ids=str)


def labels(target, seed=0, steps=T, samples=B):
    """Random labels of a batch; a third of the steps have none."""
    source = torch.Generator().manual_seed(seed)
    shape = (steps, samples) if target.each_step else (samples,)
    if target.own == "mse":
        y = torch.randn(*shape, OUTPUTS, generator=source)
    else:
        y = torch.randint(0, OUTPUTS, shape, generator=source)
    if target.each_step:
        y[torch.rand(shape, generator=source) < 1 / 3] = NONE[target.name]
    return y


def network(dropout=0.0):
    torch.manual_seed(0)
    net = pj.Sequential(
        nn.Linear(INPUTS, 8), pj.LIF(), nn.Dropout(dropout), nn.Linear(8, OUTPUTS), pj.LI()
    )
    nn.init.uniform_(net[0].weight, -0.5, 1.5)
    return net


def events(seed=0, steps=T, samples=B):
    source = torch.Generator().manual_seed(seed)
    return (torch.rand(steps, samples, INPUTS, generator=source) < 0.4).float()


def batches(target, count=4, **sizes):
    found = [(events(seed, **sizes), labels(target, seed, **sizes), None) for seed in range(count)]
    return loader(found)


def loader(found):
    return DataLoader(found, batch_size=None)  # pyright: ignore[reportArgumentType]


def readout(target):
    return pj.readout.each if target.each_step else pj.readout.mean


def train(target, net, given, **options):
    return pj.train(
        net,
        given,
        torch.optim.SGD(net.parameters(), lr=0.1),
        chip=CHIP,
        inputs="events",
        **{"epochs": 1, "criterion": target.criterion(), "readout": readout(target)} | options,
    )


def weights(net):
    return [value.clone() for value in net.state_dict().values()]


def same(one, other):
    return all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def measured(target, net, given):
    return evaluate(net, given, readout=readout(target), chips=[CHIP], inputs="events")


@pytest.mark.parametrize(
    ("y", "target"),
    [
        (torch.zeros(3, dtype=torch.int64), CLASSES),
        (torch.zeros(3, dtype=torch.uint8), CLASSES),
        (torch.zeros(3, 4, dtype=torch.int64), STEP_CLASSES),
        (torch.zeros(3), NUMBERS),
        (torch.zeros(3, 4, dtype=torch.float64), NUMBERS),
        (torch.zeros(3, 4, 1), STEP_NUMBERS),
    ],
)
def test_the_target_is_told_from_type_and_shape(y, target):
    assert target_of(y) is target


@pytest.fixture
def metrics():
    from sklearn import metrics  # slow, and other tests do without

    return metrics


@every
def test_measures_are_those_of_scikit_learn(target, metrics):
    net, given = network(), batches(target, 6)
    found = measured(target, net, given)
    assert found.target == target.name
    actual, guess = [], []
    for x, y, _ in given:
        with torch.no_grad():
            scores = readout(target)(net(x)[0], None)
        there = target.is_label(y) if target.each_step else torch.ones(B, dtype=torch.bool)
        actual.append(y[there])
        guess.append(scores[there] if target.own == "mse" else scores[there].argmax(-1))
    actual, guess = torch.cat(actual), torch.cat(guess)
    assert found.scored.labels == len(actual)
    report = pj.Report.of(found)
    if target.own == "mse":
        assert report.accuracy is None
        assert report.macro_f1 is None
        assert report.mse.test == pytest.approx(metrics.mean_squared_error(actual, guess))
        mean = actual.mean(0).expand_as(actual)
        assert report.variance == pytest.approx(metrics.mean_squared_error(actual, mean))
    else:
        assert report.mse is None
        assert report.accuracy.test == metrics.accuracy_score(actual, guess)
        macro_f1 = metrics.f1_score(actual, guess, average="macro")
        assert report.macro_f1.test == pytest.approx(macro_f1)
        confusion = metrics.confusion_matrix(actual, guess)
        assert report.confusion == tuple(map(tuple, confusion.tolist()))
        assert report.majority == actual.bincount().max().item() / len(actual)
    assert pj.Report.from_json(report.to_json()) == report


def test_macro_f1_is_over_the_classes_that_are_there_or_were_named(metrics):
    scores = torch.eye(5)[[0, 0, 3, 1]]
    label = torch.tensor([0, 1, 3, 1])
    found = CLASSES.read(CLASSES.sums(scores, label)).macro_f1
    assert found == pytest.approx(metrics.f1_score(label, scores.argmax(-1), average="macro"))


@every
def test_a_training_goes_on_bit_identical(target, tmp_path):
    def begin(folder):
        torch.manual_seed(0)
        net = network(dropout=0.3)
        options = {"epochs": 3, "checkpoint": tmp_path / folder, "validation": batches(target, 2)}
        return net, train(target, net, batches(target), **options)

    whole, logs = begin("whole")
    *_, last = logs
    _, stopped = begin("stopped")
    for _ in range(6):
        next(stopped)
    stopped.close()
    resumed, rest = begin("stopped")
    *_, after = rest
    assert same(weights(resumed), weights(whole))
    assert after.history == last.history
    assert after.chosen == last.chosen
    assert last.chosen.by == target.own


@every
def test_a_training_learns(target):
    given = batches(target, 2)
    net = network()
    *_, log = train(target, net, given, epochs=10, validation=given)
    first, best = log.history[0].validation, log.history[log.chosen.epoch - 1].validation
    measure, more = target.own, 1 if target.own == "accuracy" else -1
    assert more * best.measure(measure) > more * first.measure(measure)
    assert best.measure(measure) == getattr(log.chosen, measure)
    assert log.history[-1].loss < log.history[0].loss
    assert (log.accuracy is None) == (target.own == "mse") == (log.mse is not None)


@per_step
def test_steps_without_a_label_change_nothing(target):
    """What stands at such a step of the network's output reaches neither loss nor measure."""
    x, y, none = events(), labels(target), NONE[target.name]
    lengths = torch.tensor([T, 3, 1, T - 1, 2])
    beyond = torch.arange(T).unsqueeze(1) >= lengths
    found = []
    for stands in (none, 1, -7, 10_000):
        other = y.clone()
        other[beyond] = stands
        net = network()
        given = loader([(x, other, lengths)])
        *_, log = train(target, net, given, epochs=3, validation=given)
        report = pj.Report.of(measured(target, net, given))
        found.append((weights(net), log.history, report.accuracy, report.mse))
    for one in found[1:]:
        assert same(one[0], found[0][0])
        assert one[1:] == found[0][1:]


@per_step
def test_a_criterion_sees_the_labelled_steps_alone(target):
    x, y = events(), labels(target)
    lengths = torch.tensor([T, 3, 1, T - 1, 2])
    there = target.is_label(y) & (torch.arange(T).unsqueeze(1) < lengths)
    net, seen = network(), []
    with torch.no_grad():
        expected = net(x, lengths=lengths)[0][there]

    def criterion(scores, label):
        seen.append((scores.detach(), label))
        return target.criterion()(scores, label)

    *_, _ = train(target, net, loader([(x, y, lengths)]), criterion=criterion)
    (scores, label), *_ = seen
    assert torch.equal(scores, expected)
    assert torch.equal(label, y[there])


@per_step
def test_gradients_are_those_of_the_loss_over_labelled_steps(target):
    x, y = events(), labels(target)
    net, by_hand = network(), network()
    *_, _ = train(target, net, loader([(x, y, None)]))
    out, _ = by_hand(x)
    losses = [
        target.criterion()(out[t, b].unsqueeze(0), y[t, b].unsqueeze(0))
        for t in range(T)
        for b in range(B)
        if target.is_label(y)[t, b]
    ]
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.1)
    torch.stack(losses).mean().backward()
    optimizer.step()
    for one, other in zip(weights(net), weights(by_hand), strict=True):
        torch.testing.assert_close(one, other)


@per_step
def test_a_batch_without_a_label_changes_no_weight(target):
    x, y = events(), labels(target)
    empty = torch.full_like(y, NONE[target.name])
    net = network()
    before = weights(net)
    logs = train(target, net, loader([(x, empty, None), (x, y, None)]))
    first = next(logs)
    assert first.loss == 0
    assert first.own[1] == 0
    assert same(weights(net), before)
    *_, last = logs
    alone = network()
    *_, other = train(target, alone, loader([(x, y, None)]))
    assert same(weights(net), weights(alone))
    assert last.loss == other.loss
    assert last.own == other.own
    assert last.energy_pj == other.energy_pj


@per_step
def test_no_label_at_all_is_refused(target):
    given = loader([(events(), torch.full_like(labels(target), NONE[target.name]), None)])
    with pytest.raises(ValueError, match="no step of any training batch has a label"):
        list(train(target, network(), given))
    with pytest.raises(ValueError, match="no step of any sample has a label"):
        measured(target, network(), given)


def test_one_label_at_all_steps_is_a_label_of_the_sequence():
    """Of a linear loss the mean over steps is that of the mean over time."""
    x, y = events(), torch.arange(B) % OUTPUTS

    def criterion(scores, label):
        return -scores.gather(1, label.unsqueeze(1)).mean()

    nets = [network(), network()]
    given = [(CLASSES, y), (STEP_CLASSES, y.expand(T, B))]
    logs = []
    for net, (target, label) in zip(nets, given, strict=True):
        *_, log = train(target, net, loader([(x, label, None)]), criterion=criterion, epochs=3)
        logs.append(log)
    for one, other in zip(*map(weights, nets), strict=True):
        torch.testing.assert_close(one, other)
    assert logs[0].loss.item() == pytest.approx(logs[1].loss.item(), rel=1e-5)
    assert logs[0].energy_pj == logs[1].energy_pj


def test_numbers_of_samples_are_a_column():
    x, y = events(), torch.randn(B)
    one, other = (network() for _ in range(2))
    for net, label in ((one, y), (other, y.unsqueeze(1).double())):
        net[3] = nn.Linear(8, 1)
        nn.init.constant_(net[3].weight, 0.1)
        nn.init.zeros_(net[3].bias)
        *_, log = train(NUMBERS, net, loader([(x, label, None)]))
        assert log.mse > 0
    assert same(weights(one), weights(other))


@every
def test_padding_changes_nothing(target):
    x, y = events(), labels(target)
    lengths = torch.full((B,), T)
    longer = torch.cat([x, torch.rand(4, B, INPUTS)])
    padded = torch.cat([y, labels(target, 9)[:4]]) if target.each_step else y
    net = network()
    one = measured(target, net, loader([(x, y, lengths)]))
    other = measured(target, net, loader([(longer, padded, lengths)]))
    assert other.scored.confusion == one.scored.confusion
    for name in ("labels", "accuracy", "macro_f1", "mse", "majority", "variance"):
        value = getattr(one.scored, name)
        assert getattr(other.scored, name) == (value and pytest.approx(value)), name
    assert one.counts == other.counts


@pytest.mark.parametrize(("by", "epoch"), [(None, 1), ("accuracy", 1), ("macro_f1", 2)])
def test_epochs_are_chosen_by_the_measure_that_is_named(by, epoch):
    history = _history([(0.9, 0.5, None), (0.8, 0.7, None)])
    assert pj.training.choose(history, None, by).epoch == epoch
    assert pj.training.choose(history, 5.0, by).epoch == 1  # which spends less


def test_the_lowest_squared_error_is_chosen():
    history = _history([(None, None, 0.5), (None, None, 0.2), (None, None, 0.3)])
    found = pj.training.choose(history, None)
    assert (found.epoch, found.mse, found.by, found.accuracy) == (2, 0.2, "mse", None)
    with pytest.raises(ValueError, match="has no accuracy to choose by"):
        pj.training.choose(history, None, "accuracy")


def _history(measures):
    from picojoule.training import EpochRecord, Validation

    return [
        EpochRecord(
            number,
            number,
            1.0,
            None,
            10.0,
            None,
            None,
            Validation(accuracy, 9.0 + number, 0.0, macro_f1=macro_f1, mse=mse),
        )
        for number, (accuracy, macro_f1, mse) in enumerate(measures, 1)
    ]


@every
def test_a_measure_of_another_target_is_refused_before_the_first_step(target):
    other = "accuracy" if target.own == "mse" else "mse"
    net = network()
    before = weights(net)
    with pytest.raises(ValueError, match=f"cannot be chosen by '{other}': the labels are of a"):
        next(train(target, net, batches(target), choose=other))
    assert same(weights(net), before)


@every
def test_labels_of_another_target_in_a_later_batch_are_refused(target):
    other = NUMBERS if target is not NUMBERS else CLASSES
    given = loader([(events(), labels(target), None), (events(), labels(other), None)])
    said = f"labels of a {target}, as in the batches before, got those of a {other}"
    logs = train(target, network(), given)
    next(logs)
    with pytest.raises(ValueError, match=said):
        next(logs)


def test_a_readout_of_all_steps_needs_labels_of_samples():
    said = r"expected scores \[7, 5, outputs\].*per step, got \[5, 3\].*picojoule\.readout\.each"
    with pytest.raises(ValueError, match=said):
        next(train(STEP_CLASSES, network(), batches(STEP_CLASSES), readout=pj.readout.mean))


@every
def test_no_step_waits_for_the_device(target, monkeypatch):
    """Labels lie on the host until they are moved to the device, and may be read there."""

    class Refuse(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert "_local_scalar_dense" not in str(func), "a value was read inside a step"
            return func(*args, **(kwargs or {}))

    logs = train(target, network(), batches(target, 5))
    next(logs)
    with monkeypatch.context() as patch, Refuse():
        refuse = _refuse
        for name in ("item", "tolist", "cpu", "__float__", "__int__"):
            patch.setattr(torch.Tensor, name, refuse)
        next(logs)


def _refuse(*_, **__):
    raise AssertionError("a value was read inside a step")
