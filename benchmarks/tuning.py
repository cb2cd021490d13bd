"""`python -m benchmarks.tuning`: the picture of a study of `crf tune`, for the documentation."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from spacy_crf_ner.cli.errors import exit_with
from spacy_crf_ner.tuning.plots import plot_study
from spacy_crf_ner.tuning.storage import require_packages
from spacy_crf_ner.tuning.study import is_done, read_study

app = typer.Typer(add_completion=False)


@app.command()
def main(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of a study")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Image file to write")],
) -> None:
    """Draw the history, the learning curves and the importance of a study."""
    try:
        require_packages()
        found = read_study(study)
    except (ImportError, ValueError) as error:
        exit_with(error)
    trials = [trial for trial in found.get_trials(deepcopy=False) if is_done(trial)]
    plot_study(found, trials).savefig(output, dpi=120)
    msg.good(f"written: {output}")


if __name__ == "__main__":
    app()
