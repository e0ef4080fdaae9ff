"""Layers of several kinds, given and learned."""

import copy
import pickle
from functools import partial

import pytest
import torch
from torch import nn

from picojoule.energy import Chip, Meter, Price
from picojoule.networks import Sequential
from picojoule.neurons import (
    ALIF,
    BRF,
    IF,
    LI,
    LIF,
    Barrier,
    Mixture,
    MultiLevelIF,
    Neuron,
    Recurrent,
    detach,
    scan,
)
from picojoule.surrogate import ATan

T, B, N = 12, 3, 8


class Twin(Neuron):
    """A leaky integrator of another type."""

    cost = LIF.cost

    def __init__(self, size=None, *, dt=1e-3):
        super().__init__()
        self.threshold = LIF(size).threshold
        self.dt = dt

    def init_state(self, current):
        return LIF().init_state(current)

    def step(self, current, state):
        v = 0.951229424500714 * state.membrane + current
        spikes = ATan()(v - self.threshold)
        return spikes, state._replace(membrane=v * (1 - spikes.detach()))


def drive(*feature, steps=T, size=N):
    return torch.rand(steps, B, size, *feature) * 0.6 - 0.1


def chip(spike, second=None, **prices):
    """Prices by type of neuron, in pJ and pW."""
    by_type = {
        "spike": {name: Price(pj=pj, source="a test") for name, pj in spike.items()},
        "second": {name: Price(pj=pj, source="a test") for name, pj in (second or {}).items()},
        **{name: Price(pj=pj, source="a test") for name, pj in prices.items()},
    }
    return Chip(
        name="test",
        description="of a test",
        node="none",
        precision="none",
        evidence="estimated",
        price={count: entry for count, entry in by_type.items() if entry},
    )


def learned(*kinds, size=N):
    share = 1 / len(kinds)
    return Mixture(dict.fromkeys(kinds, share), size, learned=True)


def choose(mixture, choice):
    """Sets the gates so that neuron n is of kind ``choice[n]``."""
    for k, gate in enumerate(mixture.gates.values()):
        gate.data = torch.tensor([3.0 if k == one else 0.2 * k for one in choice])


def spikes(meter, layer):
    return meter.counts[layer].spike.item() * meter.samples


class TestPlain:
    def test_each_kind_runs_on_its_own_neurons(self):
        x = drive()
        out, state = Mixture({"lif": 0.75, "if": 0.25}, N)(x)
        lif, end = LIF()(x[:, :, :6])
        last, rest = IF()(x[:, :, 6:])
        assert torch.equal(out, torch.cat([lif, last], 2))
        assert torch.equal(state.kinds[0].membrane, end.membrane)
        assert torch.equal(state.kinds[1].membrane, rest.membrane)
        assert state.fired == ()

    @pytest.mark.parametrize(
        ("kinds", "size", "counts"),
        [
            ({"lif": 0.75, "brf": 0.25}, 8, {"lif": 6, "brf": 2}),
            ({"lif": 0.75, "brf": 0.25}, 6, {"lif": 5, "brf": 1}),  # 4.5 and 1.5: the first
            ({"lif": 0.5, "if": 0.3, "brf": 0.2}, 7, {"lif": 4, "if": 2, "brf": 1}),
            ({LIF: 96, BRF: 32}, None, {"lif": 96, "brf": 32}),
            ({LIF: 96, BRF: 32}, 128, {"lif": 96, "brf": 32}),
            ({partial(LIF, tau=5e-3): 2, LIF: 1, "LIF": 4}, 7, {"lif": 2, "lif2": 1, "lif3": 4}),
        ],
    )
    def test_shares_and_numbers(self, kinds, size, counts):
        mixture = Mixture(kinds, size)
        assert mixture.counts == counts
        assert mixture.size == sum(counts.values())
        assert list(mixture.kinds) == list(counts)

    def test_channels(self):
        x = drive(4, 5)
        out, _ = Mixture({"lif": 6, "if": 2})(x)
        assert torch.equal(out[:, :, 6:], IF()(x[:, :, 6:])[0])

    def test_one_clock(self):
        assert Mixture({"lif": 1, "brf": 1}, dt=4e-3).kinds["brf"].dt == 4e-3
        assert Mixture({"lif": 1, "brf": 1}).dt == 1e-3
        mixed = Mixture({partial(LIF, dt=4e-3): 1, "brf": 1}, dt=4e-3)
        assert {kind.dt for kind in mixed.kinds.values()} == {mixed.dt} == {4e-3}

    def test_levels_where_one_kind_has_levels(self):
        assert Mixture({"lif": 1, "if": 1}).output == "events"
        assert Mixture({"lif": 1, MultiLevelIF: 1}).output == "levels"

    def test_cost_is_at_most_that_of_any_kind(self):
        cost = Mixture({"lif": 1, "alif": 1, "if": 1}).cost
        kinds = (LIF.cost, ALIF.cost, IF.cost)
        assert cost.adds == max(kind.adds for kind in kinds)
        assert cost.states == max(kind.states for kind in kinds)

    @pytest.mark.parametrize("inside", [False, True], ids=["alone", "recurrent"])
    def test_kinds_are_counted_each_under_its_own_type(self, inside):
        mixture = Mixture({"lif": 0.75, "alif": 0.25}, N)
        layer = Recurrent(mixture, N) if inside else mixture
        net = Sequential(nn.Linear(N, N), layer, nn.Linear(N, 2))
        nn.init.eye_(net[0].weight)
        out, _ = layer(net[0](x := drive()))
        with Meter(net) as meter:
            net(x)
        counts = meter.counts
        assert "1" not in counts
        assert spikes(meter, "1.lif") == out[:, :, :6].sum() > 0
        assert spikes(meter, "1.alif") == out[:, :, 6:].sum() > 0
        assert counts["1.lif"].update == 6 * T
        assert counts["1.alif"].update == 2 * T
        assert counts["1.lif"].multiply == 6 * T * LIF.cost.multiplies
        assert counts["1.alif"].add == 2 * T * ALIF.cost.adds
        assert counts["1.alif"].sizes.neuron == "ALIF"
        assert counts["1.alif"].sizes.potentials == 2
        assert counts["2"].ac * B == out.sum() * 2
        assert ("1.recurrent" in counts) == inside
        assert meter.uncounted == {}
        energy = chip({"LIF": 2.0, "ALIF": 100.0}).price(counts)
        lif, alif = (energy.by_layer[name].item() * B for name in ("1.lif", "1.alif"))
        assert lif == pytest.approx(2 * spikes(meter, "1.lif"))
        assert alif == pytest.approx(100 * spikes(meter, "1.alif"))
        energy.total.backward()
        assert net[0].weight.grad.any()

    def test_levels_and_events_count_each_as_what_they_are(self):
        mixture = Mixture({"lif": 2, MultiLevelIF: 2})
        net = Sequential(mixture, nn.Linear(4, 3, bias=False))
        with Meter(net) as meter:
            net(x := drive(size=4) * 4)
        out, _ = mixture(x)
        assert out[:, :, 2:].max() > 1
        assert spikes(meter, "0.multilevelif") == out[:, :, 2:].sum()
        assert meter.counts["1"].ac * B == out.sum() * 3
        kinds = {call.layer: call.kind.name for call in meter.traffic if call.fired}
        assert kinds == {"0.lif": "events", "0.multilevelif": "levels"}

    def test_steps_after_the_end_count_nothing(self):
        net = Sequential(nn.Linear(N, N), Mixture({"lif": 0.5, "if": 0.5}, N), nn.Linear(N, 2))
        lengths, x = torch.tensor([4, 9, T]), drive()
        with Meter(net) as meter:
            net(x, lengths=lengths)
        single = []
        for sample, length in enumerate(lengths):
            with Meter(net) as alone:
                net(x[:length, sample : sample + 1])
            single.append(alone.counts)
        for layer in ("1.lif", "1.if"):
            for count in ("spike", "update", "second"):
                total = sum(getattr(counts[layer], count).item() for counts in single)
                assert getattr(meter.counts[layer], count).item() * B == pytest.approx(total)

    def test_goes_on_from_a_state_bit_for_bit(self):
        layer, x = Recurrent(Mixture({"lif": 0.5, "alif": 0.5}, N), N), drive()
        whole, _ = layer(x)
        first, state = layer(x[:5])
        second, _ = layer(x[5:], detach(state))
        assert torch.equal(torch.cat([first, second]), whole)

    def test_a_state_of_other_kinds_is_refused(self):
        _, state = Mixture({"lif": 4, "if": 4})(drive())
        with pytest.raises(ValueError, match="the state is of"):
            Mixture({"lif": 3, "if": 5})(drive(), state)
        with pytest.raises(ValueError, match="the state is of"):
            Mixture({"lif": 3, "if": 3, "alif": 2})(drive(), state)

    @pytest.mark.parametrize(
        ("kinds", "size", "words"),
        [
            ({}, 3, "above zero"),
            ({"lif": 0.5, "if": -0.5}, 4, "above zero"),
            ({"lif": True}, 1, "above zero"),
            ({"lif": 0.5, "if": 0.4}, 4, "shares that sum to one"),
            ({"lif": 0.5, "if": 0.5}, None, "with size="),
            ({"lif": 3, "if": 1}, 5, "sum to 4, and size is 5"),
            ({"lif": 0.9, "if": 0.1}, 3, r"leave a kind without one: \[3, 0\]"),
            ({"lfi": 1}, None, "unknown neuron 'lfi': did you mean"),
            ({"lif": 1, LI: 1}, None, "analog"),
            ({"lif": 1, partial(LIF, dt=2e-3): 1}, None, "dt=0.002, the layer 0.001"),
        ],
    )
    def test_bad_kinds_are_refused(self, kinds, size, words):
        with pytest.raises(ValueError, match=words):
            Mixture(kinds, size)

    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            (LIF(3), "or what makes one, got LIF"),
            (3, "or what makes one, got 3"),
            (lambda size: Recurrent(LIF(), size), r"Recurrent\(Mixture"),
            (lambda size: Mixture({"lif": size}), r"Recurrent\(Mixture"),
            (lambda size: nn.Linear(size, size), "made a Linear"),
        ],
    )
    def test_what_is_no_kind_is_refused(self, kind, words):
        with pytest.raises(TypeError, match=words):
            Mixture({kind: 3})

    def test_recurrent_refuses_a_mixture_of_another_size(self):
        with pytest.raises(ValueError, match="size 7"):
            Recurrent(Mixture({"lif": 4, "if": 4}), 7)

    def test_noise_for_ten_thousand_steps_stays_a_number(self):
        with torch.no_grad():
            mixture = Mixture({"lif": 4, "brf": 2, "lnm": 1, "alif": 1})
            out, _ = mixture(torch.randn(10_000, 1, 8))
        assert out.isfinite().all()


class TestLearned:
    def test_starts_as_the_plain_mixture_and_undecided(self):
        x = drive()
        mixture = learned("lif", "if")
        assert torch.equal(mixture(x)[0], Mixture({"lif": 0.5, "if": 0.5}, N)(x)[0])
        assert mixture.counts == {"lif": 4, "if": 4, "off": 0}
        shares = torch.stack(list(mixture.gates.values())).softmax(0)
        assert shares.min() > 0.3
        assert shares.max() < 0.4

    def test_a_neuron_is_of_the_kind_it_chose(self):
        mixture, x = learned("lif", "alif"), drive()
        choice = [0, 1, 2, 1, 0, 2, 1, 0]
        choose(mixture, choice)
        out, _ = mixture(x)
        runs = [LIF()(x)[0], ALIF()(x)[0], torch.zeros_like(x)]
        for n, k in enumerate(choice):
            assert torch.equal(out[:, :, n], runs[k][:, :, n])
        assert mixture.counts == {"lif": 3, "alif": 3, "off": 2}

    def test_gates_learn_from_kinds_that_were_not_chosen(self):
        mixture, x = learned("lif", "if"), drive()
        out, _ = mixture(x)
        out.sum().backward()
        fired = torch.stack([LIF()(x)[0], IF()(x)[0], torch.zeros_like(x)]).sum((1, 2))
        shares = torch.stack(list(mixture.gates.values())).softmax(0).detach()
        expected = shares * (fired - (shares * fired).sum(0))
        for gate, gradient in zip(mixture.gates.values(), expected, strict=True):
            assert torch.allclose(gate.grad, gradient, atol=1e-5)

    def test_step_by_step_is_the_whole(self):
        mixture, x = learned("lif", "alif"), drive()
        out, state = mixture(x)
        other, last = scan(mixture, x, engine="eager")
        assert torch.equal(out, other)
        assert torch.equal(torch.stack(state.fired), torch.stack(last.fired))
        assert torch.equal(state.fired[0], LIF()(x)[0].sum(0))

    @pytest.mark.parametrize("inside", [False, True], ids=["alone", "recurrent"])
    @pytest.mark.parametrize("stream", [False, True], ids=["from rest", "from a state"])
    def test_every_kind_costs_what_a_neuron_would_have_cost_as_it(self, inside, stream):
        """Gradients of the price to the gates, against spikes of each kind counted apart."""
        mixture, x = learned("lif", "if").double(), drive().double()
        choose(mixture, [0, 1, 2, 1, 0, 2, 1, 0])
        mixture.double()
        layer = mixture
        if inside:
            layer = Recurrent(mixture, N).double()
            layer.weight.data.zero_()
        net = Sequential(nn.Linear(N, N, bias=False).double(), layer)
        nn.init.eye_(net[0].weight)
        start = net(drive().double())[1] if stream else None
        with Meter(net) as meter:
            net(x, start)
        prices, watts = {"LIF": 2.0, "IF": 70.0}, {"LIF": 1000.0, "IF": 30.0}
        energy = chip(prices, watts).price(meter.counts)
        energy.total.backward()

        state = None if start is None else start[1].inner if inside else start[1]
        fired = []
        for k, kind in enumerate((LIF(), IF())):
            out, _ = kind.double()(x, None if state is None else detach(state).kinds[k])
            fired.append(out.sum((0, 1)).detach())
        seconds = B * T * 1e-3
        costs = (
            torch.stack(
                [
                    2.0 * fired[0] + 1000 * seconds,
                    70.0 * fired[1] + 30 * seconds,
                    torch.zeros(N, dtype=torch.float64),
                ]
            )
            / B
        )
        shares = torch.stack(list(mixture.gates.values())).softmax(0).detach()
        expected = shares * (costs - (shares * costs).sum(0))
        for gate, gradient in zip(mixture.gates.values(), expected, strict=True):
            assert torch.allclose(gate.grad, gradient, rtol=1e-9, atol=1e-9)
        chosen = costs.gather(0, torch.tensor([[0, 1, 2, 1, 0, 2, 1, 0]])).sum()
        assert energy.total.item() == pytest.approx(chosen.item())

    def test_spikes_get_the_price_of_the_kind_that_fired(self):
        mixture = learned("lif", "if")
        choose(mixture, [0] * 4 + [1] * 4)
        x = drive().requires_grad_()
        gradients = []
        for prices in ({"LIF": 1.0, "IF": 0.0}, {"LIF": 0.0, "IF": 1.0}):
            x.grad = None
            with Meter(mixture) as meter:
                mixture(x)
            chip(prices).price(meter.counts).total.backward()
            gradients.append(x.grad)
        assert gradients[0][:, :, :4].any()
        assert not gradients[0][:, :, 4:].any()
        assert not gradients[1][:, :, :4].any()
        assert gradients[1][:, :, 4:].any()

    def test_counts_are_exact_with_sequences_of_several_lengths(self):
        mixture = learned("lif", "if")
        choose(mixture, [0, 1, 2, 1, 0, 2, 1, 0])
        lengths, x = torch.tensor([4, 9, T]), drive()
        net = Sequential(mixture)
        with Meter(net, inputs="analog") as meter:
            out, _ = net(x, lengths=lengths)
        assert spikes(meter, "0.lif") == out[:, :, [0, 4, 7]].sum()
        assert spikes(meter, "0.if") == out[:, :, [1, 3, 6]].sum()
        assert meter.counts["0.lif"].update.item() * B == pytest.approx(3 * lengths.sum().item())
        chip({"LIF": 1.0, "IF": 2.0}).price(meter.counts).total.backward()
        assert all(gate.grad.isfinite().all() for gate in mixture.gates.values())

    def test_the_floor_lies_below_neurons_that_can_be_switched_off(self):
        net = Sequential(nn.Linear(N, N), learned("lif", "if"))
        with Meter(net) as meter:
            net(drive())
        energy = chip({"LIF": 1.0}, {"LIF": 10.0}).price(meter.counts)
        assert energy.floor.item() == 0 < energy.total.item()

    def test_what_training_asks_of_a_meter(self):
        net = Sequential(nn.Linear(N, N), learned("lif", "if"), nn.Linear(N, 2))
        with Meter(net) as meter:
            net(drive())
        assert meter.uncounted == {}
        assert meter.unreached == []
        assert meter.counts["2"].ac.requires_grad
        assert {call.layer for call in meter.traffic if call.fired} == {"1.lif", "1.if"}
        for call in meter.traffic:
            if call.fired:
                assert call.number().sum() == call.events.sum()


class TestCompiled:
    CHOICES = (
        [0, 1, 2, 1, 0, 2, 1, 0],
        [1, 0, 1, 0, 1, 0, 1, 0],
        [0] * 8,
        [1] * 7 + [2],
        [2] * 8,
    )

    @pytest.mark.parametrize("choice", CHOICES, ids=str)
    @pytest.mark.parametrize("feature", [(), (3, 2)], ids=["neurons", "channels"])
    def test_puts_out_the_same(self, choice, feature):
        kinds = (
            partial(LIF, tau=(5e-3, 50e-3)),
            partial(BRF, dt=1e-3, omega=(5.0, 300.0), threshold=0.01),
        )
        mixture, x = learned(*kinds), drive(*feature) * 20
        choose(mixture, choice)
        plain = mixture.compiled()
        expected, _ = mixture(x)
        out, state = plain(x)
        assert torch.equal(out, expected)
        assert plain.gates is None
        assert state.fired == ()
        assert plain.counts == {name: n for name, n in mixture.counts.items() if n}
        assert out.any() == (set(choice) != {2})
        assert torch.equal(scan(plain, x, engine="eager")[0], out)
        for twin in (copy.deepcopy(plain), pickle.loads(pickle.dumps(plain))):
            assert torch.equal(twin(x)[0], out)
            assert repr(twin) == repr(plain)

    def test_the_learned_one_is_left_as_it_was(self):
        mixture, x = learned("lif", "alif"), drive()
        choose(mixture, [0, 1, 2, 1, 0, 2, 1, 0])
        before = copy.deepcopy(mixture.state_dict())
        expected, _ = mixture(x)
        mixture.compiled()
        assert before.keys() == mixture.state_dict().keys()
        assert torch.equal(mixture(x)[0], expected)

    def test_parameters_are_those_of_the_neurons_that_are_left(self):
        kinds = (partial(LIF, tau=torch.linspace(5e-3, 40e-3, N)), Barrier)
        mixture = learned(*kinds)
        mixture.kinds["lif"].tau.requires_grad_()
        choose(mixture, [0, 1, 2, 1, 0, 2, 1, 0])
        plain = mixture.compiled()
        assert torch.equal(plain.kinds["lif"].tau, mixture.kinds["lif"].tau[[0, 4, 7]])
        assert plain.kinds["lif"].tau.requires_grad
        assert plain.kinds["barrier"].size == 3

    def test_keeps_learning(self):
        mixture, x = learned("lif", "alif"), drive()
        choose(mixture, [0, 1, 2, 1, 0, 2, 1, 0])
        plain = mixture.compiled()
        plain.kinds["lif"].tau.requires_grad_()
        x.requires_grad_()
        plain(x)[0].sum().backward()
        assert plain.kinds["lif"].tau.grad.any()
        assert (x.grad.abs().sum((0, 1)) > 0).tolist() == [k < 2 for k in [0, 1, 2, 1, 0, 2, 1, 0]]

    def test_costs_the_same_and_neurons_that_are_off_cost_nothing(self):
        layer = Recurrent(learned("lif", "alif"), N)
        choose(layer.neuron, [0, 1, 2, 1, 0, 2, 1, 0])
        x, counted = drive(), []
        net = Sequential(nn.Linear(N, N), layer, nn.Linear(N, 2))
        for _ in range(2):
            with Meter(net) as meter:
                net(x)
            counted.append(meter.counts)
            layer.neuron = layer.neuron.compiled()
        before, after = counted
        assert before.keys() == after.keys()
        for name in before:
            found = {count: n.item() for count, n in after[name].items()}
            assert found == pytest.approx({count: n.item() for count, n in before[name].items()})
        assert after["1.lif"].update == after["1.alif"].update == 3 * T
        assert after["1.lif"].second.item() == pytest.approx(3 * T * 1e-3)

    def test_a_layer_that_is_off_costs_nothing(self):
        mixture = learned("lif", "if")
        choose(mixture, [2] * N)
        net = Sequential(nn.Linear(N, N), mixture.compiled(), nn.Linear(N, 2))
        with Meter(net) as meter:
            net(drive())
        assert not any(name.startswith("1") for name in meter.counts)
        assert meter.counts["2"].ac == 0

    def test_a_plain_mixture_is_compiled_already(self):
        plain, x = Mixture({"lif": 4, "if": 4}), drive()
        assert torch.equal(plain.compiled()(x)[0], plain(x)[0])


class TestTraining:
    """A task that both kinds serve alike: the price decides."""

    def train(self, spike, second=None, weight=1.0, steps=60, **prices):
        torch.manual_seed(0)
        mixture = Mixture({LIF: 0.5, Twin: 0.5}, N, learned=True)
        net = Sequential(nn.Linear(N, N), mixture, nn.Linear(N, 2), LI())
        nn.init.eye_(net[0].weight)  # every neuron fires at first
        x = drive() * 2
        target = torch.tensor([0, 1, 0])
        priced = chip(spike, second, **prices)
        optimizer = torch.optim.Adam(net.parameters(), 0.02)
        for _ in range(steps):
            with Meter(net) as meter:
                out, _ = net(x)
            energy = priced.price(meter.counts)
            loss = nn.functional.cross_entropy(out.mean(0), target) + weight * energy.total
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return mixture, loss.item()

    @pytest.mark.parametrize(("cheap", "dear"), [("LIF", "Twin"), ("Twin", "LIF")])
    def test_spikes_move_to_the_cheaper_kind(self, cheap, dear):
        mixture, _ = self.train({cheap: 1e-4, dear: 1e-2})
        assert mixture.counts[dear.lower()] == 0
        assert mixture.counts[cheap.lower()] > 0

    @pytest.mark.parametrize(("cheap", "dear"), [("LIF", "Twin"), ("Twin", "LIF")])
    def test_neurons_move_away_from_static_power(self, cheap, dear):
        mixture, _ = self.train({}, {cheap: 1e-2, dear: 10.0})
        assert mixture.counts[dear.lower()] == 0
        assert mixture.counts[cheap.lower()] > 0

    def test_neurons_switch_off_where_they_cost_more_than_they_help(self):
        mixture, _ = self.train({}, {"LIF": 1e3, "Twin": 1e3})
        assert mixture.counts["off"] == N

    def test_without_a_price_neurons_stay_on_and_the_task_is_learned(self):
        mixture, loss = self.train({"LIF": 1.0}, weight=0.0, steps=150)
        assert mixture.counts["off"] < N
        assert loss < 0.1
