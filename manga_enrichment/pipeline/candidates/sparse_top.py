"""sparse_dot_topn as it is safe to call.

Belongs here: its import and its one call. Seen in 1.2.0: the import fails where the number of physical cores is
unknown; a product whose shapes happen to fit is transposed without a word; without a threshold and `sort`, results come
in any order or by a faulty path; of equal scores the last are kept (`pairs.py` decides between equal ones itself).
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LEAST_SCORE = 1e-6


def top_of_product(left: "csr_matrix", right: "csr_matrix", count: int) -> "csr_matrix":
    """The `count` highest positive values of each row of left x right, highest first."""
    if left.shape[1] != right.shape[0]:
        raise ValueError(f"{left.shape} x {right.shape} is no product")
    return _matmul()(left, right, count, threshold=LEAST_SCORE, sort=True)


@cache
def _matmul() -> Callable[..., Any]:
    known = psutil.cpu_count
    try:
        if known(logical=False) is None:
            psutil.cpu_count = lambda **_which: known() or 1
        from sparse_dot_topn import sp_matmul_topn  # noqa: PLC0415
    finally:
        psutil.cpu_count = known
    matmul: Callable[..., Any] = sp_matmul_topn
    return matmul
