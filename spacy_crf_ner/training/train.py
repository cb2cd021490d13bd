"""Training of a pipeline, by one process or several."""

import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training.loop import (
    DIR_MODEL_BEST,
    DIR_MODEL_LAST,
    clean_output_dir,
    create_before_to_disk_callback,
    create_evaluation_callback,
    create_train_batches,
    train_while_improving,
    update_meta,
)
from spacy.util import registry, resolve_dot_names
from thinc.api import fix_random_seed
from wasabi import Printer

from .checkpoint import Checkpoint, remove_checkpoint, settings_of
from .data_parallel import DataParallel, draw_alike
from .distributed import Ranks
from .gradients import trainable_pipes
from .resume import Evaluate, Progress, Replay, Step
from .state import State


def train(
    nlp: Language,
    output: Path | None = None,
    *,
    ranks: Ranks,
    checkpoint: Checkpoint | None = None,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> None:
    """Train a pipeline as `spacy.training.loop.train` does, and share the work among all ranks.

    One process alone keeps a checkpoint in the output folder until the training is complete.

    nlp (Language): The pipeline, initialized, the same on all ranks.
    output (Path | None): The folder for the pipelines model-best and model-last, which rank 0
        writes. None not to save any.
    ranks (Ranks): All ranks.
    checkpoint (Checkpoint | None): Where to go on, for one process alone.
    stdout (IO): Where rank 0 writes what the config's logger says.
    stderr (IO): Where rank 0 shows progress.
    RAISES: ValueError if the pipeline cannot be trained by several ranks, or if they do not have
        the same data; RankLost if a rank has ended; ResumeError if the training cannot go on from
        the checkpoint.
    """
    training = start_training(nlp, ranks, checkpoint)
    if ranks.rank == 0:
        progress = None
        if output is not None and ranks.size == 1:
            progress = _make_progress(nlp, training, stdout)
        _log_and_save(nlp, training, output, progress, stdout, stderr)
    else:
        for _ in training.steps:
            pass


class Training(NamedTuple):
    """A training that goes on as its steps are taken.

    steps (Iterator[Step]): The steps.
    settings (dict[str, Any]): The config's section `training`, resolved.
    seed (int): The seed.
    replay (Replay | None): What repeats the steps before a checkpoint, if there is one.
    """

    steps: Iterator[Step]
    settings: dict[str, Any]
    seed: int
    replay: Replay | None


def start_training(nlp: Language, ranks: Ranks, checkpoint: Checkpoint | None = None) -> Training:
    """Prepare the training of a pipeline.

    nlp (Language): The pipeline, initialized, the same on all ranks.
    ranks (Ranks): All ranks.
    checkpoint (Checkpoint | None): Where to go on, for one process alone.
    RETURNS (Training): The training.
    RAISES: As `train`.
    """
    config = nlp.config.interpolate()
    if checkpoint is not None:
        checkpoint.require_same(settings_of(config))
    seed = config["training"]["seed"] if checkpoint is None else checkpoint.state["seed"]
    if seed is None:
        seed = int(ranks.of_first(random.getrandbits(31)))
    fix_random_seed(seed)
    settings = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    names = [settings["train_corpus"], settings["dev_corpus"]]
    train_corpus, dev_corpus = resolve_dot_names(config, names)
    frozen = settings["frozen_components"]
    accumulate_gradient = settings["accumulate_gradient"]
    batches = create_train_batches(nlp, train_corpus, settings["batcher"], settings["max_epochs"])
    evaluate = create_evaluation_callback(nlp, dev_corpus, settings["score_weights"])
    learner: Language | DataParallel | Replay = nlp
    if ranks.size > 1:
        learner = DataParallel(nlp, ranks, frozen=frozen, accumulate_gradient=accumulate_gradient)
        accumulate_gradient = 1  # the learner does it
    elif checkpoint is not None:
        learner = Replay(nlp, checkpoint)
        evaluate = learner.evaluating(evaluate)
    before_update = settings["before_update"]
    steps = train_while_improving(
        cast(Language, learner),
        settings["optimizer"],
        draw_alike(batches, seed, ranks),
        _evaluate_on_first(evaluate, ranks),
        dropout=settings["dropout"],
        accumulate_gradient=accumulate_gradient,
        patience=settings["patience"],
        max_steps=settings["max_steps"],
        eval_frequency=settings["eval_frequency"],
        exclude=frozen,
        annotating_components=settings["annotating_components"],
        before_update=before_update and (lambda _, info: before_update(nlp, info)),
    )
    replay = learner if isinstance(learner, Replay) else None
    return Training(steps, settings, seed, replay)


def _evaluate_on_first(evaluate: Evaluate, ranks: Ranks) -> Evaluate:
    """Let rank 0 evaluate. All ranks learn the score, which decides when training ends."""

    def evaluate_on_first() -> tuple[float, dict[str, Any]]:
        score, scores = evaluate() if ranks.rank == 0 else (0.0, {})
        return ranks.of_first(score), scores

    return evaluate_on_first


def _make_progress(nlp: Language, training: Training, stdout: IO) -> Progress | None:
    pipes = trainable_pipes(nlp, training.settings["frozen_components"])
    try:
        state = State(list(pipes.values()), training.settings["optimizer"])
    except ValueError as error:
        warning = f"There are no checkpoints of this training: {error}"
        stdout.write(Printer(no_print=True).warn(warning) + "\n")
        return None
    return Progress(nlp, state, training.seed)


def _log_and_save(
    nlp: Language,
    training: Training,
    output: Path | None,
    progress: Progress | None,
    stdout: IO,
    stderr: IO,
) -> None:
    """Take the steps, with the output and the files of `spacy.training.loop.train`."""
    steps, settings, _, replay = training
    frozen = settings["frozen_components"]
    if output is not None and replay is None:
        remove_checkpoint(output)
        clean_output_dir(output)
    _describe(nlp, settings, stdout)
    with nlp.select_pipes(disable=frozen):
        log_step, finish_log = settings["logger"](nlp, stdout, stderr)
    if progress is not None and replay is not None:
        # Until then, the pipeline is not one to save.
        progress.restore(replay.run(steps))
    try:
        for _, info, is_best in steps:
            if is_best is not None:
                with nlp.select_pipes(disable=frozen):
                    update_meta(settings, nlp, info)
                if output is not None:
                    _save(nlp, settings, output, is_best)
                    info["output_path"] = str(output / DIR_MODEL_LAST)
            log_step(None if is_best is None else info)
            # After the log, because what came after the checkpoint is done again.
            if is_best is not None and output is not None and progress is not None:
                progress.save(output, info)
    finally:
        finish_log()
        if output is not None:
            _save(nlp, settings, output, False)
    if output is not None:
        remove_checkpoint(output)
        stdout.write(
            Printer(no_print=True).good(
                "Saved pipeline to output directory", output / DIR_MODEL_LAST
            )
            + "\n"
        )


def _describe(nlp: Language, settings: dict[str, Any], stdout: IO) -> None:
    frozen, annotating = settings["frozen_components"], settings["annotating_components"]
    msg = Printer(no_print=True)
    stdout.write(msg.info(f"Pipeline: {nlp.pipe_names}") + "\n")
    if frozen:
        stdout.write(msg.info(f"Frozen components: {frozen}") + "\n")
    if annotating:
        stdout.write(msg.info(f"Set annotations on update for: {annotating}") + "\n")
    stdout.write(msg.info(f"Initial learn rate: {settings['optimizer'].learn_rate}") + "\n")


def _save(nlp: Language, settings: dict[str, Any], output: Path, is_best: bool) -> None:
    before_to_disk = create_before_to_disk_callback(settings["before_to_disk"])
    with nlp.use_params(settings["optimizer"].averages):
        before_to_disk(nlp).to_disk(output / DIR_MODEL_LAST)
    if is_best:
        shutil.rmtree(output / DIR_MODEL_BEST, ignore_errors=True)
        shutil.copytree(output / DIR_MODEL_LAST, output / DIR_MODEL_BEST)
