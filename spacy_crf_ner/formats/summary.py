"""Statistics of a corpus."""

from collections import Counter

import numpy as np

from .corpus import CorpusSet

Row = tuple[str, list[int]]


def summarize(sets: dict[str, CorpusSet]) -> list[Row]:
    """Count the contents, the repairs and the skips of each set.

    sets (dict[str, CorpusSet]): The sets. Each must have documents.
    RETURNS (list[Row]): For each row its name, and the figure for each set.
    """
    docs = [corpus_set.docs for corpus_set in sets.values()]
    lengths = [[len(doc) for doc in of_set] for of_set in docs]
    ents = [Counter(ent.label_ for doc in of_set for ent in doc.ents) for of_set in docs]
    left_out: set[str] = set().union(*(each.left_out for each in sets.values()))
    notes = [Counter(note.kind for note in corpus_set.notes) for corpus_set in sets.values()]
    return [
        ("documents", [len(of_set) for of_set in docs]),
        *_where_any("  not annotated", [_count_unannotated(each) for each in sets.values()]),
        ("tokens", [sum(of_set) for of_set in lengths]),
        ("  per document, median", [round(np.median(of_set)) for of_set in lengths]),
        ("  per document, 95 %", [round(np.percentile(of_set, 95)) for of_set in lengths]),
        ("  per document, max", [max(of_set) for of_set in lengths]),
        ("entities", [sum(of_set.values()) for of_set in ents]),
        *((f"  {label}", [each[label] for each in ents]) for label in sorted(set().union(*ents))),
        *((what, [each.left_out[what] for each in sets.values()]) for what in sorted(left_out)),
        *((kind, [each[kind] for each in notes]) for kind in sorted(set().union(*notes))),
    ]


def _where_any(name: str, figures: list[int]) -> list[Row]:
    return [(name, figures)] if any(figures) else []


def _count_unannotated(corpus_set: CorpusSet) -> int:
    return sum(record.spans is None and len(doc) > 0 for record, doc in corpus_set.documents)
