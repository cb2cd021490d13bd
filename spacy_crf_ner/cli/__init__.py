"""`python -m spacy crf ...`. spaCy imports this through the entry point group `spacy_cli`."""

import typer
from spacy.cli._util import app as spacy_app

from .annotate import annotate_cli
from .audit import audit_cli
from .calibrate import calibrate_cli
from .card import card_cli
from .convert import convert_cli
from .distill import distill_cli
from .doctor import doctor_cli
from .errors import Commands
from .evaluate import evaluate_cli
from .export import export_cli
from .init import init_cli
from .overrides import CONTEXT
from .report import report_cli
from .select import select_cli
from .summarize import summarize_cli
from .train import train_cli
from .tune import tune_cli
from .update import update_cli
from .vectors import vectors_cli

HELP = "Commands of spacy-crf-ner, a CRF named entity recognizer."

app = typer.Typer(name="crf", cls=Commands, help=HELP, no_args_is_help=True, rich_markup_mode=None)
app.command("init")(init_cli)
app.command("convert")(convert_cli)
app.command("evaluate")(evaluate_cli)
app.command("summarize")(summarize_cli)
app.command("calibrate")(calibrate_cli)
app.command("card")(card_cli)
app.command("report")(report_cli)
app.command("annotate")(annotate_cli)
app.command("audit", context_settings=CONTEXT)(audit_cli)
app.command("select")(select_cli)
app.command("train", context_settings=CONTEXT)(train_cli)
app.command("tune", context_settings=CONTEXT)(tune_cli)
app.command("distill", context_settings=CONTEXT)(distill_cli)
app.command("update", context_settings=CONTEXT)(update_cli)
app.command("vectors")(vectors_cli)
app.command("export")(export_cli)
app.command("doctor")(doctor_cli)

spacy_app.add_typer(app)
