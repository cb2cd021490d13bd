"""Damaged corpus files: read, or refused with a CorpusError that names the file."""

import json
import signal
import warnings
from contextlib import suppress
from itertools import islice
from random import Random

import pytest
import spacy
from mutations import SEEDS, damage_bytes, damage_tree

from spacy_crf_ner.formats.catalogue import FORMATS
from spacy_crf_ner.formats.corpus import read_corpus
from spacy_crf_ner.formats.find import find_files
from spacy_crf_ner.formats.record import BLANK_TOKEN
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
    except CorpusError:
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


# Tables


@pytest.fixture(scope="module")
def tables():
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra 'parquet'")
    from pyarrow import ipc, parquet

    names = {"names": ["O", "B-PER"], "_type": "ClassLabel"}
    features = {"ner_tags": {"feature": names, "_type": "Sequence"}}
    rows = {"tokens": [["王", "在"], ["a"]], "ner_tags": [[1, 0], [0]]}
    table = pyarrow.table(rows).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    stream, file = pyarrow.BufferOutputStream(), pyarrow.BufferOutputStream()
    with ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    parquet.write_table(table, file)
    return {
        "a.arrow": stream.getvalue().to_pybytes(),
        "a.parquet": file.getvalue().to_pybytes(),
    }


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", ["a.arrow", "a.parquet"])
def test_damaged_tables_are_refused_or_read(name, seeds, tables, tmp_path):
    assert read(tmp_path, {name: tables[name]})
    for seed in seeds:
        random = Random(f"{name} {seed}")
        read(tmp_path, {name: damage_bytes(random, tables[name], [*tables.values()])})


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"info": 1}', '{"features": [1]}', '{"features": 1}']
)
def test_features_that_are_none(content, tmp_path):
    row = json.dumps({"tokens": ["a", "b"], "ner_tags": ["O", "B-X"]})
    files = {"a.jsonl": row.encode(), "dataset_info.json": content.encode()}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    try:
        sets = read_corpus({"all": [tmp_path / "a.jsonl"]}, NLP).sets
    except CorpusError:
        assert content in ("[]", "{")
    else:
        assert len(sets["all"].docs) == 1


@pytest.mark.parametrize("state", [{"_data_files": [{}]}, {"_data_files": 1}, {"_data_files": [1]}])
def test_a_folder_that_does_not_name_its_files(state, tables, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.arrow").write_bytes(tables["a.arrow"])
    (folder / "dataset_info.json").write_text("{}")
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(CorpusError, match="name the files"):
        read_corpus({"all": [folder]}, NLP)


# What was found


def test_a_layer_of_webanno_without_a_name(tmp_path):
    text = "#FORMAT=WebAnno TSV 3.3\n#T_SP=\n\n#Text=a\n1-1\t0-1\ta\t_\t\n"
    with pytest.raises(CorpusError, match="which layer"):
        read_corpus({"all": [write_text(tmp_path / "a.tsv", text)]}, NLP)


@pytest.mark.parametrize("offsets", [[(0, 2), (2, 2)], [(0, 0), (0, 2)], [(0, 2), (0, 2)]])
def test_empty_and_repeated_tokens_of_spacys_json(offsets, tmp_path):
    tokens = [{"id": i, "start": start, "end": end} for i, (start, end) in enumerate(offsets)]
    text = json.dumps({"text": "ab", "ents": [], "tokens": tokens})
    (doc,) = read_corpus({"all": [write_text(tmp_path / "a.jsonl", text)]}, NLP).sets["all"].docs
    assert doc.text == "ab"


def test_an_empty_token_without_a_tag(tmp_path):
    text = json.dumps({"tokens": ["a", ""], "ner_tags": None})
    path = write_text(tmp_path / "a.jsonl", text)
    corpus = read_corpus({"all": [path]}, NLP, format=FORMATS["huggingface"]).sets["all"]
    assert [token.text for token in corpus.docs[0]] == ["a", " "]
    assert [note.kind for note in corpus.notes] == [BLANK_TOKEN]


def test_brackets_in_brackets(tmp_path):
    text = '{"text": ' + "[" * 10**5
    with pytest.raises(CorpusError, match="brackets within brackets"):
        read_corpus({"all": [write_text(tmp_path / "a.jsonl", text)]}, NLP)


def write_text(path, text):
    path.write_text(text, encoding="utf8")
    return path


def large_files():
    """Files of about a megabyte that a reader could take the square of."""
    n = 10**5
    text, ends = "ab " * (n // 3), range(n // 10)
    yield "a.jsonl", json.dumps({f"k{i}": 1 for i in range(n)})[:-1] + ', "k99999": 2}'
    yield "a.jsonl", json.dumps({"text": text, "label": [[i, n - 10, "X"] for i in ends]})
    words = "words " * (n // 6)
    yield "a.jsonl", json.dumps({"text": words, "label": [[i, n - 10, "X"] for i in ends]})
    yield "a.jsonl", json.dumps({"text": text, "spans": [], "answer": "accept", "tokens": [0] * n})
    yield "a.ann", "".join(f"T{i}\tX {i} {n - 10}\t\n" for i in ends)
    yield "a.ann", "T1\tX " + ";".join(f"{i} {i + 1}" for i in ends) + "\t\n"
    yield "a.tsv", "a\tO\n" * (2 * n)
    yield "a.tsv", "a" + " " * (10 * n) + "\tO\n"
    yield "a.tsv", " ".join(["a"] * n) + " O\n"
    yield "a.conll", "#begin document\n" + "\t".join([*"abcdefghij", "(X" * n + ")" * n]) + "\n"
    yield "a.conllu", "1\ta" + "\t_" * 7 + "\t" + "|".join(f"k{i}=v" for i in range(n)) + "|NER=O\n"
    header = "#FORMAT=WebAnno TSV 3.3\n#T_SP=x.NamedEntity|value\n\n#Text=a\n"
    stacked = "|".join(f"X[{i}]" for i in range(1, n))
    yield "a.tsv", f"{header}1-1\t0-1\ta\t{stacked}\t\n"
    units = [{"start": 2 * i + 2, "end": 2 * i + 4, "text": "😀", "labels": ["X"]} for i in ends]
    yield "a.json", json.dumps([{"id": 1, "text": "😀" * n, "label": units}])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(13))
def test_no_reader_takes_the_square(number, tmp_path):
    # Each takes up to 3 seconds on one of 2 cores of an AMD EPYC. A square takes minutes.
    name, text = next(islice(large_files(), number, None))
    (tmp_path / "a.txt").write_text("ab " * (10**5 // 3))
    path = write_text(tmp_path / name, text)
    signal.alarm(6 * SECONDS)
    with suppress(CorpusError):
        read_corpus({"all": [path]}, NLP)
