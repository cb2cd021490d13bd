"""The Spark job of docs/deployment.md, on a local Spark of two worker processes."""

import os
import shutil
import subprocess
import sys

import pytest
from util import TEXTS

pytestmark = pytest.mark.slow
pytest.importorskip("pyspark", reason="needs Spark, which the extra 'deployment' has")
pd = pytest.importorskip("pandas", reason="needs pandas, which the extra 'deployment' has")
if not (shutil.which("java") or "JAVA_HOME" in os.environ):
    pytest.skip("needs Java, for Spark", allow_module_level=True)

# Added to the model's package: writes down each time that it is loaded, and by which process.
LOG_LOADS = """
load_model = load
def load(**overrides):
    import os
    with open(os.environ["LOADS"], "a") as file:
        print(os.getpid(), os.environ["OMP_NUM_THREADS"], file=file)
    return load_model(**overrides)
"""


@pytest.fixture(scope="module")
def folder(recipes, site, tmp_path_factory):
    """Where the job has run, with its output."""
    folder = tmp_path_factory.mktemp("spark")
    for name in ("job.py", "spark_ner.py"):
        shutil.copy(recipes / name, folder)
    shutil.copytree(site, folder / "site")
    with (folder / "site" / "zh_crf_ner" / "__init__.py").open("a") as file:
        file.write(LOG_LOADS)
    # Each file is a partition.
    (folder / "texts.parquet").mkdir()
    for part in range(6):
        rows = [{"id": 10 * part + i, "text": text} for i, text in enumerate([*TEXTS, ""])]
        pd.DataFrame(rows).to_parquet(folder / "texts.parquet" / f"part-{part}.parquet")
    env = {
        **os.environ,
        "LOADS": str(folder / "loads.txt"),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false"
        " --conf spark.sql.files.openCostInBytes=128m pyspark-shell",
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), *filter(None, sys.path)]),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    env.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, "job.py"]
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture
def output(folder):
    return pd.read_parquet(folder / "entities.parquet")


def test_every_row_is_there_once_with_its_columns_and_in_order(folder, output):
    texts = pd.read_parquet(folder / "texts.parquet")
    assert list(output.columns) == ["id", "text", "entities"]
    assert len(output) == len(texts) == 36
    found = output[["id", "text"]].sort_values("id", ignore_index=True)
    pd.testing.assert_frame_equal(found, texts)
    # Within a partition.
    for part in (folder / "entities.parquet").glob("*.parquet"):
        ids = list(pd.read_parquet(part)["id"])
        assert ids == sorted(ids)


def test_the_entities_are_those_of_the_model(output, nlp):
    for row in output.itertuples():
        found = [(ent["text"], ent["label"], ent["confidence"]) for ent in row.entities]
        assert found == [
            (ent.text, ent.label_, pytest.approx(ent._.confidence)) for ent in nlp(row.text).ents
        ]
    assert any(len(entities) for entities in output["entities"])


def test_the_model_is_loaded_once_per_process(folder):
    loads = [line.split() for line in (folder / "loads.txt").read_text().splitlines()]
    partitions = list((folder / "entities.parquet").glob("*.parquet"))
    processes = {process for process, _ in loads}
    assert len(partitions) > len(processes)
    assert len(loads) == len(processes) <= 2
    assert {threads for _, threads in loads} == {"1"}
