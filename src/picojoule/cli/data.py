"""``pj data``: list the data sets, get one."""

from typing import Annotated

import typer

from picojoule.cli.console import OUT, say

data_app = typer.Typer(no_args_is_help=True, help="Data sets: list them, get one.")


@data_app.command("list")
def data_list() -> None:
    """List the data sets, with licence and citation."""
    from picojoule.cli import show

    OUT.print(show.data_sets())


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="Name of a data set.")],
    data_dir: Annotated[str, typer.Option(help="Where to put it.", metavar="DIR")],
) -> None:
    """Download a data set once, and check it."""
    from picojoule.data import get

    say(f"{name} is in {get(name, data_dir)}")
