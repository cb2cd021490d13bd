"""How numba compiles functions, and caches what it has compiled."""

from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Any, Literal

import numba
from numba.core.caching import FunctionCache

# Sums in any order, and products that are added without rounding in between.
FAST = ("contract", "nsz", "reassoc")


class Cache(FunctionCache):
    """What numba has compiled, in files. One that cannot be read or written, because it is damaged
    or the disk is full, costs no more than the time to compile."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """See numba. RETURNS (Any): What was compiled, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # pickle may raise anything
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """See numba."""
        with suppress(OSError):
            super().save_overload(sig, data)


def jit(
    function: Callable[..., Any],
    inline: Literal["never", "always"] = "never",
    fastmath: Collection[str] = FAST,
) -> Callable[..., Any]:
    """Compile a function when it is first called, and cache it.

    function (Callable[..., Any]): The function.
    inline (Literal["never", "always"]): "always" makes it a part of the functions that call it.
    fastmath (Collection[str]): LLVM's names of what rounding may depend on.
    RETURNS (Callable[..., Any]): The compiled function.
    """
    compiled: Any = numba.njit(
        nogil=True,
        error_model="numpy",
        fastmath=set(fastmath),
        inline=inline,
    )(function)
    # If neither the package's folder nor the user's cache is writable, each process compiles.
    with suppress(RuntimeError):
        compiled._cache = Cache(function)  # as `cache=True` does with a FunctionCache
    return compiled


jit_inline = partial(jit, inline="always")
# Rounds as it is written.
jit_exact = partial(jit, fastmath=())
