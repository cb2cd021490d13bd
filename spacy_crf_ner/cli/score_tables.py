"""Tables of scores for the terminal."""

from typing import Any

from wasabi import msg

from ..evaluation.intervals import Interval
from ..evaluation.significance import Comparison, Difference

# Below it, a difference is called significant.
LEVEL = 0.05
OVERLAPS = ("correct", "incorrect", "partial", "missed", "spurious")


def show_scores(scores: dict[str, Any]) -> None:
    """Show the scores of a pipeline.

    scores (dict[str, Any]): What `evaluate` returned, and the "intervals" of `f1_intervals`.
    """
    support, intervals = scores["ents_support"], scores["intervals"]
    rows = [
        (label, *_prf(prf), _show(intervals["per_label"].get(label)), support[label])
        for label, prf in sorted((scores["ents_per_type"] or {}).items())
    ]
    total = sum(support.values())
    for name, prefix, bounds in (
        ("macro", "ents_macro", intervals["macro"]),
        ("weighted", "ents_weighted", None),
        ("all (micro)", "ents", intervals["micro"]),
    ):
        average = {key: scores[f"{prefix}_{key}"] for key in "prf"}
        rows.append((name, *_prf(average), _show(bounds), total))
    header = ("", "P", "R", "F", "95 % of F", "gold")
    msg.table(rows, header=header, aligns=tuple("lrrrrr"), divider=True)
    _show_overlaps(scores["ents_overlap"])
    keys = ("acc", "macro_f", "weighted_f")
    accuracy, macro, weighted = _percent(*(scores[f"ents_token_{key}"] for key in keys))
    msg.info(f"tags (BIOES): accuracy {accuracy}, macro F {macro}, weighted F {weighted}")
    speed = scores["words_per_second"]
    msg.info(
        f"{scores['docs']:,} documents, {scores['words']:,} words"
        + (f", {speed:,.0f} words/s" if speed else "")
    )
    if "calibration" not in scores:
        msg.info("no crf_ner for doc.ents: no confidences, so no calibration")
    elif scores["calibration"]["ece"] is not None:
        msg.info(f"expected calibration error {scores['calibration']['ece']:.4f}")


def show_comparison(
    first: dict[str, Any], second: dict[str, Any], comparison: Comparison, names: tuple[str, str]
) -> None:
    """Show how two pipelines differ.

    first (dict[str, Any]): The scores of the first, as for `show_scores`.
    second (dict[str, Any]): The scores of the second.
    comparison (Comparison): What `compare` returned.
    names (tuple[str, str]): What to call them.
    """
    of_labels = [scores["ents_per_type"] or {} for scores in (first, second)]
    rows = []
    for label in sorted({*of_labels[0], *of_labels[1]}):
        # A label that one of them does not know, and that is not in the corpus, has no score.
        pair = [each[label]["f"] if label in each else None for each in of_labels]
        bounds = [s["intervals"]["per_label"].get(label) for s in (first, second)]
        rows.append((label, *_pair(pair, bounds)))
    for name, key, average in (
        ("macro", "ents_macro_f", "macro"),
        ("all (micro)", "ents_f", "micro"),
    ):
        pair = [scores[key] for scores in (first, second)]
        bounds = [scores["intervals"][average] for scores in (first, second)]
        rows.append((name, *_pair(pair, bounds)))
    header = ("", "F of A", "95 %", "F of B", "95 %", "A - B")
    msg.text("")
    for letter, name in zip("AB", names):
        msg.info(f"{letter}: {name}")
    msg.table(rows, header=header, aligns=tuple("lrrrrr"), divider=True)
    msg.info(_verdict("micro", comparison.micro))
    msg.info(_verdict("macro", comparison.macro))


def _show_overlaps(overlaps: dict[str, dict[str, float]] | None) -> None:
    rows = [
        (measure, *(counts[name] for name in OVERLAPS), *_prf(counts))
        for measure, counts in (overlaps or {}).items()
    ]
    header = ("overlap", *OVERLAPS, "P", "R", "F")
    msg.table(rows, header=header, aligns=tuple("lrrrrrrrr"), divider=True)


def _verdict(average: str, difference: Difference) -> str:
    value, (low, high), p_value = difference
    claim = "not significant"
    if p_value < LEVEL and value > 0:
        claim = "A is better"
    elif p_value < LEVEL:
        claim = "B is better"
        value, low, high = -value, -high, -low
    points = f"{average} F {100 * value:+.2f}"
    return f"{claim}: {points}, 95 % {_show((low, high))}, p = {p_value:.4f}"


def _pair(scores: list[float | None], bounds: list[Interval | None]) -> tuple[str, ...]:
    first, second = scores
    cells = [cell for f, each in zip(scores, bounds) for cell in (*_percent(f), _show(each))]
    if first is None or second is None:
        return (*cells, "-")
    return (*cells, f"{100 * (first - second):+.2f}")


def _prf(scores: dict[str, Any]) -> tuple[str, ...]:
    return _percent(scores["p"], scores["r"], scores["f"])


def _percent(*values: float | None) -> tuple[str, ...]:
    return tuple("-" if value is None else f"{value * 100:.2f}" for value in values)


def _show(interval: Interval | None) -> str:
    return f"[{', '.join(_percent(*interval))}]" if interval else ""
