"""A student that starts from its teacher's embeddings."""

from collections import defaultdict
from typing import Dict, Hashable, Iterator, List, Tuple

from thinc.api import Model

# What a table is for.
_PURPOSE = ("seed", "column", "classes")
# In which of its rows something is, where training gives them out.
_ROWS = "index"


def take_embeddings(student: Model, teacher: Model) -> int:
    """Start a student from those embeddings of its teacher that are like its own, as DistilBERT
    starts from layers of BERT (Sanh et al. 2019, "DistilBERT, a distilled version of BERT"). They
    are most of what a small network has to learn.

    Tables are alike if they are of the same kind and shape, and for the same feature of tokens or
    for the same classes of words. All else stays as it is.

    student (Model): The initialized network, changed in place.
    teacher (Model): The trained network.
    RETURNS (int): How many tables were taken.
    """
    theirs: Dict[Hashable, List[Model]] = defaultdict(list)
    for key, node in _embeddings(teacher):
        theirs[key].append(node)
    n_taken = 0
    for key, node in _embeddings(student):
        if theirs[key]:
            other = theirs[key].pop(0)
            for name in node.param_names:
                node.set_param(name, node.ops.asarray(other.get_param(name)).copy())
            if _ROWS in node.attrs:
                node.attrs[_ROWS] = dict(other.attrs[_ROWS])
            n_taken += 1
    return n_taken


def _embeddings(model: Model) -> Iterator[Tuple[Hashable, Model]]:
    """The layers that have a table, and what must be the same where they are alike."""
    nodes = list(model.walk())
    # A table knows the column of its feature; which one that is, a layer before it does.
    read = [node.attrs.get("features", node.attrs.get("columns")) for node in nodes]
    features = [names for names in read if names is not None]
    for node in nodes:
        if node.name.endswith("embed") and node.param_names:
            shapes = tuple(node.get_param(name).shape for name in node.param_names)
            purpose = [node.attrs[name] for name in _PURPOSE if name in node.attrs]
            purpose += [features] if "column" in node.attrs else []
            yield (node.name, shapes, repr(purpose)), node
