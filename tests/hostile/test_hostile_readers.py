"""Damaged corpus files: read, or refused with a CorpusError that names the file."""

import json
import signal
import warnings
from random import Random

import pytest
import spacy
from mutations import SEEDS, damage_bytes, damage_tree

from spacy_crf_ner.formats.catalogue import FORMATS
from spacy_crf_ner.formats.corpus import read_corpus
from spacy_crf_ner.formats.find import find_files
from spacy_crf_ner.formats.write import write_files
from spacy_crf_ner.util import CorpusError

NLP = spacy.blank("zh")
SENTENCES = [
    ("王明在北京 工作。", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("𠮷野家 A-B\n上海", [(0, 1, "PER"), (8, 10, "A-B")]),
    ("今天下雨", []),
]
SECONDS = 20


@pytest.fixture(autouse=True)
def no_hang():
    """A file of a few hundred bytes is read at once."""

    def stop(*_):
        raise TimeoutError(f"reading took {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def make_docs():
    for text, spans in SENTENCES:
        doc = NLP.make_doc(text)
        doc.set_ents([doc.char_span(*span[:2], label=span[2]) for span in spans])
        yield doc


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What each format writes: for each file its name and its content."""
    files = {}
    for name, format in FORMATS.items():
        path = tmp_path_factory.mktemp("x") / f"a{format.suffix}"
        write_files({path: list(make_docs())}, format)
        paths = sorted(path.iterdir()) if path.is_dir() else [path]
        files[name] = {each.name: each.read_bytes() for each in paths}
    return files


def read(folder, files, format=None):
    """Read a corpus that may be damaged; returns its records, None if it was refused."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    signal.alarm(SECONDS)
    try:
        corpus = read_corpus(find_files([folder], "all").sets, NLP, format=format)
    except CorpusError as error:
        assert str(folder) in str(error)
        return None
    finally:
        signal.alarm(0)
    for record, doc in corpus.sets["all"].documents:
        assert all(isinstance(each, str) for each in record.text)
        for start, end, label in record.spans or []:
            assert 0 <= start < end <= len(record.text)
            assert isinstance(label, str)
            assert label
        for start, end in record.unknown:
            assert 0 <= start <= end <= len(record.text)
        assert [str(note) for note in record.notes] is not None
        for ent in doc.ents:
            assert 0 <= ent.start_char < ent.end_char <= len(doc.text)
            ent.text.encode("utf8")
    for note in corpus.sets["all"].notes:
        str(note), json.dumps(note.to_reject())
    return corpus


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_bytes_are_refused_or_read(name, seeds, written, tmp_path):
    others = [data for files in written.values() for data in files.values()]
    for seed in seeds:
        random = Random(f"{name} {seed}")
        files = dict(written[name])
        damaged = random.choice(list(files))
        files[damaged] = damage_bytes(random, files[damaged], others)
        format = random.choice([None, FORMATS[name]])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(tmp_path, files, format)


JSON_FORMATS = [name for name, format in FORMATS.items() if format.suffix.startswith(".json")]


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", JSON_FORMATS)
def test_damaged_json_is_refused_or_read(name, seeds, written, tmp_path):
    ((file, data),) = written[name].items()
    text = data.decode("utf8")
    values = json.loads(text) if text.startswith("[\n") else [*map(json.loads, text.splitlines())]
    for seed in seeds:
        random = Random(f"{name} {seed}")
        damaged = damage_tree(random, values)
        lines = damaged if isinstance(damaged, list) else [damaged]
        ascii = random.random() < 0.5
        text = "\n".join(json.dumps(line, default=str, ensure_ascii=ascii) for line in lines)
        data = text.encode("utf8", "surrogatepass")
        read(tmp_path, {file: data}, random.choice([None, FORMATS[name]]))


@pytest.mark.parametrize("name", FORMATS)
def test_whole_files_are_read(name, written, tmp_path):
    """Or else the tests above would say little."""
    corpus = read(tmp_path, written[name])
    ents = [ent.label_ for doc in corpus.sets["all"].docs for ent in doc.ents]
    assert ents == ["PER", "LOC", "PER", "A-B"]
