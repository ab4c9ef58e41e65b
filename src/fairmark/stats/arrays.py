"""Types of the arrays that pass between functions: floats, whole numbers, labels, places and masks."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Labels = NDArray[np.int8]
"""0 or 1 a row."""
Places = NDArray[np.intp]
"""Where rows or groups stand in another array."""
Mask = NDArray[np.bool_]
Bounds = tuple[Floats, Floats]
"""Lower and upper."""
