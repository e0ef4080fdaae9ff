"""A trained network, ready for use."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from picojoule.data import Split, loader, prepared, read_unlabelled
from picojoule.energy import Chip, Convention, Meter, load_chip
from picojoule.networks.exit import steps_of
from picojoule.readout import readout
from picojoule.recipe import CHIP_FILE, Recipe
from picojoule.report import Report
from picojoule.run.build import (
    ann_steps,
    build_levers,
    build_network,
    convention_of,
    evaluation_loader,
)
from picojoule.run.damage import warn_of_damage
from picojoule.run.folder import MACHINE, RECIPE, REPORT, WEIGHTS, Folder
from picojoule.run.open_data import open_data, other_test_set
from picojoule.run.prediction import Prediction, StepPrediction
from picojoule.run.saved_weights import read_weights
from picojoule.targets import target
from picojoule.training import evaluate
from picojoule.training.exits import use_readout
from picojoule.training.randomness import fixed_randomness


@dataclass(frozen=True)
class Trained:
    """A trained network with the recipe and the report of its run.

    Attributes:
        net: The network with the chosen weights, x [T, B, ...] to out [T, B, classes] and a state;
            in evaluation mode, on the CPU.
        recipe: The recipe that it was trained by.
        report: The report of the run.
        data_dir: Folder of the data sets that the run named; None if it named none.
    """

    net: nn.Module
    recipe: Recipe
    report: Report
    data_dir: str | None = None

    @property
    def convention(self) -> Convention:
        """Convention by which the run was counted: weights that training left out are absent."""
        return convention_of(self.recipe)

    def as_limited(self, chip: Chip) -> Chip:
        """Returns a chip as the run priced it: if its power was limited, it is on between samples.

        Args:
            chip: Any chip; those of other names stay as they are.
        """
        for one in () if self.report.budget is None else self.report.budget.each:
            if one.chip == chip.name and one.rate_hz and one.sample_s:
                return chip.at_rate(one.rate_hz, sample_s=one.sample_s)
        return chip

    def predict(
        self, inputs: Tensor | Sequence[str | Path], lengths: Tensor | None = None
    ) -> list[Prediction]:
        """Predicts what was learned for each input, with its energy.

        Args:
            inputs: Pictures [N, C, H, W] in 0..1, sounds [N, S], or frames of event counts
                [N, T, ...], as in the data set; or paths of files as ``predict_file`` takes them.
            lengths: Samples of each sound, or steps of each item's frames, [N]; None if all count.

        Returns:
            One prediction for each item, in order.

        Raises:
            ValueError: If a file or a shape is not of the kind the network was trained on.
            TypeError: If they are neither, or numbers of another type.
            FileNotFoundError: If there is no such file.
        """
        if isinstance(inputs, Tensor):
            labels = torch.zeros(len(inputs), dtype=torch.int64)
            return self._predicted(Split(inputs, labels, lengths))
        listed = isinstance(inputs, Sequence) and not isinstance(inputs, str)
        if not listed or not all(isinstance(one, (str, Path)) for one in inputs):
            raise TypeError(
                "expected a tensor of items [N, ...] or a list of paths, got a "
                f"{type(inputs).__name__}: give [path], or torch.as_tensor(x) of numbers"
            )
        if not inputs:
            raise ValueError("no file to predict: give one or more")
        return [found for path in inputs for found in self.predict_file(path)]

    def predict_file(self, path: str | Path) -> list[Prediction]:
        """Predicts for each item in a file, read as the training data were.

        Args:
            path: A picture, a sound, or a file in the format of the data set (``.bin`` of N-MNIST,
                ``.aedat``, ``.h5``, IDX); or arrays, ``.npz`` of several items or ``.npy`` of one.

        Raises:
            ValueError: If the file does not hold what the network was trained on.
            FileNotFoundError: If there is no such file.
        """
        data = self.recipe.data
        split = read_unlabelled(Path(path), data.dataset, data.size, resample=data.resample)
        return self._predicted(split)

    def _predicted(self, split: Split) -> list[Prediction]:
        encoder = self.recipe.data.make_encoder()
        chip = self.as_limited(load_chip(self.recipe.budget.chip))
        batches = loader(encoder.prepare(split), encoder, batch_size=1)
        with fixed_randomness(torch.device("cpu"), []):  # as in a measurement
            return [self._predict(x, lengths, chip, encoder.kind) for x, _, lengths in batches]

    @torch.no_grad()
    def _predict(self, x: Tensor, lengths: Tensor | None, chip: Chip, kind: str) -> Prediction:
        lengths = steps_of(self.net, x, lengths)
        if lengths is not None:
            x = x[: int(lengths.max())]
        with Meter(self.net, x.shape[1], inputs=kind, convention=self.convention) as meter:
            out, _ = self.net(x, lengths=lengths)
        scores = readout(self.recipe.train.readout)(out, lengths)
        if bool(scores.isnan().any()):
            raise ValueError(
                "the network's scores for this input are not numbers (NaN), so that they are no "
                "prediction: look for values that are not finite in the input or the weights"
            )
        energy_pj = float(chip.price(meter.counts).total)
        if target(self.report.task).each_step:
            valid = scores[: len(scores) if lengths is None else int(lengths)]
            steps = tuple(self._of_step(one) for one in valid.squeeze(1))
            return Prediction(None, None, None, energy_pj, len(out), steps=steps)
        one = self._of_step(scores.squeeze(0))
        told = (one.label, one.index, one.confidence)
        return Prediction(*told, energy_pj, len(out), values=one.values)

    def _of_step(self, scores: Tensor) -> StepPrediction:
        """Reads scores [K] as a class or as numbers."""
        if target(self.report.task).own == "mse":
            return StepPrediction(values=tuple(scores.tolist()))
        confidence, index = scores.softmax(-1).max(0)
        return StepPrediction(
            label=self.recipe.data.dataset.labels[int(index)],
            index=int(index),
            confidence=float(confidence),
        )

    def measure(
        self,
        chips: Sequence[Chip],
        *,
        data_dir: str | None = None,
        data: str | Path | None = None,
        convention: Convention | None = None,
    ) -> Report:
        """Measures the test set again, also on other chips.

        Args:
            chips: The chips to price it on, each as the run did (see ``as_limited``).
            data_dir: Folder of the data sets, if it is not the run's.
            data: Folder of the user's own data, to measure their test set instead of the run's.
            convention: Convention of counting; None for that of the run.

        Returns:
            The report of the run with accuracy, counts and energies of this measurement.
        """
        if data is not None:
            test = other_test_set(self.recipe, data, self.report.task)
        else:
            test = open_data(self.recipe, data_dir or self.data_dir)[1].test
        encoder = self.recipe.data.make_encoder()
        found = evaluate(
            self.net,
            evaluation_loader(self.recipe, prepared(test, encoder)),
            readout=readout(self.recipe.train.readout),
            chips=[self.as_limited(chip) for chip in chips],
            inputs=encoder.kind,
            ann_steps=ann_steps(self.recipe),
            convention=self.convention if convention is None else convention,
        )
        again = Report.of(found)
        kept = ("recipe", "seed", "penalty", "budget", "loss", "seconds", "chosen_by")
        update = {name: getattr(self.report, name) for name in kept}
        for name in ("accuracy", "macro_f1", "mse"):
            if (before := getattr(self.report, name)) is not None:
                update[name] = before.model_copy(update={"test": getattr(again, name).test})
        return again.model_copy(update=update)


def load(run: str | Path) -> Trained:
    """Loads the network of a finished run.

    Args:
        run: Folder of the run.

    Raises:
        ValueError: If there is no run, or it is not finished, or its weights are missing or
            damaged; the message names the file.

    Example:
        >>> trained = load("runs/digits-3f2a")  # doctest: +SKIP
        >>> trained.predict(["seven.npy"])  # doctest: +SKIP
        [Prediction(label='seven', index=7, confidence=0.98, energy_pj=11812.6, steps_ran=8)]
    """
    folder = Folder(Path(run))
    report, recipe = folder.report, folder.recipe
    net = build_network(recipe)
    net.load_state_dict(read_weights(folder, net, build_levers(recipe)))
    use_readout(net, readout(recipe.train.readout))
    data_dir = folder.machine.data_dir
    warn_of_damage(folder, (RECIPE, CHIP_FILE, MACHINE, WEIGHTS, REPORT))
    return Trained(net.eval(), recipe, report, data_dir)
