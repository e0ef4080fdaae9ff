"""``pj data``: list the data sets, show one, get one."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from picojoule.cli import completion
from picojoule.cli.command_options import AsJson
from picojoule.cli.console import OUT, say, say_json
from picojoule.cli.single import SingleCommand

if TYPE_CHECKING:
    from picojoule.data import Dataset

data_app = typer.Typer(no_args_is_help=True, help="Data sets: list them, show one, get one.")


Name = Annotated[
    str, typer.Argument(help="Name of a data set.", autocompletion=completion.data_sets)
]


@data_app.command("list", cls=SingleCommand)
def data_list(as_json: AsJson = False) -> None:
    """List the data sets, and where decoded data are kept."""
    from picojoule.cli import show
    from picojoule.data import DATASETS, cache_folder

    if as_json:
        sets = [_content(one) for one in DATASETS.values()]
        say_json({"data": sets, "cache": str(cache_folder())})
        return
    OUT.print(show.data_sets())
    say("pj data show NAME: address, checksum, licence, citation, splits, mean and deviation")
    say(f"decoded data are kept in {cache_folder()} (PICOJOULE_CACHE); it may be deleted")


@data_app.command("show", cls=SingleCommand)
def data_show(name: Name, as_json: AsJson = False) -> None:
    """Show a data set: its source, licence, citation and contents."""
    from picojoule.cli import show
    from picojoule.data import dataset

    if as_json:
        say_json(_content(dataset(name)))
        return
    OUT.print(show.data_set(dataset(name)))


@data_app.command("get", cls=SingleCommand)
def data_get(
    name: Name,
    data_dir: Annotated[str, typer.Option(help="Folder of the data sets.", metavar="DIR")],
    again: Annotated[
        bool, typer.Option("--again", help="Download again what is there already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Download a data set once, and check it."""
    from picojoule.data import dataset, get

    place = get(name, data_dir, again=again)
    if as_json:
        say_json({"name": dataset(name).name, "folder": str(place)})
    elif dataset(name).format == "bundled":
        say(f"{name} comes with an installed package: nothing to fetch")
    else:
        say(f"{name} is in {place}")


def _content(one: "Dataset") -> dict[str, Any]:
    """Returns what a data set's file says, and the number of its classes."""
    splits = one.splits and one.splits._asdict()
    told = {"classes": one.classes, "sizes": one.sizes._asdict(), "splits": splits}
    return dataclasses.asdict(one) | told
