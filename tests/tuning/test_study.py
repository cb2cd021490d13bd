"""A study, its trials, and what is kept when a process is killed."""

import json

import pytest
from typer.testing import CliRunner

from benchmarks.tuning import app, main
from spacy_crf_ner.tuning.history import count_trials, write_history
from spacy_crf_ner.tuning.plots import find_importance
from spacy_crf_ner.tuning.ranges import Choices, Range
from spacy_crf_ner.tuning.study import best_of, open_study

SPACE = {"training.dropout": Range(0.0, 1.0), "a.width": Choices((16, 32)), "b.width": Range(1, 9)}
OWN = {"training.dropout": 0.5, "a.width": "16", "b.width": 2}


def open_in(folder, *, own=OWN, seed=0, **settings):
    return open_study(folder, SPACE, settings, own, seed=seed, warmup_steps=1)


def run(shared, n_trials, score=lambda params: params["training.dropout"]):
    """Finish trials until there are enough."""
    while (trial := shared.ask(n_trials)) is not None:
        trial.report(score(trial.params), 10)
        shared.tell(trial, score(trial.params))


def test_the_first_trial_has_the_configs_own_values(tmp_path):
    with open_in(tmp_path) as shared:
        run(shared, 3)
        trials = shared.finished()
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert trials[0].params == OWN
    assert best_of(trials).value == max(trial.value for trial in trials)


def test_trials_of_another_run_count(tmp_path):
    with open_in(tmp_path) as shared:
        run(shared, 2)
        before = [(trial.params, trial.value) for trial in shared.finished()]
    with open_in(tmp_path) as shared:
        assert shared.ask(2) is None
        run(shared, 4)
        after = [(trial.params, trial.value) for trial in shared.finished()]
    assert after[:2] == before
    assert len(after) == 4
    with open_in(tmp_path / "without a break") as shared:
        run(shared, 4)
        assert [(trial.params, trial.value) for trial in shared.finished()] == after


def test_trials_of_a_process_that_ended_are_repeated(tmp_path):
    with open_in(tmp_path) as shared:
        run(shared, 1)
        lost = shared.ask(3)
    with open_in(tmp_path) as shared:
        trial = shared.ask(3)
        assert trial.params == lost.params
        assert trial.number > lost.number
        shared.tell(trial, 0.5)
        run(shared, 3)
        assert count_trials(shared.finished()) == "3 trials: 3 complete, 0 pruned, 0 failed"


def test_trials_of_a_process_at_work_are_left_alone(tmp_path):
    with open_in(tmp_path) as first, open_in(tmp_path) as second:
        running = first.ask(2)
        trial = second.ask(2)
        assert trial.params != running.params
        assert second.ask(2) is None
        second.tell(trial, 0.1)
        first.tell(running, 0.2)
        assert len(first.finished()) == len(second.finished()) == 2


def test_half_a_line_of_the_journal_is_removed(tmp_path):
    with open_in(tmp_path) as shared:
        run(shared, 2)
    journal = tmp_path / ".tune" / "journal.log"
    with journal.open("ab") as file:
        file.write(b'{"op_code":5,"wor')
    with open_in(tmp_path) as shared:
        run(shared, 3)
        assert len(shared.finished()) == 3
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_other_settings_are_another_study(tmp_path):
    with open_in(tmp_path, steps=1) as shared:
        shared.ask(1)
    # Nothing is lost yet.
    with open_in(tmp_path, steps=2) as shared:
        run(shared, 1)
        assert [trial.params for trial in shared.finished()] == [OWN]
    with (
        pytest.raises(ValueError, match="other settings: steps was 2, now 3") as caught,
        open_in(tmp_path, steps=3),
    ):
        pass
    assert str(tmp_path) in str(caught.value)


def test_the_seed_decides_what_is_tried(tmp_path):
    tried = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        with open_in(tmp_path / name, seed=seed) as shared:
            run(shared, 3)
            tried[name] = [trial.params for trial in shared.finished()]
    assert tried["a"] == tried["b"]
    assert tried["a"] != tried["c"]


def test_bad_trials_are_pruned_after_five(tmp_path):
    with open_in(tmp_path) as shared:
        run(shared, 5, score=lambda params: 0.9)
        trial = shared.ask(6)
        trial.report(0.1, 10)
        assert trial.should_prune()
        assert shared.tell(trial, None).state.name == "PRUNED"
        assert count_trials(shared.finished()) == "6 trials: 5 complete, 1 pruned, 0 failed"


def test_the_page_has_all_trials_and_needs_no_other_file(tmp_path):
    path = tmp_path / "history.html"
    with open_in(tmp_path) as shared:
        run(shared, 9)
        assert set(find_importance(shared.study)) == set(SPACE)
        shared.tell(shared.ask(10), "the loss is <not> finite")
        write_history(shared.study, SPACE, OWN, path)
    html = path.read_text(encoding="utf8")
    assert html.count("<tr") == 11
    assert "10 trials: 9 complete, 0 pruned, 1 failed" in html
    assert "<td>0 (config)<td>50.00<td>10" in html
    assert "failed: the loss is &lt;not&gt; finite" in html
    assert "<th>a.width" in html
    assert "<th>dropout" in html
    assert "<svg" in html
    assert "<script" not in html
    assert "src=" not in html


def test_the_picture_of_the_documentation(tmp_path):
    with open_in(tmp_path) as shared:
        run(shared, 2)
    main(tmp_path, tmp_path / "tuning.png")
    assert (tmp_path / "tuning.png").read_bytes().startswith(b"\x89PNG")
    result = CliRunner().invoke(app, [str(tmp_path / "none"), "tuning.png"])
    assert result.exit_code == 1
    assert "none: no study" in result.output


def test_a_page_without_a_complete_trial(tmp_path):
    with open_in(tmp_path) as shared:
        shared.tell(shared.ask(1), None)
        write_history(shared.study, SPACE, OWN, tmp_path / "history.html")
    assert "1 trials: 0 complete, 1 pruned" in (tmp_path / "history.html").read_text()
