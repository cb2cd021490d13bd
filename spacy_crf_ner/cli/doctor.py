"""`python -m spacy crf doctor`: check whether a GPU can be used."""

from typing import Annotated

import typer
from wasabi import msg

from ..doctor import CHECKS, examine, versions


def doctor_cli(
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", min=0, help="GPU to check")] = 0,
) -> None:
    """Check whether a GPU can be used: its driver, CuPy, torch, Triton and cuDNN, one after the
    other, and finally the training of a crf_ner. Says how to fix what does not work, and exits with
    1 if training on the GPU is not possible."""
    msg.table(versions())
    findings = []
    for finding in examine(gpu_id):
        findings.append(finding)
        line = f"{finding.name}: {finding.detail}"
        if finding.works:
            msg.good(line)
        elif finding.needed:
            msg.fail(line, finding.remedy)
        else:
            msg.warn(line, finding.remedy)
    not_checked = [check.name for check in CHECKS[len(findings) :]]
    if not_checked:
        msg.info(f"not checked: {', '.join(not_checked)}")
    if any(finding.needed and not finding.works for finding in findings):
        raise typer.Exit(1)
