"""Going on with a training that was killed, so that it ends as if it had not been.

spaCy's training loop cannot start in the middle. So it goes through the earlier steps again without
learning, and then everything that training changes is put back.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.training import Example

from ..calibration.calibrate import set_calibration
from ..pipeline.component import crf_pipes
from .checkpoint import Checkpoint, ResumeError, settings_of, write_checkpoint
from .state import State, random_state, set_random_state

Evaluate = Callable[[], tuple[float, dict[str, Any]]]
# A batch, what is known about the step, and whether it is the best; None without an evaluation.
Step = tuple[Any, dict[str, Any], bool | None]


class Replay:
    """A pipeline for spaCy's `train_while_improving` that does not learn before a checkpoint. In
    these steps, the loop draws the batches again, counts and moves schedules on."""

    def __init__(self, nlp: Language, checkpoint: Checkpoint) -> None:
        """Begin with the steps before the checkpoint.

        nlp (Language): The pipeline.
        checkpoint (Checkpoint): The checkpoint.
        """
        self._nlp = nlp
        self._checkpoint = checkpoint
        self._scores = iter(checkpoint.state["scores"])
        self._is_replaying = True

    @property
    def pipeline(self) -> list[tuple[str, Any]]:
        """The components to update and their names."""
        return [] if self._is_replaying else self._nlp.pipeline

    def use_params(self, params: dict[Any, Any]) -> AbstractContextManager[None]:
        """Use other weights temporarily.

        params (dict[Any, Any]): The weights.
        RETURNS (AbstractContextManager[None]): The context in which they are used.
        """
        return self._nlp.use_params(params)

    def update(self, examples: Sequence[Example], **settings: Any) -> None:
        """Update the pipeline, after the checkpoint.

        examples (Sequence[Example]): The batch.
        settings (Any): Other arguments of `Language.update`.
        """
        if not self._is_replaying:
            self._nlp.update(examples, **settings)

    def evaluating(self, evaluate: Evaluate) -> Evaluate:
        """Evaluate after the checkpoint only.

        evaluate (Evaluate): What evaluates the pipeline.
        RETURNS (Evaluate): Up to the checkpoint, returns the score that there was.
        """
        return lambda: (next(self._scores), {}) if self._is_replaying else evaluate()

    def run(self, steps: Iterator[Step]) -> Checkpoint:
        """Go through the steps up to the checkpoint.

        steps (Iterator[Step]): All steps.
        RETURNS (Checkpoint): The checkpoint.
        RAISES: ResumeError if the batches are not those of before.
        """
        state = self._checkpoint.state
        for _, info, _ in steps:
            if info["step"] == state["step"]:
                if info["words"] == state["words"]:
                    self._is_replaying = False
                    return self._checkpoint
                break
        raise ResumeError(
            f"{self._checkpoint.path}: the batches before it cannot be drawn again. The corpus "
            "reader, augmenter or batcher has random numbers other than Python's and numpy's, and "
            "no seed, or it has changed. Train from the start, without --resume."
        )


class Progress:
    """What a training has come to: kept in checkpoints, and put back from one."""

    def __init__(self, nlp: Language, state: State, seed: int) -> None:
        """Describe the training.

        nlp (Language): The pipeline.
        state (State): What training changes.
        seed (int): The seed of the training.
        """
        self._nlp = nlp
        self._state = state
        self._seed = seed
        self._settings = settings_of(nlp.config.interpolate())

    def save(self, output: Path, info: dict[str, Any]) -> None:
        """Replace the checkpoint.

        output (Path): The folder that the training writes to.
        info (dict[str, Any]): What spaCy's loop knows about the step, which has an evaluation.
        """
        state = {
            "settings": self._settings,
            "seed": self._seed,
            "step": info["step"],
            "words": info["words"],
            "scores": [score for score, _ in info["checkpoints"]],
            "performance": self._nlp.meta["performance"],
            "calibration": {
                name: (pipe.temperature, pipe.threshold)
                for name, pipe in crf_pipes(self._nlp).items()
            },
            "random": random_state(),
            **self._state.numbers(),
        }
        write_checkpoint(output, state, self._state.arrays())

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put everything back.

        checkpoint (Checkpoint): The checkpoint.
        RAISES: ResumeError if it is one of another pipeline.
        """
        try:
            self._state.restore(checkpoint.arrays(), checkpoint.state)
        except ValueError as error:
            raise ResumeError(
                f"{checkpoint.path}: {error}. Install the versions of packages that it was made "
                "with, or train from the start, without --resume."
            ) from error
        self._nlp.meta["performance"] = checkpoint.state["performance"]
        for name, fitted in checkpoint.state["calibration"].items():
            set_calibration(self._nlp, name, *fitted)
        set_random_state(checkpoint.state["random"])
