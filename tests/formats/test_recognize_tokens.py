"""Files of tokens with tags are told apart by content."""

import json

import pytest

from spacy_crf_ner.formats.catalogue import find_format
from spacy_crf_ner.formats.source import Source

CONLLU = "1\tLi\t_\t_\t_\t_\t_\t_\t_\tNER=B-PER\n"
SAMPLES = [
    ("columns", "Li B-PER\nruns O\n"),
    ("columns", "1\tLi\tB-PER\n2\truns\tO\n"),
    ("columns", "# id = 1\n1\tLi\tB-PER\t-\t-\n"),
    ("columns", "-DOCSTART- -X- O O\n\nLi NNP B-NP B-PER\n"),
    ("columns", "1\tLi\tLi\tX\tX\t_\t2\tx\t_\tB-PER\n"),
    ("columns", "B-PER\t#FORMAT=WebAnno\n"),
    ("conllu", CONLLU),
    ("conllu", "# sent_id = 1\n# text = Li\n" + CONLLU),
    ("conllu", "# global.columns = ID FORM NER\n1\tLi\tB-PER\n"),
    ("conll2012", "#begin document (a); part 000\na 0 0 Li - - - - - - (PERSON) -\n"),
    (
        "webanno",
        "#FORMAT=WebAnno TSV 3.3\n#T_SP=x.NamedEntity|value\n\n\n#Text=Li\n1-1\t0-2\tLi\tPER\t\n",
    ),
    ("huggingface", json.dumps({"tokens": ["Li"], "ner_tags": ["B-PER"]})),
    ("huggingface", json.dumps([{"words": ["Li"], "labels": ["O"]}], indent=1)),
    ("cluener", json.dumps({"text": "Li", "label": {}})),
]


@pytest.mark.parametrize(("name", "text"), SAMPLES)
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_format_is_told_by_content(name, text, start):
    source = Source("a", (start + text).encode())
    assert find_format(source).name == name
    assert list(find_format(source).read(source))
