"""One half of an ALS iteration: every row of one side, solved exactly against the other side.

The objective is that of MLlib's implicit ALS (Hu, Koren and Volinsky 2008, with the regularisation
of a row scaled by its length as by Zhou et al. 2008): a row with n weights r has

    (Y'Y + Y'(C - I)Y + reg n I) x = Y'C p      with c = 1 + alpha r and p = 1

where Y are the other side's vectors. In the eigenbasis of their Gramian, Y'Y = V diag(lam) V' and
Z = Y V, the regularised Gramian is the diagonal lam + reg n =: 1/w. With s = sqrt(alpha r) and
B = diag(s) Z diag(sqrt(w)) of the row's own n columns, and b = (1 + s^2) / s,

    x = sqrt(w) (I + B'B)^-1 B'b                (primal: d x d)
      = sqrt(w) B'(I + BB')^-1 b                (dual: n x n, by the push-through identity)

so that a short row costs n^3 instead of d^3. Both matrices have eigenvalues of at least 1: float32
is enough, and Cholesky's factorisation cannot fail.
"""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CHUNK = 2048
"""So many columns of a long row at a time, which bounds the memory of a row."""


def _machine_code() -> ModuleType | None:
    try:
        return import_module("jobs.training.compiled")
    except ImportError:  # numba has no package for this Python
        return None


COMPILED = _machine_code()


@dataclass(frozen=True)
class Rows:
    """Rows in compressed form (CSR): row i has `columns[ends[i] : ends[i + 1]]`, and weights so."""

    ends: NDArray[np.int64]
    columns: NDArray[np.int32]
    weights: Floats
    """Positive; what ALS calls r."""

    def __len__(self) -> int:
        return len(self.ends) - 1


def eigenbasis(vectors: Floats) -> tuple[Floats, NDArray[np.float64], Floats]:
    """Return the vectors (one a row) in their Gramian's eigenbasis, the eigenvalues, the basis.

    The Gramian is summed in float64, in an order that is always the same.
    """
    rank = vectors.shape[1]
    gramian = np.zeros((rank, rank))
    for start in range(0, len(vectors), 65_536):
        part = vectors[start : start + 65_536].astype(np.float64)
        gramian += part.T @ part
    values, basis = np.linalg.eigh(gramian)
    narrow = basis.astype(np.float32)
    return vectors @ narrow, np.maximum(values, 0.0), narrow


def solve(rows: Rows, z: Floats, values: NDArray[np.float64], reg: float, alpha: float) -> Floats:
    """Return the vectors of the rows, in the basis of `z`; those of rows without columns are 0.

    `z` and `values` come from `eigenbasis`; with numba, or as slowly as `solve_by_numpy`.
    """
    if COMPILED is None:
        return solve_by_numpy(rows, z, values, reg, alpha)
    strengths = np.sqrt(alpha * rows.weights, dtype=np.float32)
    narrow = values.astype(np.float32)
    solved: Floats = COMPILED.solve(
        rows.ends, rows.columns, strengths, z, narrow, np.float32(reg), CHUNK
    )
    return solved


def solve_by_numpy(
    rows: Rows, z: Floats, values: NDArray[np.float64], reg: float, alpha: float
) -> Floats:
    """Do as `solve` does, readably: a row at a time."""
    rank = z.shape[1]
    solved = np.zeros((len(rows), rank), np.float32)
    for i, (start, end) in enumerate(zip(rows.ends, rows.ends[1:], strict=False)):
        n = end - start
        if n == 0:
            continue
        root_w = np.sqrt(1 / (values + reg * n)).astype(np.float32)
        if n < rank:
            b, right = _scaled(rows, start, end, z, root_w, alpha)
            x = b.T @ np.linalg.solve(np.eye(n, dtype=np.float32) + b @ b.T, right)
        else:
            left, x = np.eye(rank, dtype=np.float32), np.zeros(rank, np.float32)
            for at in range(start, end, CHUNK):
                b, right = _scaled(rows, at, min(end, at + CHUNK), z, root_w, alpha)
                left += b.T @ b
                x += b.T @ right
            x = np.linalg.solve(left, x)
        solved[i] = root_w * x
    return solved


def _scaled(
    rows: Rows, start: int, end: int, z: Floats, root_w: Floats, alpha: float
) -> tuple[Floats, Floats]:
    s = np.sqrt(alpha * rows.weights[start:end], dtype=np.float32)
    return s[:, None] * z[rows.columns[start:end]] * root_w, (1 + s * s) / s
