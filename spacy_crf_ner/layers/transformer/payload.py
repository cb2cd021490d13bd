"""A saved encoder: its files, checked before transformers reads them, and what was read."""

import gc
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import srsly
import torch
from safetensors import safe_open
from transformers import AutoModel, AutoTokenizer

CONFIG, WEIGHTS = "config.json", "model.safetensors"
# What `save_pretrained` writes: settings, vocabularies and weights. Neither code nor pickles, nor
# the name of another encoder to load.
_NAME = re.compile(
    r"(?!adapter_)[\w-][\w.-]*\.(json|txt|tsv|model|spm|bpe|codes|tokenizer|jinja|safetensors)"
)
FIX = "The pipeline is damaged or was changed: get it again."


def unpack(data: bytes) -> dict[str, Any]:
    """Unpack a payload.

    data (bytes): What the shim's `to_bytes` returned.
    RETURNS (dict[str, Any]): The content of each of its "files" by name, and "use_fast".
    RAISES: ValueError if it is something else, or there is a file that is none of an encoder's.
    """
    try:
        message = srsly.msgpack_loads(data)
        files = {**message["files"]}
        use_fast = message["use_fast"]
    # msgpack and numpy have errors of their own.
    except Exception as error:
        gc.enable()  # srsly turns it off, and leaves it off after an error
        raise ValueError(
            f"TransformerModel: the payload is none of this layer ({error!r:.200}). {FIX}"
        ) from error
    check_files(files)
    return {"files": files, "use_fast": use_fast is True}


def check_files(files: dict[Any, Any]) -> None:
    """Check that files are those of an encoder, before they are stored or loaded.

    files (dict[Any, Any]): The content of each by name.
    RAISES: ValueError if one is not.
    """
    for name, content in files.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"TransformerModel: refused the file {name!r:.80}. An encoder is stored as "
                f"safetensors, JSON and text files. {FIX}"
            )
        if not isinstance(content, bytes):
            raise ValueError(f"TransformerModel: the file {name} is no bytes. {FIX}")


def load_files(files: dict[str, bytes], use_fast: bool) -> tuple[Any, Any]:
    """Load an encoder and its tokenizer. No code from the files is run, whatever they and the
    pipeline's config say.

    files (dict[str, bytes]): The content of each file, as `unpack` returns it.
    use_fast (bool): Whether the tokenizer is a fast one.
    RETURNS (tuple[Any, Any]): The tokenizer and the encoder.
    RAISES: ValueError if a file is damaged, or if weights are missing, left over, of another size,
        or not finite.
    """
    local = {"local_files_only": True, "trust_remote_code": False}
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        try:
            _check_config(Path(folder))
            tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=use_fast, **local)
            encoder, info = AutoModel.from_pretrained(
                # Any other format is pickle.
                folder,
                use_safetensors=True,
                output_loading_info=True,
                **local,
            )
        # transformers, tokenizers and safetensors raise all kinds of errors for damaged files.
        except Exception as error:
            raise ValueError(
                f"TransformerModel: the encoder's files cannot be read ({type(error).__name__}: "
                f"{str(error).replace(folder, '')[:300]}). {FIX}"
            ) from error
        # On a CPU they are still mapped to the file, which is deleted below.
        for tensor in encoder.parameters():
            tensor.data = tensor.data.clone()
    _check_weights(encoder, info)
    return tokenizer, encoder


def _check_config(folder: Path) -> None:
    if not (folder / WEIGHTS).is_file():
        return  # in several files, or missing, which transformers says
    with safe_open(folder / WEIGHTS, "pt") as file:
        n_tensors = len(file.keys())
    for key, value in srsly.read_json(folder / CONFIG).items():
        # Each layer has a tensor at least. Or else a number alone could fill the memory.
        if key.endswith(("layer", "layers")) and isinstance(value, int) and value > n_tensors:
            raise ValueError(f"{key} is {value}, but there are {n_tensors} tensors")
        # transformers gets kernels, which are code, from the hub by such a name.
        if key.endswith("attn_implementation") and "/" in str(value):
            raise ValueError(f"{key} is {value}, which is code from elsewhere")


def _check_weights(encoder: Any, info: dict[str, Any]) -> None:
    for kind in ("missing", "unexpected", "mismatched"):
        keys = sorted(map(str, info[f"{kind}_keys"]))
        if keys:
            raise ValueError(f"TransformerModel: {kind} weights: {', '.join(keys[:3])}. {FIX}")
    for name, tensor in encoder.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"TransformerModel: {name} has NaN or infinity in it. {FIX}")
