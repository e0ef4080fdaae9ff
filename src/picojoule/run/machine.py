"""The devices and the data folder of a run."""

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Machine:
    """The devices and data folder of a run, which it is resumed with.

    Attributes:
        data_dir: Folder of the data sets; None if none was named.
        accelerator: Kind of device, as ``lightning_fabric.Fabric`` takes it.
        devices: Number of devices of a node, or which, as Fabric takes them.
        nodes: Number of nodes.
        strategy: Way of sharing the work, as Fabric takes it.
        precision: Precision of the numbers, as Fabric takes it.
        threads: Number of torch's threads; another number may round sums differently.
    """

    data_dir: str | None = None
    accelerator: str = "auto"
    devices: int | str = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    threads: int = field(default_factory=torch.get_num_threads)
