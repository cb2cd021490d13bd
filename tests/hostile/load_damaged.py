"""Loads damaged weights, in a process of its own: `python load_damaged.py FOLDER KIND EXAMPLES`.

Each example is refused with a ValueError and leaves the component as it was, or gives a pipeline
that works. It prints what became of them; the last line names the example that it died with.
"""

import faulthandler
import json
import sys
from collections import Counter
from random import Random

import catalogue
import numpy as np
import spacy
import srsly
import torch
from mutations import damage_bytes, damage_bytes_of, damage_tensors, damage_tree
from safetensors.torch import load, save

TEXTS = ["王明在北京工作", "", "a\u0301\u200b 𠮷 \n", "李雷去上海" * 3]
SECONDS = 60


def damage_structure(random, tensors):
    """Change the dimensions and references."""
    structure = json.loads(tensors["structure"].numpy().tobytes())
    text = json.dumps(damage_tree(random, structure), default=str).encode()
    return {**tensors, "structure": torch.from_numpy(np.frombuffer(text, dtype="u1").copy())}


def damage_attrs(random, tensors):
    """Change the value of an attribute."""
    name = random.choice(sorted(name for name in tensors if ".attrs." in name))
    data = tensors[name].numpy().tobytes()
    try:
        data = srsly.msgpack_dumps(damage_tree(random, [srsly.msgpack_loads(data)])[0])
    except Exception:
        data = damage_bytes(random, data)  # it is zipped, or cannot be packed
    return {**tensors, name: torch.from_numpy(np.frombuffer(data or b"\0", dtype="u1").copy())}


def damage_cfg(random, cfg):
    return json.dumps(damage_tree(random, cfg), default=str).encode()


def damage_payload(kind, random, message):
    """The fields of a component, one of them damaged."""
    if kind == "payload":
        return damage_bytes(random, srsly.msgpack_dumps(message))
    if kind == "cfg":
        cfg = damage_cfg(random, json.loads(message["cfg"]))
        return srsly.msgpack_dumps({**message, "cfg": cfg.decode()})
    if kind == "bytes":
        return srsly.msgpack_dumps({**message, "model": damage_bytes(random, message["model"])})
    functions = {
        "tensors": damage_tensors,
        "structure": damage_structure,
        "attrs": damage_attrs,
        "attr_bytes": damage_bytes_of,
    }
    tensors = functions[kind](random, load(message["model"]))
    return srsly.msgpack_dumps({**message, "model": save(tensors)})


KINDS = ("payload", "cfg", "bytes", "tensors", "structure", "attrs", "attr_bytes")


def check(nlp):
    """Tag some texts: entities lie within them, and have the labels of the component."""
    labels = set(nlp.get_pipe("crf_ner").labels)
    for text, doc in zip(TEXTS, nlp.pipe(TEXTS)):
        assert doc.text == text
        for ent in doc.ents:
            assert 0 <= ent.start < ent.end <= len(doc)
            assert ent.label_ in labels
            assert 0 <= ent._.confidence <= 1


def load_all(nlp, kind, seeds):
    """Load the examples; returns how many were refused and loaded, and what failed after that."""
    pipe = nlp.get_pipe("crf_ner")
    good = pipe.to_bytes(exclude=["vocab"])
    outcomes = Counter()
    for seed in seeds:
        # What a crash leaves behind.
        sys.stderr.write(f"{kind} {seed}\n")
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        data = damage_payload(kind, Random(f"{kind} {seed}"), srsly.msgpack_loads(good))
        state = [(dict(node.attrs), dict(node._dims)) for node in pipe.model.walk()]
        try:
            pipe.from_bytes(data, exclude=["vocab"])
        except ValueError:
            outcomes["refused"] += 1
            assert pipe.to_bytes(exclude=["vocab"]) == good, f"{kind} {seed}: it has changed"
            continue
        try:
            check(nlp)
            outcomes["loaded"] += 1
        except ValueError as error:
            outcomes[f"loaded, but then: {error}"[:150]] += 1
        # What was added stays when the good payload is loaded.
        pipe.cfg = {name: pipe.cfg[name] for name in ("labels", "tag_scheme", "temperature")}
        for node, (attrs, dims) in zip(pipe.model.walk(), state):
            node.attrs.clear()
            node.attrs.update(attrs)
            node._dims.update(dims)
        pipe.from_bytes(good, exclude=["vocab"])
    faulthandler.cancel_dump_traceback_later()
    return outcomes


if __name__ == "__main__":
    faulthandler.enable()
    torch.set_num_threads(1)
    # As in conftest.py: most of the time would go into looking for entry points.
    found = catalogue.AVAILABLE_ENTRY_POINTS
    catalogue.AVAILABLE_ENTRY_POINTS = {name: found.select(group=name) for name in found.groups}
    folder, kind, last = sys.argv[1:]
    sys.stdout.write(json.dumps(load_all(spacy.load(folder), kind, range(int(last)))))
