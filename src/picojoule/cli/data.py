"""``pj data``: list the data sets, get one."""

from typing import Annotated

import typer

from picojoule.cli.console import OUT, say

data_app = typer.Typer(no_args_is_help=True, help="Data sets: list them, get one.")


@data_app.command("list")
def data_list() -> None:
    """List the data sets, with licence and citation, and where decoded data are kept."""
    from picojoule.cli import show
    from picojoule.data import cache_folder

    OUT.print(show.data_sets())
    say(f"decoded data are kept in {cache_folder()} (PICOJOULE_CACHE); it may be deleted")


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="Name of a data set.")],
    data_dir: Annotated[str, typer.Option(help="Where to put it.", metavar="DIR")],
) -> None:
    """Download a data set once, and check it."""
    from picojoule.data import dataset, get

    place = get(name, data_dir)
    if dataset(name).format == "bundled":
        say(f"{name} comes with an installed package: nothing to fetch")
    else:
        say(f"{name} is in {place}")
