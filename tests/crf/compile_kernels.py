"""Compile the Triton kernels for a GPU that need not be there:

    python tests/crf/compile_kernels.py 90 17 129

for compute capability 9.0 and 17 and 129 tags. Prints a JSON list with, for each, its name, tags,
target and whether machine code came out. It needs a process in which kernels are not interpreted.
"""

import json
import sys

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from spacy_crf_ner.crf.recursions import gpu

SCORES, OFFSETS = ("emissions", "start", "transitions", "end"), ("offsets",)
# The results of each kernel, and their types.
RESULTS = {
    "_forward": {"alphas": "*fp32", "log_z": "*fp64"},
    "_backward": {"betas": "*fp32"},
    "_viterbi": {"came_from": "*i16", "best": "*i64"},
}


def compile_kernel(name, n_tags, capability):
    """Compile one kernel as `gpu.launch_options` has it launched."""
    options = gpu.launch_options(n_tags)
    num_warps = options.pop("num_warps")
    signature = {**dict.fromkeys(SCORES, "*fp32"), **dict.fromkeys(OFFSETS, "*i64")}
    signature |= RESULTS[name] | dict.fromkeys(options, "constexpr")
    source = ASTSource(fn=getattr(gpu, name), signature=signature, constexprs=options)
    target = GPUTarget("cuda", capability, 32)
    return triton.compile(source, target=target, options={"num_warps": num_warps}).asm


def main(capability, *numbers_of_tags):
    compiled = []
    for n_tags in numbers_of_tags:
        for name in RESULTS:
            asm = compile_kernel(name, n_tags, capability)
            (target,) = (line for line in asm["ptx"].splitlines() if line.startswith(".target"))
            compiled.append((name, n_tags, target, asm["cubin"].startswith(b"\x7fELF")))
    sys.stdout.write(json.dumps(compiled))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
