"""Distillation: trained pipelines annotate a corpus with all that they believe of it, and another
pipeline learns from that (Hinton et al. 2015, "Distilling the knowledge in a neural network")."""

from pathlib import Path
from typing import Callable, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

import torch
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.util import minibatch, registry, resolve_dot_names, set_dot_to_object
from thinc.api import Config

from .component import CRFEntityRecognizer
from .crf import Expectations, expectations
from .formats.files import read_lines, replacing
from .formats.record import CorpusError
from .formats.text import read_texts
from .gold import survey_gold
from .loss import constrain
from .tags import TagSet
from .training.teaching import Lesson, keep_lesson, tag_order
from .training.warm_start import take_embeddings, take_encoder

# About how many tokens, at most, show how a teacher's embeddings follow from its student's.
COMPARED = 50_000

Progress = Callable[[Iterable[Example], int], Iterable[Example]]


class Student(NamedTuple):
    """A pipeline that is ready to be trained by `spacy.training.loop.train`.

    nlp (Language): The initialized pipeline. Its config's train corpus is the annotated one.
    labelled (int): How many examples there are with gold annotation.
    unlabelled (int): How many without, from which it learns by the teachers alone.
    embeddings (int): From how many tables of embeddings of the first teacher it starts.
    encoder (bool): Whether it starts from the layers above them as well.
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
    """Initialize a pipeline, and let teachers annotate all that it is to be trained on.

    The train corpus is read once, with what its augmenter adds, as it is by spaCy's training.
    Tokens are the student's. Unless the config says what its labels are, they are the teachers',
    so that it learns those of them as well that the gold annotation happens not to have. It starts
    from those layers of the first teacher that are like its own.

    teachers (Sequence[Language]): One pipeline, or several whose distributions are averaged.
    config (Config): The student's training config, with its variables.
    raw (Sequence[Path]): Unlabelled documents: .spacy files, or texts for `read_texts`.
    output (Path): The .spacy file to write, with everything that training needs.
    weight (float): How much the teachers count where there is gold annotation, from 0 to 1.
    use_gpu (int): The GPU, or -1.
    progress (Progress): Wraps the examples and their number while they are annotated.
    RETURNS (Student): The student.
    RAISES: ValueError if a pipeline does not have just one `crf_ner`, or another has other tags;
        CorpusError for unlabelled documents that cannot be read.
    """
    tag_set = _recognizer(teachers[0], "The teacher").tag_set
    config = config.copy()
    for name, settings in config["components"].items():
        if settings.get("factory") == "crf_ner":
            section = config.setdefault("initialize", {}).setdefault("components", {})
            section.setdefault(name, {}).setdefault("labels", list(tag_set.labels))
    nlp = init_nlp(config, use_gpu=use_gpu)
    tag_set = _recognizer(nlp, "The student").tag_set
    for teacher in teachers:
        tag_order(_recognizer(teacher, "Each teacher").tag_set, tag_set)
    filled = nlp.config.interpolate()
    training = registry.resolve(filled["training"], schema=ConfigSchemaTraining)
    (corpus,) = resolve_dot_names(filled, [training["train_corpus"]])
    examples = list(corpus(nlp))
    unknown = set(survey_gold(examples).labels) - set(tag_set.labels)
    if unknown:
        raise ValueError(
            f"The train corpus has labels that the teacher does not know: "
            f"{', '.join(sorted(unknown))}. The teacher's are {', '.join(sorted(tag_set.labels))}."
        )
    for path in raw:
        examples += [Example(doc, doc.copy()) for doc in read_unlabelled(path, nlp)]
    embeddings, encoder = _warm_start(nlp, teachers[0], examples, progress)
    docbin, labelled = DocBin(store_user_data=True), 0
    for eg in progress(annotate(teachers, examples, tag_set, weight), len(examples)):
        labelled += _is_labelled(eg)
        docbin.add(eg.predicted)
        docbin.add(eg.reference)
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as path:
        docbin.to_disk(path)
    reader = {"@readers": "spacy_crf_ner.DistilledCorpus.v1", "path": str(output)}
    set_dot_to_object(nlp.config, training["train_corpus"], reader)
    return Student(nlp, labelled, len(examples) - labelled, embeddings, encoder)


def distilled_corpus(path: Path) -> Callable[[Language], Iterator[Example]]:
    """Read a corpus that teachers have annotated: the registered reader.

    path (Path): The .spacy file, in which each example is two documents, predicted and gold. So
        tokens stay those that the teachers have seen.
    RETURNS (Callable[[Language], Iterator[Example]]): The corpus, for the config of a training.
    """

    def read(nlp: Language) -> Iterator[Example]:
        docs = DocBin().from_disk(path).get_docs(nlp.vocab)
        for predicted, reference in zip(docs, docs):
            yield Example(predicted, reference)

    return read


def read_unlabelled(path: Path, nlp: Language) -> List[Doc]:
    """Read documents without their annotation.

    path (Path): A .spacy file, or a text file with a text a line or JSON lines with "text".
    nlp (Language): The pipeline that tokenizes.
    RETURNS (List[Doc]): The documents.
    RAISES: CorpusError if the file cannot be read.
    """
    if path.suffix != ".spacy":
        return [nlp.make_doc(text) for text in read_texts(path, read_lines(path))]
    if not path.is_file():
        raise CorpusError("there is no such file. Check the path.", path)
    return [eg.predicted for eg in Corpus(path)(nlp)]


def annotate(
    teachers: Sequence[Language], examples: Iterable[Example], tag_set: TagSet, weight: float
) -> Iterator[Example]:
    """Keep on the gold documents of examples what teachers expect of their tokens.

    The mean of what several expect is what the mean of their distributions does.

    teachers (Sequence[Language]): The pipelines.
    examples (Iterable[Example]): The examples.
    tag_set (TagSet): The student's tags.
    weight (float): How much the teachers count where there is gold annotation; elsewhere it is 1.
    YIELDS (Example): The examples.
    """
    for batch in minibatch(examples, min(teacher.batch_size for teacher in teachers)):
        docs = [eg.predicted for eg in batch]
        expected = [_expect(teacher, docs, tag_set) for teacher in teachers]
        tags, pairs = (torch.stack(parts).mean(0) for parts in zip(*expected))
        for eg, *parts in zip(batch, tags.split([len(doc) for doc in docs]), pairs):
            counts = weight if _is_labelled(eg) else 1.0
            keep_lesson(eg.reference, Lesson(counts, tag_set, *(part.numpy() for part in parts)))
            yield eg


def _warm_start(
    student: Language, teacher: Language, examples: Sequence[Example], progress: Progress
) -> Tuple[int, bool]:
    mine, theirs = _recognizer(student, "The student"), _recognizer(teacher, "The teacher")
    n_tokens = sum(len(eg.predicted) for eg in examples)
    compared = examples[:: n_tokens // COMPARED + 1]

    def batches() -> Iterator[Tuple[List[Doc], List[Doc]]]:
        for batch in minibatch(progress(compared, len(compared)), teacher.batch_size):
            docs = [eg.predicted for eg in batch]
            yield _read(student, docs), _read(teacher, docs)

    order = tag_order(theirs.tag_set, mine.tag_set)
    return (
        take_embeddings(mine.model, theirs.model),
        take_encoder(mine.model, theirs.model, order, batches()),
    )


def _expect(teacher: Language, docs: Sequence[Doc], tag_set: TagSet) -> Expectations:
    pipe = _recognizer(teacher, "Each teacher")
    tags, pairs = expectations(constrain(pipe.potentials(_read(teacher, docs)), pipe.tag_set))
    order = tag_order(pipe.tag_set, tag_set)
    return Expectations(tags[:, order].cpu(), pairs[:, order][:, :, order].cpu())


def _read(nlp: Language, docs: Sequence[Doc]) -> List[Doc]:
    """Copies with all that a pipeline's recognizer builds on, such as a transformer's vectors."""
    copies = [
        Doc(nlp.vocab, [token.text for token in doc], [bool(t.whitespace_) for t in doc])
        for doc in docs
    ]
    names = nlp.pipe_names
    with nlp.select_pipes(disable=names[names.index(_recognizer(nlp, "A pipeline").name) :]):
        return list(nlp.pipe(copies))


def _recognizer(nlp: Language, whose: str) -> CRFEntityRecognizer:
    pipes = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, CRFEntityRecognizer)]
    if len(pipes) != 1:
        raise ValueError(
            f"{whose} must have one crf_ner in its pipeline, but has {len(pipes)}: "
            f"{', '.join(nlp.pipe_names) or 'it is empty'}."
        )
    return pipes[0]


def _is_labelled(example: Example) -> bool:
    return example.reference.has_annotation("ENT_IOB")
