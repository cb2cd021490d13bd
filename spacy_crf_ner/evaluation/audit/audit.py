"""The likely annotation errors of a corpus."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config

from ...pipeline.scorer import score_entities
from .folds import cross_fit, split_folds
from .mentions import Counts, Mention, count_mentions, inconsistent_mentions
from .suspects import Suspect, find_suspects


class Audit(NamedTuple):
    """What `audit` found.

    suspects (list[Suspect]): All entities, and spans that may be missing, the most likely error
        first.
    mentions (list[Mention]): Mentions that are not annotated the same everywhere.
    misaligned (int): The number of entities that do not align with the tokens, and are not judged.
    f1 (list[float | None]): The F1 of each fold's pipeline on its fold.
    """

    suspects: list[Suspect]
    mentions: list[Mention]
    misaligned: int
    f1: list[float | None]


def audit(
    config: Config,
    docs: Sequence[Doc],
    folder: Path,
    *,
    n_folds: int = 5,
    seed: int = 0,
    use_gpu: int = -1,
    announce: Callable[[int, bool], None] = lambda number, is_done: None,
) -> Audit:
    """Judge the annotation of each document by a pipeline that was not trained on it.

    config (Config): The training config of a pipeline with one `crf_ner`, with its variables.
    docs (Sequence[Doc]): The documents, with gold annotation in `doc.ents`.
    folder (Path): A folder for what `cross_fit` writes.
    n_folds (int): The number of pipelines to train.
    seed (int): The seed of the division into folds.
    use_gpu (int): The GPU, or -1.
    announce (Callable[[int, bool], None]): See `cross_fit`.
    RETURNS (Audit): What was found.
    RAISES: ValueError if the config or the number of folds does not fit.
    """
    suspects: list[Suspect] = []
    misaligned = 0
    f1 = []
    folds = split_folds(docs, n_folds, seed)
    for nlp, numbers in cross_fit(config, docs, folds, folder, use_gpu=use_gpu, announce=announce):
        examples = [as_example(nlp, docs[i]) for i in numbers]
        for suspect in find_suspects(nlp, examples):
            suspects.append(suspect._replace(document=numbers[suspect.document]))
        misaligned += sum(map(_count_misaligned, examples))
        f1.append(score_entities(_predicted(nlp, examples))["ents_f"])
    counts = count_mentions(docs)
    return Audit(rank(suspects, counts), inconsistent_mentions(counts), misaligned, f1)


def rank(suspects: Iterable[Suspect], counts: Counts) -> list[Suspect]:
    """Sort suspects by the probability of the annotation × its consistency.

    Consistency is evidence that a pipeline does not see: the other places with the same text in its
    own fold.

    suspects (Iterable[Suspect]): Those of all folds.
    counts (Counts): How mentions are annotated in the corpus.
    RETURNS (list[Suspect]): The suspects, with their consistency; the most likely error first.
    """
    ranked = []
    for each in suspects:
        label = None if each.kind == "missing" else each.label
        ranked.append(each._replace(consistency=counts.consistency(each.mention, label)))
    return sorted(ranked, key=lambda s: (s.probability * s.consistency, s.document, s.start))


def as_example(nlp: Language, doc: Doc) -> Example:
    """Tokenize a document as spaCy's corpus reader does.

    nlp (Language): The pipeline.
    doc (Doc): The gold document.
    RETURNS (Example): The example.
    """
    if not doc.has_unknown_spaces:
        return Example(nlp.make_doc(doc.text), doc)
    words, spaces = [token.text for token in doc], [bool(token.whitespace_) for token in doc]
    return Example(Doc(nlp.vocab, words, spaces), doc)


def leave_out(docs: Sequence[Doc], suspects: Iterable[Suspect]) -> list[Doc]:
    """Turn suspicious annotation into missing annotation, which training marginalizes.

    docs (Sequence[Doc]): The documents; they are not modified.
    suspects (Iterable[Suspect]): The annotation to leave out: the tokens of the entities, and of
        what may be there instead.
    RETURNS (list[Doc]): The documents, those with suspicious annotation as copies.
    """
    changed: dict[int, Doc] = {}
    for suspect in suspects:
        number = suspect.document
        doc = changed.setdefault(number, docs[number].copy())
        touched = doc.char_span(*suspect.reach, alignment_mode="expand")
        if touched is None:
            continue
        kept = [ent for ent in doc.ents if ent.end <= touched.start or touched.end <= ent.start]
        tokens = {*range(touched.start, touched.end)}
        tokens |= {i for ent in doc.ents if ent not in kept for i in range(ent.start, ent.end)}
        doc.set_ents(kept, missing=[doc[i : i + 1] for i in sorted(tokens)], default="unmodified")
    return [changed.get(i, doc) for i, doc in enumerate(docs)]


def _predicted(nlp: Language, examples: Sequence[Example]) -> Sequence[Example]:
    for eg, doc in zip(examples, nlp.pipe(eg.predicted for eg in examples)):
        eg.predicted = doc
    return examples


def _count_misaligned(example: Example) -> int:
    ents = example.reference.ents
    return len(ents) - len(example.get_aligned_spans_y2x(ents))
