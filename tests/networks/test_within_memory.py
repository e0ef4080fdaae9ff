"""A network that no memory holds is refused before any is taken."""

import pytest
from torch import nn

import picojoule as pj
from picojoule.networks.within_memory import available, within_memory
from picojoule.recipe import load_recipe
from picojoule.run import start
from picojoule.run.build import copies
from picojoule.run.folder import Machine

WIDE = {"mlp": (1, 8, 8), "keyword": (20,), "cnn": (1, 8, 8), "vgg11": (3, 32, 32)}


@pytest.fixture
def there(monkeypatch):
    """Sets the memory that the system says is free."""
    return lambda size: monkeypatch.setattr(
        "picojoule.networks.within_memory.available", lambda: size
    )


@pytest.mark.parametrize("name", WIDE)
def test_a_width_that_no_memory_holds_is_refused_before_it_is_taken(name, there, monkeypatch):
    there(1 << 20)
    made = []
    draw = nn.init.kaiming_uniform_

    def drawn(*args, **options):
        made.append(draw(*args, **options))
        return made[-1]

    monkeypatch.setattr(nn.init, "kaiming_uniform_", drawn)
    with pytest.raises(
        ValueError, match=rf"'{name}' does not fit into memory \(it takes [\d,.]+ GiB"
    ):
        pj.networks.network(name, inputs=WIDE[name], classes=10, width=3_000)
    assert all(weight.numel() < 3_000**2 for weight in made)  # what is too large is not filled


def test_all_weights_of_a_block_count_and_none_after_it(there):
    there(4 * (20 + 30))
    with within_memory():
        nn.Linear(4, 5, bias=False)
        nn.Linear(5, 6, bias=False)
        with pytest.raises(MemoryError, match="are free"):
            nn.Linear(1, 1, bias=False)
    nn.Linear(100, 100)
    there(4 * 60)
    with within_memory(copies=3), pytest.raises(MemoryError, match="are free"):
        nn.Linear(4, 6, bias=False)


def test_where_the_system_does_not_say_what_is_free_all_is_made(there):
    there(None)
    with within_memory():
        assert nn.Linear(10, 10).weight.isfinite().all()


def test_a_training_needs_more_than_its_weights(there, tmp_path):
    recipe = load_recipe("digits", ["network.width=400"])  # 190,000 weights
    there(1_000_000)
    pj.networks.network("mlp", inputs=(1, 8, 8), classes=10, width=400)
    with pytest.raises(ValueError, match=r"does not fit into memory .*choose smaller options"):
        start(recipe, out=tmp_path / "run", machine=Machine(accelerator="cpu"))
    assert not (tmp_path / "run").exists()
    assert copies(recipe, Machine(accelerator="cpu")) == 4
    assert copies(load_recipe("digits", ["train.optimizer=sgd"]), Machine(accelerator="cpu")) == 3
    assert copies(recipe, Machine(accelerator="cuda")) == 1


def test_the_system_says_what_is_free():
    found = available()
    assert found is None or found > 1 << 20
