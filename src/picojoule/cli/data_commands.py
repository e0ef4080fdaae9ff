"""``pj data``: list the data sets, show one, get one."""

from typing import Annotated

import typer

from picojoule.cli.console import OUT, say

data_app = typer.Typer(no_args_is_help=True, help="Data sets: list them, show one, get one.")


@data_app.command("list")
def data_list() -> None:
    """List the data sets, and where decoded data are kept."""
    from picojoule.cli import show
    from picojoule.data import cache_folder

    OUT.print(show.data_sets())
    say("pj data show NAME: address, checksum, licence, citation, splits, mean and deviation")
    say(f"decoded data are kept in {cache_folder()} (PICOJOULE_CACHE); it may be deleted")


@data_app.command("show")
def data_show(name: Annotated[str, typer.Argument(help="Name of a data set.")]) -> None:
    """Show a data set: its source, licence, citation and contents."""
    from picojoule.cli import show
    from picojoule.data import dataset

    OUT.print(show.data_set(dataset(name)))


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="Name of a data set.")],
    data_dir: Annotated[str, typer.Option(help="Where to put it.", metavar="DIR")],
    again: Annotated[
        bool, typer.Option("--again", help="Fetch what is there already, too: it may be damaged.")
    ] = False,
) -> None:
    """Download a data set once, and check it."""
    from picojoule.data import dataset, get

    place = get(name, data_dir, again=again)
    if dataset(name).format == "bundled":
        say(f"{name} comes with an installed package: nothing to fetch")
    else:
        say(f"{name} is in {place}")
