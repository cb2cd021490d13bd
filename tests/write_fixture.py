"""Write a package of a tiny pipeline, and what it finds, as this version does.

    python tests/write_fixture.py tests/fixtures/pipeline-X.Y

tests/fixtures/README.md says when.
"""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import numpy as np
import spacy
from spacy.language import Language
from thinc.api import Config, fix_random_seed
from util import TEXTS, fit

from spacy_crf_ner.lexicon import set_lexicon
from spacy_crf_ner.training.vocab import clear_vocab

CONFIG = """
[nlp]
lang = "zh"

[nlp.tokenizer]
@tokenizers = "spacy_crf_ner.language_tokenizer.v1"

[crf_ner]
decoding = "entities"
threshold = 0.45
spans_key = "crf"

[crf_ner.model]
@architectures = "spacy_crf_ner.CRFTagger.v2"

[crf_ner.model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[crf_ner.model.tok2vec.embed]
@layers = "concatenate.v1"

[crf_ner.model.tok2vec.embed.*.characters]
@architectures = "spacy_crf_ner.FeatureEmbed.v1"
features = ["NORM", "BIGRAM_LEFT"]
widths = [8, 8]
rows = [100, 100]

[crf_ner.model.tok2vec.embed.*.vectors]
@architectures = "spacy_crf_ner.VectorsEmbed.v1"
width = 4
rows = 50

[crf_ner.model.tok2vec.embed.*.lexicon]
@architectures = "spacy_crf_ner.LexiconEmbed.v1"
width = 4

[crf_ner.model.tok2vec.encode]
@architectures = "spacy_crf_ner.BiLSTMEncoder.v1"
width = 16
"""


def main(folder: Path) -> None:
    """Write the package, unpacked, and expected.jsonl beside it."""
    release = version("spacy-crf-ner")
    name = "pipeline_" + "_".join(release.split(".")[:2])
    nlp = train()
    with TemporaryDirectory() as made:
        nlp.to_disk(Path(made) / "trained")
        command = ["-m", "spacy", "package", "trained", ".", "--build", "wheel"]
        command += ["--name", name, "--version", release]
        subprocess.run([sys.executable, *command], cwd=made, check=True)
        (wheel,) = Path(made).glob("*/dist/*.whl")
        with ZipFile(wheel) as archive:
            archive.extractall(folder)
    with (folder / "expected.jsonl").open("w", encoding="utf8") as file:
        for doc in nlp.pipe(TEXTS):
            ents = [(ent.text, ent.label_, ent._.confidence) for ent in doc.ents]
            file.write(json.dumps({"text": doc.text, "ents": ents}, ensure_ascii=False) + "\n")


def train() -> Language:
    """A pipeline with a lexicon, vectors and calibrated confidences."""
    fix_random_seed(0)
    config = Config().from_str(CONFIG)
    nlp = spacy.blank("zh", config={"nlp": config["nlp"]})
    set_lexicon(nlp.vocab, [("北京", "place"), ("上海", "place"), ("王明", "name")])
    for character, vector in zip("王明北京上海", np.eye(6, dtype="f")):
        nlp.vocab.set_vector(character, vector)
    pipe = nlp.add_pipe("crf_ner", config=config["crf_ner"])
    fit(nlp)
    pipe.temperature = 2.0
    return clear_vocab()(nlp)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
