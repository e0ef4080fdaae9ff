"""What holds for every lever: a training ends with a plain network that can be loaded."""

import copy
from itertools import pairwise, takewhile

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

import picojoule as pj
from all_levers import CLASSES, LEVERS, events
from picojoule.training.levers import Lever, kinds, settle

LEVER = pytest.mark.parametrize("name", LEVERS)


def made(name, seed=0):
    torch.manual_seed(seed)
    return LEVERS[name]()


def trained(name, net=None, epochs=6, until=None, **options):
    """A network after a training that asks for half of the energy, and its records."""
    net = net or made(name)
    label = torch.arange(12) % CLASSES
    loader = torch.utils.data.DataLoader([(events(batch=12), label, None)] * 2, batch_size=None)
    budget = pj.EnergyBudget(200.0)
    logs = pj.train(
        net,
        loader,
        torch.optim.Adam(net.parameters(), lr=2e-2),
        criterion=nn.CrossEntropyLoss(),
        readout=pj.readout.mean,
        chip=pj.load_chip("45nm"),
        inputs="events",
        epochs=epochs,
        **{"levers": [kinds()[name](lr=0.2)], "penalty": budget} | options,
    )
    return net, list(takewhile(lambda log: not (until and log.epoch > until), logs))


def test_every_lever_is_in_the_list():
    assert kinds().keys() == LEVERS.keys()


@LEVER
def test_a_fresh_network_takes_the_weights_of_a_trained_one(name):
    net, _ = trained(name, penalty=None)
    fresh = made(name, seed=5)
    kinds()[name]().fit(fresh, net.state_dict())
    fresh.load_state_dict(net.state_dict())
    assert torch.equal(fresh.eval()(events())[0], net.eval()(events())[0])
    assert repr(fresh) == repr(net)


@LEVER
def test_a_training_that_was_cut_off_ends_the_same(name, tmp_path):
    net, logs = trained(name, epochs=4)
    trained(name, epochs=4, until=2, checkpoint=tmp_path)
    again, rest = trained(name, made(name, seed=5), epochs=4, checkpoint=tmp_path)
    assert rest[0].epoch == 3
    assert rest[-1].history == logs[-1].history
    found = again.state_dict()
    assert found.keys() == net.state_dict().keys()
    assert all(torch.equal(one, found[key]) for key, one in net.state_dict().items())


@LEVER
def test_the_network_is_plain_in_the_end(name):
    net, _ = trained(name, penalty=None)
    ours = {"picojoule.networks", "picojoule.neurons", "torch.nn"}
    for module in net.modules():
        assert not parametrize.is_parametrized(module)
        assert any(type(module).__module__.startswith(room) for room in ours)
        assert "present" not in vars(module)
    assert torch.equal(copy.deepcopy(net)(events())[0], net(events())[0])


@LEVER
def test_it_learns_at_its_own_rate_and_as_the_weights_slow_down(name):
    net = made(name)
    lever = kinds()[name]()
    learned = lever.attach(net)
    assert learned
    assert all(one.requires_grad for one in learned)
    everywhere = {id(one) for one in net.parameters()}
    assert {id(one) for one in learned} <= everywhere
    paces = [lever.pace(done / 10) for done in range(10)]
    assert paces[0] == 1
    assert all(0 <= after <= before for before, after in pairwise(paces))


@LEVER
def test_an_optimizer_made_before_moves_nothing_that_a_lever_learns(name):
    net = made(name)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0, weight_decay=0.1)
    learned = kinds()[name]().attach(net)
    before = [one.detach().clone() for one in learned]
    net(events())[0].square().sum().backward()
    optimizer.step()
    for one, start in zip(learned, before, strict=True):
        assert torch.equal(one, start)


@LEVER
def test_the_same_lever_twice_and_what_is_no_lever_are_refused(name):
    kind = kinds()[name]
    with pytest.raises(ValueError, match=f"the lever {name} is there twice: give each once"):
        trained(name, levers=[kind(), kind()])
    with pytest.raises(TypeError, match=rf"expected levers such as pj.Gates\(\), got {name}: <cl"):
        trained(name, levers=[kind])
    with pytest.raises(
        TypeError, match=rf"expected a sequence of levers, got {name}: give \({name}\(\),\)"
    ):
        trained(name, levers=kind())


class Never(Lever):
    """A lever that no network has a place for."""

    def attach(self, net):
        raise ValueError("never")

    def decided(self, net):
        raise NotImplementedError


@LEVER
def test_a_training_that_is_refused_leaves_the_network_as_it_was(name):
    net = made(name)
    said, held = repr(net), list(net.named_parameters())
    with pytest.raises(ValueError, match="never"):
        trained(name, net, levers=[kinds()[name](), Never()])
    assert repr(net) == said
    for (before, one), (after, other) in zip(held, net.named_parameters(), strict=True):
        assert before == after
        assert one is other
    assert torch.equal(copy.deepcopy(net)(events())[0], net(events())[0])


@LEVER
def test_neurons_go_on_running_in_one_loop(name):
    _, logs = trained(name, epochs=2)
    assert not [how for how in logs[-1].history[-1].engines.values() if how.startswith("eager")]


@LEVER
def test_weights_of_another_network_change_nothing_by_surprise(name):
    net = made(name)
    kinds()[name]().fit(net, {"0.weight": torch.zeros(2, 2), "1.threshold": torch.zeros(0, 3)})
    assert net(events())[0].shape[-1] == CLASSES


@LEVER
def test_a_network_without_a_place_is_refused_by_what_could_be_one(name):
    with pytest.raises(ValueError, match=r"no place in this network|need a picojoule Sequential"):
        kinds()[name]().attach(pj.Sequential(nn.Flatten()))


class TestThresholds:
    @pytest.mark.parametrize("neuron", [pj.LIF, pj.ALIF, pj.BRF, pj.AdLIF, pj.CubaLIF, pj.LNM])
    def test_every_constant_moves_and_is_constant_again(self, neuron):
        torch.manual_seed(0)
        net = pj.network("keyword", inputs=(6,), classes=3, neuron=neuron, width=9)
        before = {name: one.clone() for name, one in net.state_dict().items()}
        learning = {name: one.requires_grad for name, one in net.named_parameters()}
        trained("Thresholds", net, levers=[pj.Thresholds()], penalty=None)
        for name, one in net.named_parameters():
            moved = not torch.equal(one, before[name])
            assert moved, name
            assert one.requires_grad == learning[name]
            if moved and not one.requires_grad:  # by some hundredths of its size in each step
                share = (one - before[name]).abs().mean() / before[name].abs().mean()
                assert 0 < float(share) < 0.2, name

    def test_shared_constants_become_those_of_each_neuron_or_channel(self):
        inner = pj.Recurrent(pj.Mixture({"lif": 4, "brf": 3}, 7, dt=1e-2), 7)
        net = pj.Sequential(
            nn.Conv2d(1, 4, 3), pj.LIF(), nn.Flatten(), nn.Linear(16, 7), inner, nn.Linear(7, 3)
        )
        whole = copy.deepcopy(net).eval()
        pj.Thresholds().attach(net)
        assert net.get_parameter("1.tau").shape == net.get_parameter("1.threshold").shape == (4,)
        assert net.get_parameter("4.neuron.kinds.lif.tau").shape == (4,)
        assert net.get_parameter("4.neuron.kinds.brf.omega").shape == (3,)
        x = torch.rand(5, 2, 1, 4, 4)
        assert torch.equal(net.eval()(x)[0], whole(x)[0])

    def test_residual_blocks_too(self):
        net = pj.network(
            "resnet18", inputs=(1, 8, 8), classes=3, width=4, neuron=lambda size: pj.LIF()
        )
        assert all(one.shape for one in pj.Thresholds().attach(net))

    def test_where_the_number_of_neurons_is_not_known_they_go_on_sharing(self):
        shared = pj.LIF()
        net = pj.Sequential(nn.Linear(6, 4), shared, nn.Linear(4, 5), shared, nn.Linear(5, 3))
        assert [one.dim() for one in pj.Thresholds().attach(net)] == [0, 0]
        assert net(events())[0].shape[-1] == 3
        net = nn.Sequential(pj.LIF())
        assert [one.dim() for one in pj.Thresholds().attach(net)] == [0, 0]

    def test_what_learns_already_is_left_to_the_weights(self):
        net = pj.Sequential(nn.Linear(6, 4), pj.PLIF(), nn.Linear(4, 3))
        learned = pj.Thresholds().attach(net)
        assert [one.shape for one in learned] == [(4,)]
        assert net.get_parameter("1.threshold") is learned[0]

    def test_rates_are_in_the_unit_of_each_constant(self):
        lever = pj.Thresholds(lr=0.1)
        net = pj.Sequential(nn.Linear(6, 4), pj.LIF(tau=20e-3, threshold=2.0))
        rates = sorted(lever.rate(one) for one in lever.attach(net))
        assert rates == pytest.approx([0.002, 0.2])


class TestKinds:
    def net(self):
        """A network that has learned mixtures, each with neurons of all kinds and of none."""
        net, draw = made("Kinds"), torch.Generator().manual_seed(3)
        for layer in (net[0], net[2], net[4]):
            layer.weight.data.add_(0.3)
        gates = [gate for layer in (net[1].neuron, net[3]) for gate in layer.gates.values()]
        for gate in gates:
            gate.data = torch.rand(gate.shape, generator=draw)
        return net, gates

    def counted(self, net):
        with torch.no_grad(), pj.Meter(net.eval(), inputs="events") as meter:
            out, _ = net(events())
        assert not meter.uncounted
        return out, {layer: dict(one.items()) for layer, one in meter.counts.items()}

    @torch.no_grad()
    def test_what_is_of_no_kind_costs_nothing_and_is_gone_in_the_end(self):
        net, _ = self.net()
        levers = [pj.Kinds()]
        levers[0].attach(net)
        chosen = [layer.chosen.tolist() for layer in (net[1].neuron, net[3])]
        assert all(set(one) == {0, 1, 2} for one in chosen)
        out, before = self.counted(net)
        settle(net, levers)
        again, after = self.counted(net)
        assert torch.allclose(again, out, atol=1e-5)
        assert before.keys() == after.keys()
        for layer, counts in before.items():
            told = {name: float(one) for name, one in after[layer].items()}
            assert {name: float(one) for name, one in counts.items()} == pytest.approx(told), layer
        left = [8 - one.count(2) for one in chosen]
        assert [net[0].out_features, net[2].out_features] == left
        assert [net[1].neuron.size, net[3].size] == left
        assert "off" not in net[1].neuron.counts
        assert net[1].neuron.order is None
        x = torch.zeros(5, 2, left[0])
        assert net[1].engine_for(x) == "fused"  # as the kinds lie side by side

    @torch.no_grad()
    def test_a_layer_that_is_off_as_a_whole_stays_silent(self):
        net, gates = self.net()
        for gate in gates[2::3]:
            gate.fill_(9.0)
        out = net.eval()(events())[0]
        levers = [pj.Kinds()]
        levers[0].attach(net)
        settle(net, levers)
        assert torch.equal(net.eval()(events())[0], out)
        again = made("Kinds", seed=5)
        pj.Kinds().fit(again, net.state_dict())
        again.load_state_dict(net.state_dict())
        assert torch.equal(again.eval()(events())[0], out)

    def test_the_choice_stands_after_a_share_of_the_epochs(self):
        net, after = made("Kinds"), []
        label = torch.arange(12) % CLASSES
        logs = pj.train(
            net,
            torch.utils.data.DataLoader([(events(batch=12), label, None)] * 4, batch_size=None),
            torch.optim.Adam(net.parameters(), lr=2e-2),
            criterion=nn.CrossEntropyLoss(),
            readout=pj.readout.mean,
            chip=pj.load_chip("45nm"),
            penalty=pj.FixedPrice(0.5),
            inputs="events",
            epochs=8,
            levers=[pj.Kinds(until=0.5)],
        )
        for log in logs:
            if log.history and log.epoch < 8:
                after.append(torch.cat([*net[3].gates.values()]).detach().clone())
        moves = [not torch.equal(one, other) for one, other in pairwise(after)]
        assert moves == [True] * 3 + [False] * 3

    @pytest.mark.parametrize("until", [0, 1.5, float("nan")])
    def test_shares(self, until):
        with pytest.raises(ValueError, match="until must be above 0 and at most 1"):
            pj.Kinds(until=until)

    def test_a_mixture_that_does_not_learn_is_told_how_to(self):
        net = pj.Sequential(nn.Linear(6, 4), pj.Mixture({"lif": 2, "if": 2}), nn.Linear(4, 3))
        with pytest.raises(ValueError, match=r"learned=True.* in a recipe neuron = \{ name"):
            pj.Kinds().attach(net)


def _convolutions():
    """Convolutions, recurrence and mixtures: a place for every lever."""
    mixed = pj.Mixture({"lif": 0.5, "if": 0.5}, 8, learned=True)
    recurrent = pj.Recurrent(pj.LIF(), 9)
    return pj.Sequential(
        *(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), pj.LIF(), nn.Conv2d(6, 5, 3), pj.LIF()),
        *(nn.Flatten(), nn.Linear(20, 8), mixed, nn.Linear(8, 9), recurrent),
        *(nn.Linear(9, CLASSES), pj.LI()),
    )


class TestTogether:
    NAMES = ("Gates", "Kinds", "Thresholds", "Weights")
    SKIP = pj.Convention(skip_zero_weights=True)

    def trained(self, seed=0, order=1):
        torch.manual_seed(seed)
        net = _convolutions()
        x = (torch.rand(6, 12, 2, 6, 6, generator=torch.Generator().manual_seed(1)) < 0.4).float()
        loader = torch.utils.data.DataLoader(
            [(x, torch.arange(12) % CLASSES, None)] * 2, batch_size=None
        )
        levers = [kinds()[name](lr=0.15) for name in self.NAMES[::order]]
        logs = pj.train(
            net,
            loader,
            torch.optim.Adam(net.parameters(), lr=1e-2),
            criterion=nn.CrossEntropyLoss(),
            readout=pj.readout.mean,
            chip=pj.load_chip("45nm"),
            penalty=pj.FixedPrice(0.5),
            validation=loader,
            inputs="events",
            convention=self.SKIP,
            levers=levers,
            epochs=8,
        )
        return net, x, list(logs)[-1]

    @pytest.mark.parametrize("order", [1, -1])
    def test_the_smaller_network_gives_the_same_at_the_energy_that_was_validated(self, order):
        whole = sum(one.numel() for one in _convolutions().parameters())
        net, x, last = self.trained(order=order)
        with torch.no_grad(), pj.Meter(net.eval(), inputs="events", convention=self.SKIP) as meter:
            out, _ = net(x)
        energy = pj.load_chip("45nm").price(meter.counts).total
        assert float(energy) == pytest.approx(last.chosen.energy_pj)
        assert sum(one.numel() for one in net.parameters()) < whole
        assert (net.get_parameter("0.weight") == 0).any()
        torch.manual_seed(5)
        fresh = _convolutions()
        for name in self.NAMES[::-1]:
            kinds()[name]().fit(fresh, net.state_dict())
        fresh.load_state_dict(net.state_dict())
        assert torch.equal(fresh.eval()(x)[0], out)
        steps = pj.stream(fresh)
        assert torch.allclose(torch.stack([steps(step).clone() for step in x]), out, atol=1e-5)


@pytest.mark.parametrize("between", [nn.Flatten(), nn.Sequential(nn.Flatten())])
def test_neurons_behind_flattened_maps_are_no_channels(between):
    layers = [nn.Conv2d(1, 4, 3), between, pj.LIF(16), nn.Linear(16, 5), pj.LIF(), nn.Linear(5, 3)]
    net = pj.Sequential(*layers)
    gates = pj.Gates().attach(net)
    assert sorted(one.numel() for one in gates) == [5]
    assert net(torch.rand(5, 2, 1, 4, 4))[0].shape[-1] == 3
