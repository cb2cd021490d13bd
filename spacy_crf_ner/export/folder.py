"""The folder that `crf export` writes."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from spacy.language import Language

from ..pipeline.component import crf_pipes
from ..util import replacing
from .graph import build_graph
from .network import read_network
from .settings import describe

# What a tagger is made of. These modules import nothing of the package but each other.
MODULES = (
    "export/tagger.py",
    "export/features.py",
    "export/dictionary.py",
    "export/decoding.py",
    "layers/character_types.py",
)


def export_pipeline(nlp: Language, folder: Path) -> list[str]:
    """Write the `crf_ner` of a pipeline as an ONNX graph, together with a tagger that runs it
    without torch and spaCy.

    nlp (Language): The pipeline.
    folder (Path): The folder, which must not exist or be empty.
    RETURNS (list[str]): The names of the pipeline's other components, which are left out.
    RAISES: ImportError without onnx and onnxruntime. ValueError if the pipeline does not have
        exactly one trained `crf_ner`, or something that cannot be exported. CorpusError, a
        ValueError, if there is a folder with something in it.
    """
    if not (find_spec("onnx") and find_spec("onnxruntime")):
        raise ImportError("crf export needs onnx: pip install 'spacy-crf-ner[onnx]'")
    pipes = crf_pipes(nlp)
    if len(pipes) != 1:
        raise ValueError(
            f"Expected a pipeline with one crf_ner, got {len(pipes)}: {', '.join(pipes) or 'none'}."
        )
    ((name, component),) = pipes.items()
    component.predict([])  # an error if it is not trained
    network = read_network(component.model)
    settings, arrays = describe(nlp, component, network)
    model = build_graph(network)
    with replacing(folder) as temporary:
        temporary.mkdir(parents=True)
        (temporary / "model.onnx").write_bytes(model.SerializeToString())
        text = json.dumps(settings, ensure_ascii=False, indent=1)
        (temporary / "settings.json").write_text(text, encoding="utf8")
        np.savez(temporary / "arrays.npz", **arrays)  # type: ignore[arg-type]  # one is a bool
        for module in MODULES:
            shutil.copy(Path(__file__).parents[1] / module, temporary)
    return [other for other in nlp.pipe_names if other != name]
