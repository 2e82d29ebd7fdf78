"""Arrays that compiled code works with and does not own.

Numba counts references to arrays, with locked instructions, wherever one is handed to a function or to another name.
In a loop over the tags of a document that costs more than all the rest. A borrowed array is not counted; the caller
must keep the array alive, as the arguments of a compiled function are.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic


def _borrow(_typing_context: Any, array: Any) -> Any:
    if not isinstance(array, types.Array):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        own = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        own.meminfo = ir.Constant(own.meminfo.type, None)
        own.parent = cgutils.get_null_value(own.parent.type)
        return own._getvalue()

    return array(array), generate


borrowed: Any = intrinsic(_borrow)
"""``borrowed(array)``, in compiled code: the same array, without an owner."""
