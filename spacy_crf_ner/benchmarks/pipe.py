"""How fast pipelines tag texts, beside each other, and what confidences cost."""

from functools import partial
from typing import Callable, Dict, List

import spacy
from spacy.language import Language

from ..component import CRFEntityRecognizer
from .timing import take_turns

# A name for the confidences that no pipeline is likely to use itself.
SPANS_KEY = "crf_ner_benchmark"


def benchmark_pipe(models: List[str], texts: List[str], runs: int) -> Dict[str, float]:
    """Time `nlp.pipe` over texts.

    models (List[str]): Names or paths of pipelines. One that has a `crf_ner` without confidences
        is timed with them as well.
    texts (List[str]): The texts.
    runs (int): How many times to run each.
    RETURNS (Dict[str, float]): The median seconds of each.
    """
    contenders: Dict[str, Callable[[], object]] = {}
    for model in models:
        nlp = spacy.load(model)
        contenders[model] = partial(_tag, nlp, texts)
        without = [
            name
            for name, component in nlp.pipeline
            if isinstance(component, CRFEntityRecognizer) and component.spans_key is None
        ]
        if without:
            settings = {"components": {name: {"spans_key": SPANS_KEY} for name in without}}
            confident = spacy.load(model, config=settings)
            contenders[f"{model}, with confidences"] = partial(_tag, confident, texts)
    return take_turns(contenders, runs)


def _tag(nlp: Language, texts: List[str]) -> int:
    return sum(len(doc.ents) for doc in nlp.pipe(texts))
