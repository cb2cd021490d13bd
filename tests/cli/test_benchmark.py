"""`crf benchmark crf` on a tiny batch: what it prints, not how fast it is."""

from typer.testing import CliRunner

from spacy_crf_ner.cli import app

ARGUMENTS = ["benchmark", "crf", "--batch", "2", "--length", "4", "--tags", "3", "--runs", "1"]


def test_table_and_picture(tmp_path):
    table, picture = tmp_path / "table.md", tmp_path / "picture.png"
    arguments = [*ARGUMENTS, "--output", str(table), "--plot", str(picture)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    lines = table.read_text(encoding="utf8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:5]]
    assert [row[0] for row in rows] == ["likelihood + gradient", "Viterbi", "marginals"]
    assert all(row[1:4] == ["2", "4", "3"] for row in rows)
    assert all(float(row[4]) > 0 for row in rows)
    assert float(rows[0][6]) > 0
    assert rows[2][6] == ""  # pytorch-crf has no marginals
    assert "GFLOP/s" in lines[-1]
    assert picture.read_bytes().startswith(b"\x89PNG")
