"""The exit of a network: when it is sure, told at once for all steps or step by step."""

import copy
import pickle

import pytest
import torch
from torch import nn

import picojoule as pj
from exit_cases import PLACES, SEQUENCES, with_exit
from picojoule.networks.exit import exit_of, log_odds, steps_of
from picojoule.readout import READOUTS, SO_FAR, after_each_step
from stream_cases import flat


@pytest.mark.parametrize("name", SO_FAR)
def test_what_a_readout_says_after_each_step_is_what_it_says_of_these_steps(name):
    out = torch.randn(5, 3, 4)
    told = after_each_step(name, out)
    for step in range(5):
        torch.testing.assert_close(told[step], READOUTS[name](out[: step + 1], None))
    with pytest.raises(ValueError, match="readout 'means'"):
        after_each_step("means", out)


def test_it_is_sure_from_a_probability_on():
    scores = torch.tensor([[0.0, 1.0, 3.0], [2.0, 0.0, 0.0]])
    torch.testing.assert_close(log_odds(scores).sigmoid(), scores.softmax(-1).amax(-1))
    out = torch.tensor([[0.5, 0.1], [1.5, 0.1], [0.1, 0.1]]).unsqueeze(-1) * torch.tensor([1.0, 0])
    found = pj.Exit(0.8, readout="last")  # log odds of 1.39
    assert found.steps(found.scores(out)).tolist() == [2, 3]
    assert found.steps(found.scores(out), torch.tensor([1, 2])).tolist() == [1, 2]
    assert found.sure == pytest.approx(0.8)


@PLACES
def test_it_is_causal_and_each_sample_is_as_if_alone(case):
    net, x = with_exit(case)
    steps = steps_of(net, x)
    out, _ = net(x, lengths=steps)
    for sample, count in enumerate(steps.tolist()):
        alone = x[:, sample : sample + 1]
        assert steps_of(net, alone).tolist() == [count]
        if case.static:
            short = net(alone)[0][:count]
        else:
            changed = alone.clone()
            changed[count:] = 1 - changed[count:]
            assert steps_of(net, changed).tolist() == [count]
            short, _ = net(alone[:count])
        torch.testing.assert_close(short[:, 0], out[:count, sample], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", SEQUENCES, ids=lambda case: case.title)
@pytest.mark.parametrize("readout", SO_FAR)
def test_a_stream_says_at_the_same_step_that_it_is_sure(case, readout):
    net, x = with_exit(case, readout=readout)
    steps = steps_of(net, x)
    run = pj.stream(net)
    assert run.sure is None
    assert run.scores is None
    out, going = [], []
    for step in x:
        out.append(run(step))
        going.append(~run.sure)
    ran = torch.stack(going).sum(0) + 1
    assert torch.equal(ran.clamp(max=len(x)), steps)
    expected, _ = net(x, lengths=steps)
    torch.testing.assert_close(torch.stack(out), expected, rtol=1e-4, atol=1e-5)
    scores = READOUTS[readout](expected, steps)
    torch.testing.assert_close(run.scores, scores, rtol=1e-4, atol=1e-5)
    run.reset()
    assert run.sure is None
    torch.testing.assert_close(run(x[0]), out[0])


def test_a_stream_does_nothing_more_once_all_are_sure():
    net, x = with_exit(SEQUENCES[0])
    net.exit.odds.fill_(-9)
    run = pj.stream(net)
    run(x[0])
    assert run.sure.all()
    before = flat(run.state)
    assert not run(x[1]).any()
    assert all(map(torch.equal, before, flat(run.state)))


def test_a_meter_around_a_stream_counts_the_steps_that_each_sample_ran():
    net, x = with_exit(SEQUENCES[2])
    steps = steps_of(net, x)
    with pj.Meter(net, samples=5, inputs="events") as whole:
        net(x, lengths=steps)
    run = pj.stream(net)
    with pj.Meter(net, samples=5, inputs="events") as single:
        for step in x:
            run(step)
    for layer, counts in whole.counts.items():
        for name, value in counts.items():
            torch.testing.assert_close(getattr(single.counts[layer], name), value)


def test_it_travels_with_the_network():
    net, x = with_exit(SEQUENCES[0])
    for again in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(steps_of(again, x), steps_of(net, x))
    assert "exit.odds" in net.state_dict()
    assert "Exit(sure=" in repr(net)
    assert exit_of(SEQUENCES[0].make()) is None
    assert steps_of(SEQUENCES[0].make(), x) is None


@pytest.mark.parametrize(
    ("sure", "readout", "said"),
    [
        (1.0, "mean", "probability between 0 and 1, got 1.0"),
        (float("nan"), "mean", "probability between 0 and 1"),
        (0.5, "men", "readout 'men': did you mean 'mean'"),
    ],
)
def test_bad_options(sure, readout, said):
    with pytest.raises(ValueError, match=said):
        pj.Exit(sure, readout=readout)


def test_no_place():
    net = pj.Sequential(nn.Linear(4, 1), pj.LI(), pj.Exit()).eval()
    with pytest.raises(ValueError, match="has one output"):
        steps_of(net, torch.rand(5, 2, 4))


def test_a_sequence_of_one_step_ends_with_it():
    net = pj.Sequential(nn.Linear(4, 3), pj.LI(), pj.Exit()).eval()
    assert steps_of(net, torch.rand(1, 2, 4)).tolist() == [1, 1]
