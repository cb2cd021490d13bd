"""The student's side: a pipeline initialized for training on its teachers' soft targets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.util import minibatch, registry, resolve_dot_names, set_dot_to_object
from thinc.api import Config

from ..formats.source import Source
from ..formats.text import read_texts
from ..pipeline.gold import survey_gold
from ..pipeline.recognizer import recognizer_of, run_before_recognizer
from ..pipeline.soft_targets import tag_order
from ..util import CorpusError, replacing
from .teacher import annotate, is_labelled
from .warm_start import take_embeddings, take_encoder

# The approximate number of tokens for regressing the teacher's embeddings on the student's.
COMPARED = 50_000
# The name of `distilled_corpus` in configs.
READER = "spacy_crf_ner.DistilledCorpus.v1"

Progress = Callable[[Iterable[Example], int], Iterable[Example]]


class Student(NamedTuple):
    """A pipeline that is ready to be trained by `spacy.training.loop.train`.

    nlp (Language): The initialized pipeline. The train corpus in its config has soft targets.
    labelled (int): The number of examples with gold annotation.
    unlabelled (int): The number of examples without it, which have only soft targets.
    embeddings (int): The number of embedding tables taken from the first teacher.
    encoder (bool): Whether the layers above the embeddings were also taken.
    """

    nlp: Language
    labelled: int
    unlabelled: int
    embeddings: int
    encoder: bool


def prepare_student(
    teachers: Sequence[Language],
    config: Config,
    raw: Sequence[Path],
    output: Path,
    *,
    weight: float,
    use_gpu: int,
    progress: Progress,
) -> Student:
    """Initialize a pipeline, and write the teachers' soft targets for all its training documents.

    The train corpus is read once, with the examples that its augmenter adds, as in spaCy's
    training. The student's tokenizer is used. If the config does not name the student's labels,
    they are the teachers', so that the student also learns labels that the gold annotation lacks.
    The student starts from the layers of the first teacher that match its own.

    teachers (Sequence[Language]): One pipeline, or several whose distributions are averaged.
    config (Config): The student's training config, with its variables.
    raw (Sequence[Path]): Unlabelled documents: .spacy files, or texts for `read_texts`.
    output (Path): The .spacy file to write, with everything that training needs.
    weight (float): The teachers' weight where there is gold annotation, from 0 to 1.
    use_gpu (int): The GPU, or -1.
    progress (Progress): Given the examples and their number, shows progress over them.
    RETURNS (Student): The student.
    RAISES: ValueError if a pipeline does not have exactly one `crf_ner`, or if tags or labels
        differ; CorpusError if unlabelled documents cannot be read.
    """
    tag_set = recognizer_of(teachers[0], "The teacher").tag_set
    config = config.copy()
    for name, settings in config["components"].items():
        if settings.get("factory") == "crf_ner":
            section = config.setdefault("initialize", {}).setdefault("components", {})
            section.setdefault(name, {}).setdefault("labels", list(tag_set.labels))
    nlp = init_nlp(config, use_gpu=use_gpu)
    student = recognizer_of(nlp, "The student")
    tag_set = student.tag_set
    for teacher in teachers:
        tag_order(recognizer_of(teacher, "Each teacher").tag_set, tag_set)
    filled = nlp.config.interpolate()
    training = registry.resolve(filled["training"], schema=ConfigSchemaTraining)
    (corpus,) = resolve_dot_names(filled, [training["train_corpus"]])
    examples = student.gold_examples(corpus(nlp))
    unknown = set(survey_gold(examples).labels) - set(tag_set.labels)
    if unknown:
        raise ValueError(
            f"The train corpus has labels that the teacher does not know: "
            f"{', '.join(sorted(unknown))}. The teacher's are {', '.join(sorted(tag_set.labels))}."
        )
    for path in raw:
        examples += [Example(doc, doc.copy()) for doc in read_unlabelled(path, nlp)]
    embeddings, encoder = _warm_start(nlp, teachers[0], examples, progress)
    write_distilled(progress(annotate(teachers, examples, tag_set, weight), len(examples)), output)
    labelled = sum(map(is_labelled, examples))
    set_dot_to_object(
        nlp.config, training["train_corpus"], {"@readers": READER, "path": str(output)}
    )
    return Student(nlp, labelled, len(examples) - labelled, embeddings, encoder)


def write_distilled(examples: Iterable[Example], output: Path) -> None:
    """Write a corpus with soft targets, for `distilled_corpus`.

    examples (Iterable[Example]): The examples.
    output (Path): The .spacy file.
    """
    docbin = DocBin(store_user_data=True)
    for eg in examples:
        docbin.add(eg.predicted)
        docbin.add(eg.reference)
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as path:
        docbin.to_disk(path)


def distilled_corpus(path: Path) -> Callable[[Language], Iterator[Example]]:
    """Make a reader for a corpus with soft targets.

    path (Path): The .spacy file. Each example in it is two documents, predicted and gold, so that
        the tokens stay those of the soft targets.
    RETURNS (Callable[[Language], Iterator[Example]]): The reader, for a training config.
    """

    def read(nlp: Language) -> Iterator[Example]:
        docs = DocBin().from_disk(path).get_docs(nlp.vocab)
        for predicted, reference in zip(docs, docs):
            yield Example(predicted, reference)

    return read


def read_unlabelled(path: Path, nlp: Language) -> list[Doc]:
    """Read documents without their annotation.

    path (Path): A .spacy file, or a file with one text per line or JSON lines with "text".
    nlp (Language): The pipeline that tokenizes.
    RETURNS (list[Doc]): The documents.
    RAISES: CorpusError if the file cannot be read.
    """
    if path.suffix != ".spacy":
        return [nlp.make_doc(text) for text in read_texts(Source.open(path))]
    if not path.is_file():
        raise CorpusError("there is no such file. Check the path.", path)
    return [eg.predicted for eg in Corpus(path)(nlp)]


def _warm_start(
    student: Language, teacher: Language, examples: Sequence[Example], progress: Progress
) -> tuple[int, bool]:
    mine, theirs = recognizer_of(student, "The student"), recognizer_of(teacher, "The teacher")
    n_tokens = sum(len(eg.predicted) for eg in examples)
    compared = examples[:: n_tokens // COMPARED + 1]

    def batches() -> Iterator[tuple[list[Doc], list[Doc]]]:
        for batch in minibatch(progress(compared, len(compared)), teacher.batch_size):
            docs = [eg.predicted for eg in batch]
            yield run_before_recognizer(student, docs), run_before_recognizer(teacher, docs)

    order = tag_order(theirs.tag_set, mine.tag_set)
    return (
        take_embeddings(mine.model, theirs.model),
        take_encoder(mine.model, theirs.model, order, batches()),
    )
