"""Damage for files and payloads: of their bytes, and of what the bytes mean.

Each function takes a `random.Random`, so that a seed is an example. `pytest tests/hostile` tries
the same ones each time, and `FUZZ_EXAMPLES=100000 pytest tests/hostile` that many of each kind.
"""

import copy
import os

import numpy as np
import pytest
import torch

FEW = 10
MANY = max(FEW + 1, int(os.environ.get("FUZZ_EXAMPLES", 400)))
# The examples of a test: a few always, more with the slow tests.
SEEDS = [
    pytest.param(range(FEW), id="few"),
    pytest.param(range(FEW, MANY), id="many", marks=pytest.mark.slow),
]
# Values that programs stumble over.
VALUES = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        10**6,
        2**31,
        2**63,
        2**70,
        -(2**31),
        10**12,
        0.5,
        1e300,
        -0.0,
    ),
    *(float("nan"), float("inf"), "", "x", "O", "B-PER", "\0", "\ud800", "\u202e京", "a\u0301"),
    *("../../x", "-1", "1e9", [], [[]], [0], {}, {"": {}}, {"text": "x"}, b"", b"\x80\x04."),
]
BYTES = [
    b"\0",
    b"\xff",
    b"\n",
    b"\r",
    b"\t",
    b'"',
    b"{",
    b"]",
    b"-",
    b"9",
    b"\xef\xbb\xbf",
    b"\x85",
]


def damage_bytes(random, data, others=()):
    """Flip, cut, insert, repeat or splice, once or a few times."""
    for _ in range(random.choice((1, 1, 2, 5))):
        at, end = sorted(random.randrange(len(data) + 1) for _ in range(2))
        end = min(end, at + 64)
        kind = random.randrange(7)
        if kind == 0 and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at]
        elif kind == 2:
            data = data[:at] + data[end:]
        elif kind == 3:
            data = data[:end] + data[at:end] * random.choice((1, 2, 50)) + data[end:]
        elif kind == 4:
            data = data[:at] + random.choice(BYTES) + data[at:]
        elif kind == 5:
            data = data[:at] + random.randbytes(random.randrange(1, 9)) + data[end:]
        else:
            other = random.choice([data, *others])
            data = data[:at] + other[random.randrange(len(other) + 1) :]
    return data


def damage_tree(random, tree):
    """Change, remove, copy or swap something in nested lists and dicts."""
    tree = copy.deepcopy(tree)
    places = list(_places(tree))
    for _ in range(random.choice((1, 1, 2))):
        if not places:
            return random.choice(VALUES)
        holder, key = random.choice(places)
        try:
            _change(random, holder, key, random.choice(places))
        except (IndexError, KeyError):
            pass  # it is no longer there
    return tree


def _change(random, holder, key, other):
    kind = random.randrange(6)
    if kind < 3:
        holder[key] = random.choice(VALUES)
    elif kind == 3:
        del holder[key]
    elif kind == 4:
        holder[key] = copy.deepcopy(other[0][other[1]])
    elif isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[random.choice(("x", "", "text", "label", "nO"))] = holder[key]


def _places(tree):
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if _is_list(tree) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def _is_list(tree):
    return isinstance(tree, list)


def damage_tensors(random, tensors):
    """Change, remove or add a tensor."""
    tensors = dict(sorted(tensors.items()))  # safetensors has no order
    name = random.choice(list(tensors))
    tensor = tensors[name]
    kind = random.randrange(9)
    if kind == 0:
        del tensors[name]
    elif kind == 1:
        tensors[random.choice(("x", "0.x", "99.W", f"{name}.x", "0.attrs.x", "-1.W"))] = tensor
    elif kind == 2:
        tensors[name] = tensors[random.choice(list(tensors))]
    elif kind == 3:
        types = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8)
        tensors[name] = tensor.to(random.choice(types))
    elif kind == 4:
        tensors[name] = tensor.flatten()[: random.randrange(tensor.numel() + 1)].clone()
    elif kind == 5:
        tensors[name] = torch.cat([tensor, tensor])
    elif kind == 6:
        tensors[name] = tensor[None].contiguous()
    elif kind == 7 and tensor.numel():
        flat = tensor.flatten().clone()
        worst = (
            [float("nan"), float("inf"), 3e38, -3e38, 1e-45] if flat.is_floating_point() else [255]
        )
        flat[random.randrange(flat.numel())] = random.choice(worst)
        tensors[name] = flat.view(tensor.shape)
    else:
        tensors[name] = (tensor.float() * random.choice((0.0, -1.0, 1e6, 1e30))).to(tensor.dtype)
    return {name: each.contiguous().clone() for name, each in tensors.items()}


def damage_bytes_of(random, tensors):
    """Change the bytes of one of the tensors that are bytes: attributes, and the structure."""
    of_bytes = sorted(name for name, each in tensors.items() if each.dtype == torch.uint8)
    name = random.choice(of_bytes)
    data = damage_bytes(random, tensors[name].numpy().tobytes())
    return {**tensors, name: torch.from_numpy(np.frombuffer(data, dtype="u1").copy())}
