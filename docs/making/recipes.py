"""A page for each recipe, made from its file."""

from importlib import resources

from making import markdown
from picojoule.recipe import Recipe, load_recipe, recipe_names

FILES = resources.files("picojoule.recipes")
INDEX = """\
# Recipes

An experiment as data: `pj train NAME` runs one, `--set KEY=VALUE` changes any field of it, and
[your own](../runs.md) is a file like these. `pj recipes` lists them in a terminal.

"""


def pages() -> dict[str, str]:
    """The text of every page, by file name."""
    recipes = [load_recipe(name) for name in recipe_names()]
    return {f"{one.name}.md": page(one) for one in recipes} | {"README.md": index(recipes)}


def index(recipes: list[Recipe]) -> str:
    """All recipes in one table."""
    rows = [
        (f"[`{one.name}`]({one.name}.md)", one.description, one.machine, one.measured)
        for one in recipes
    ]
    return INDEX + markdown.table(("recipe", "what", "for", "measured"), rows)


def page(one: Recipe) -> str:
    """One recipe."""
    facts = (
        ("data", f"[`{one.data.name}`](../data/{one.data.name}.md)"),
        ("encoder", f"`{one.data.encoder.name}`"),
        ("network", f"[`{one.network.name}`](../networks.md)"),
        ("neuron", neuron(one)),
        ("epochs", f"{one.train.epochs}"),
        ("budget", f"{one.budget.limit or 'none'}"),
        ("chip", f"[`{one.budget.chip}`](../chips/{one.budget.chip}.md)"),
        ("meant for", one.machine),
        ("measured", one.measured or "not yet"),
    )
    return "\n\n".join(
        [
            f"# {one.name}",
            one.description,
            markdown.table(("", ""), facts),
            f"```sh\npj train {one.name}\n```",
            f"```toml\n{(FILES / f'{one.name}.toml').read_text('utf-8')}```",
            "[All recipes](README.md)\n",
        ]
    )


def neuron(one: Recipe) -> str:
    """The neurons of a recipe, each with its page."""
    kinds = one.network.neuron
    names = [kinds.name] if hasattr(kinds, "name") else [kind.name for kind in kinds]
    return ", ".join(f"[`{name}`](../neurons/{name.lower()}.md)" for name in names)
