"""`python -m benchmarks.soak`: `spacy crf annotate` over millions of documents. Is one lost or
doubled, and does memory grow? Needs Linux."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import spacy
import torch
import typer
from spacy.language import Language
from spacy.training import Example
from thinc.api import Config, fix_random_seed
from tqdm import tqdm
from wasabi import msg

from .report import machine

# Every so many records, one has no text.
BAD = 10_007
# The characters that texts are made of, at random: as many as Chinese texts usually have.
CHARACTERS = range(0x4E00, 0x4E00 + 3000)
LENGTHS = (2, 12)
SECONDS_BETWEEN_SAMPLES = 2.0
# Memory is shown after these shares of the documents.
SHARES = (0.01, 0.1, 0.5, 1.0)

# A network so small that the rest of the program takes most of the time.
SMALL = """
[model]
@architectures = "spacy_crf_ner.CRFTagger.v2"

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy_crf_ner.FeatureEmbed.v1"
features = ["NORM"]
widths = [16]
rows = [5000]

[model.tok2vec.encode]
@architectures = "spacy_crf_ner.BiLSTMEncoder.v1"
width = 16
"""

app = typer.Typer(add_completion=False)


@dataclass
class Run:
    """What was seen while the command ran.

    kills (int): How often it was killed.
    seconds (float): How long it took, restarts included.
    samples (list[tuple[int, float]]): Documents done, and the memory of all its processes in MB.
    """

    kills: int = 0
    seconds: float = 0.0
    samples: list[tuple[int, float]] = field(default_factory=list)

    def memory(self, documents: float) -> float:
        """The memory when so many documents were done, in MB."""
        return next((mb for done, mb in self.samples if done >= documents), self.samples[-1][1])


@app.command()
def main(
    model: Annotated[
        str | None, typer.Argument(help="Name or path of a trained pipeline; else a small one")
    ] = None,
    documents: Annotated[int, typer.Option(min=1, help="Number of records")] = 1_000_000,
    kill_every: Annotated[
        float, typer.Option(help="Kill the command after so many seconds on average; 0: never")
    ] = 0.0,
    n_process: Annotated[int, typer.Option(min=1, help="Number of processes")] = 1,
    engine: Annotated[str, typer.Option(help="local or ray")] = "local",
    part_size: Annotated[int, typer.Option(min=1, help="Records in a part")] = 1000,
    seed: Annotated[int, typer.Option(help="Random seed")] = 0,
) -> None:
    """Annotate random texts with `spacy crf annotate`, some of them bad; maybe kill it again and
    again; and compare what it wrote with what it was given."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        if model is None:
            model = str(folder / "model")
            make_pipeline(seed).to_disk(model)
        with (folder / "in.jsonl").open("w", encoding="utf-8") as file:
            for i in tqdm(range(documents), desc="writing", unit_scale=True, disable=None):
                file.write(json.dumps(make_record(i, seed), ensure_ascii=False) + "\n")
        command = [
            sys.executable,
            "-m",
            "spacy",
            "crf",
            "annotate",
            model,
            str(folder / "in.jsonl"),
        ]
        command += ["--output", f"{folder}/out/", "--rejects", str(folder / "rejects.jsonl")]
        command += ["--n-process", str(n_process), "--engine", engine]
        run = follow([*command, "--part-size", str(part_size)], folder, documents, kill_every, seed)
        found = compare(folder, documents, seed)
    rows = [
        ("documents", f"{documents:,}"),
        *((what, f"{count:,}") for what, count in found.items()),
        ("times killed", f"{run.kills:,}"),
        ("seconds", f"{run.seconds:,.0f}"),
        ("documents a second", f"{documents / run.seconds:,.0f}"),
        *((f"MB after {share:.0%}", f"{run.memory(share * documents):,.0f}") for share in SHARES),
    ]
    msg.table(rows, aligns=("l", "r"))
    msg.info(
        f"{n_process} processes, {engine}; seed {seed}; {machine()}, torch {torch.__version__}, "
        f"{date.today()}"
    )
    if found["lost"] or found["doubled"] or found["wrong"]:
        raise typer.Exit(1)


def make_pipeline(seed: int) -> Language:
    """Train a small pipeline, in which every tenth character is an entity.

    seed (int): The random seed.
    RETURNS (Language): The pipeline.
    """
    fix_random_seed(seed)
    nlp = spacy.blank("zh")
    nlp.add_pipe("crf_ner", config=Config().from_str(SMALL))
    examples = []
    for i in range(500):
        doc = nlp.make_doc(make_record(i, seed)["text"])
        ents = [(t.idx, t.idx + 1, "TENTH") for t in doc if not ord(t.text) % 10]
        examples.append(Example.from_dict(doc, {"entities": ents}))
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    return nlp


def make_record(i: int, seed: int) -> dict[str, Any]:
    """A record.

    i (int): Its number.
    seed (int): The random seed.
    RETURNS (dict[str, Any]): Its fields. Some have no text.
    """
    if i % BAD == BAD - 1:
        return {"id": i}
    rng = random.Random(seed * 2**40 + i)
    return {"id": i, "text": "".join(map(chr, rng.choices(CHARACTERS, k=rng.randint(*LENGTHS))))}


def follow(command: list[str], folder: Path, documents: int, kill_every: float, seed: int) -> Run:
    """Run the command until it ends by itself.

    command (list[str]): The command.
    folder (Path): Where it writes.
    documents (int): The number of records.
    kill_every (float): After how many seconds to kill it on average; 0 for never.
    seed (int): The random seed.
    RETURNS (Run): What was seen.
    RAISES: RuntimeError if it fails.
    """
    rng = random.Random(seed)
    run = Run()
    started = time.monotonic()
    with tqdm(total=documents, desc="annotating", unit_scale=True, disable=None) as bar:
        while True:
            with (folder / "log").open("w") as log:
                # A session of its own, so that its processes are known.
                process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            life = rng.uniform(0, 2 * kill_every) if kill_every else float("inf")
            end = time.monotonic() + life
            while process.poll() is None and time.monotonic() < end:
                time.sleep(min(SECONDS_BETWEEN_SAMPLES, max(end - time.monotonic(), 0)))
                done = documents_done(folder, command)
                run.samples.append((done, memory_of(process.pid)))
                bar.update(done - bar.n)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                run.kills += 1
                # Maybe the job was done, and only the process was not.
                has_state = (folder / "out" / ".job").exists()
                is_done = documents_done(folder, command) >= documents and not has_state
            elif process.returncode:
                raise RuntimeError((folder / "log").read_text())
            else:
                is_done = True
            if is_done:
                run.seconds = time.monotonic() - started
                return run


def documents_done(folder: Path, command: list[str]) -> int:
    """About how many records are done, by the number of parts.

    folder (Path): Where the command writes.
    command (list[str]): The command.
    RETURNS (int): The number.
    """
    try:
        parts = sum(each.name.startswith("part-") for each in os.scandir(folder / "out"))
    except FileNotFoundError:
        return 0
    return parts * int(command[-1])


def memory_of(session: int) -> float:
    """The memory of all processes of a session.

    session (int): The id of the session.
    RETURNS (float): Their resident memory in MB, what they share counted for each.
    """
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) == session:
            total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total / 1e6


def compare(folder: Path, documents: int, seed: int) -> dict[str, int]:
    """Compare what was written with what was given.

    folder (Path): Where the command wrote.
    documents (int): The number of records.
    seed (int): The random seed.
    RETURNS (dict[str, int]): The number of records that were rejected, lost, doubled, and wrong:
        changed or out of order.
    """
    seen = bytearray(documents)
    last = -1
    wrong = 0
    for record in tqdm(
        _read(folder), total=documents, desc="comparing", unit_scale=True, disable=None
    ):
        i = record["id"]
        seen[i] = min(seen[i] + 1, 2)
        entities = record.pop("entities")
        texts = [record["text"][ent["start"] : ent["end"]] for ent in entities]
        same = record == make_record(i, seed) and texts == [ent["text"] for ent in entities]
        wrong += not same or i <= last
        last = i
    rejected = 0
    with (folder / "rejects.jsonl").open(encoding="utf-8") as file:
        for line in file:
            i = json.loads(line)["record"]["id"]
            seen[i] = min(seen[i] + 1, 2)
            wrong += i % BAD != BAD - 1
            rejected += 1
    return {
        "rejected": rejected,
        "lost": seen.count(0),
        "doubled": seen.count(2),
        "wrong": wrong,
    }


def _read(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / "out").iterdir()):
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


if __name__ == "__main__":
    app()
