"""``pj chips``: list the chips, show one, check a file of your own."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from picojoule.cli import completion
from picojoule.cli.command_options import AsJson
from picojoule.cli.console import ERR, OUT, say, say_json
from picojoule.cli.single import SingleCommand

if TYPE_CHECKING:
    from picojoule.energy import Chip

chips_app = typer.Typer(
    invoke_without_command=True, help="Chips: list them, show one's prices, check a file."
)


@chips_app.callback()
def chips(context: typer.Context, as_json: AsJson = False) -> None:
    """List the chips, show one's prices, or check a file of your own."""
    if context.invoked_subcommand is None:
        from picojoule.cli import chip_texts
        from picojoule.energy import chip_names, load_chip

        if as_json:
            say_json({"chips": [_content(load_chip(name)) for name in chip_names()]})
            return
        OUT.print(chip_texts.listed(chip_names()))
    elif as_json:
        raise ValueError(f"--json belongs after '{context.invoked_subcommand}'")


@chips_app.command("show", cls=SingleCommand)
def chips_show(
    name: Annotated[
        str, typer.Argument(help="Name or path of a chip.", autocompletion=completion.chips)
    ],
    as_json: AsJson = False,
) -> None:
    """Show one chip with every price and its source."""
    from picojoule.cli import chip_texts
    from picojoule.energy import load_chip

    if as_json:
        say_json(_content(load_chip(name)))
        return
    OUT.print(chip_texts.described(load_chip(name)))


@chips_app.command("check", cls=SingleCommand)
def chips_check(
    file: Annotated[
        str,
        typer.Argument(
            help="Path (or name) of a chip.", metavar="FILE", autocompletion=completion.chips
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Check a chip file: what it prices, or every mistake with its line and its key."""
    from picojoule._toml import key_lines, line_of
    from picojoule.cli import chip_texts
    from picojoule.energy.chips.chip_file import parse_chip, read_chip

    try:
        text, path = read_chip(file)
        chip = parse_chip(text, path)
    except ValueError as error:
        if as_json:
            say_json({"chip": None, "mistakes": str(error).splitlines(), "doubts": []})
        else:
            ERR.print(Text(str(error), style="red"), soft_wrap=True)
        raise typer.Exit(1) from None
    lines = key_lines(text)
    doubts = [
        f"{path}:{line_of(lines, keys)}: {'.'.join(keys)}: {doubt}"
        for keys, doubt in chip_texts.doubts(chip)
    ]
    if as_json:
        say_json({"chip": _content(chip), "mistakes": [], "doubts": doubts})
        return
    for line in doubts:
        ERR.print(Text(line, style="yellow"), soft_wrap=True)
    for line in chip_texts.checked(chip):
        say(line)


def _content(chip: "Chip") -> dict[str, Any]:
    """Returns what a chip's file says, and what it has no price for."""
    return {**chip.model_dump(mode="json", by_alias=True), "unpriced": list(chip.unpriced)}


def chosen(names: list[str]) -> "list[Chip]":
    """Loads the chips of those names, each once; ``all`` names every chip of the package."""
    from picojoule.energy import chip_names, load_chip

    each = [name for one in names for name in (chip_names() if one == "all" else [one])]
    return [load_chip(name) for name in dict.fromkeys(each)]
