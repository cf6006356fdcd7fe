"""The solver of kernels.py in machine code: numba, with the BLAS and LAPACK of SciPy."""

from typing import Any

import numpy as np
from numba import njit, types
from numba.experimental import function_type  # noqa: F401  it lets Routine be an argument
from numba.extending import get_cython_function_address
from numpy.typing import NDArray


class Routine(types.WrapperAddressProtocol):  # type: ignore[misc]
    """A routine of Fortran, all of whose arguments are addresses.

    Handed to compiled code as an argument: an address in the code would keep it out of the cache.
    """

    def __init__(self, module: str, name: str, arguments: int) -> None:
        self._address = get_cython_function_address(f"scipy.linalg.{module}", name)
        self._signature = types.int32(*[types.intp] * arguments)

    def __wrapper_address__(self) -> int:
        """Return where the routine is."""
        return int(self._address)

    def signature(self) -> Any:
        """Return its type. It returns nothing; what numba takes for a result is not looked at."""
        return self._signature


SYRK = Routine("cython_blas", "ssyrk", 10)
POSV = Routine("cython_lapack", "sposv", 8)
LETTERS = np.frombuffer(b"LNT", np.uint8)
UNIT = np.ones(1, np.float32)


@njit(cache=True)
def _at(array):  # type: ignore[no-untyped-def]
    return np.int64(array.ctypes.data)


@njit(cache=True, fastmath=True, nogil=True)
def _solve(  # type: ignore[no-untyped-def]
    syrk, posv, letters, unit, ends, columns, strengths, z, values, reg, chunk
):
    rank = z.shape[1]
    most = max(rank, chunk)
    b = np.empty((most, rank), np.float32)
    left = np.empty(rank * rank, np.float32)
    right = np.empty(most, np.float32)
    root_w = np.empty(rank, np.float32)
    solved = np.zeros((len(ends) - 1, rank), np.float32)
    # Fortran takes everything by address. What only an address is taken of comes as an argument:
    # numba would free an array of this function before the call.
    lower = _at(letters)
    normal, transposed = lower + 1, lower + 2
    numbers = np.array([0, 0, rank, 1, 0], np.int32)
    size = _at(numbers)
    inner, width, one, info = size + 4, size + 8, size + 12, size + 16
    last = -1
    for i in range(len(ends) - 1):
        start, end = ends[i], ends[i + 1]
        n = end - start
        if n == 0:
            continue
        if n != last:
            for k in range(rank):
                root_w[k] = 1 / np.sqrt(values[k] + reg * n)
            last = n
        dual = n < rank
        order = n if dual else rank
        left[: order * order] = 0
        for k in range(order):
            left[k * order + k] = 1
        right[:order] = 0
        numbers[0] = order
        for at in range(start, end, most):
            stop = min(end, at + most)
            for j in range(at, stop):
                s = strengths[j]
                row, source = b[j - at], z[columns[j]]
                target = (1 + s * s) / s
                for k in range(rank):
                    row[k] = source[k] * root_w[k] * s
                if dual:
                    right[j - at] = target
                else:
                    for k in range(rank):
                        right[k] += row[k] * target
            numbers[1] = rank if dual else stop - at
            # Fortran reads b by columns, so as its transpose.
            syrk(
                lower, transposed if dual else normal, size, inner, _at(unit),
                _at(b), width, _at(unit), _at(left), size,
            )  # fmt: skip
        posv(lower, size, one, _at(left), size, _at(right), size, info)
        x = solved[i]
        if dual:
            for j in range(n):
                for k in range(rank):
                    x[k] += b[j, k] * right[j]
            for k in range(rank):
                x[k] *= root_w[k]
        else:
            for k in range(rank):
                x[k] = right[k] * root_w[k]
    return solved


def solve(
    ends: NDArray[np.int64],
    columns: NDArray[np.int32],
    strengths: NDArray[np.float32],
    z: NDArray[np.float32],
    values: NDArray[np.float32],
    reg: np.float32,
    chunk: int,
) -> NDArray[np.float32]:
    """Return the vectors of the rows; see kernels.solve."""
    solved: NDArray[np.float32] = _solve(
        SYRK, POSV, LETTERS, UNIT, ends, columns, strengths, z, values, reg, chunk
    )
    return solved
