"""The cells of LSTMs and GRUs, compiled by numba: torch would go through memory once for each
operation."""

import numpy as np

from ..jit import jit as _jit
from ..jit import jit_inline as _jit_inline

# tanh(x) is 1 in float32 from here on.
LIMIT = np.float32(7.905311)
HALF = np.float32(0.5)
# The coefficients of Eigen's rational approximation of tanh (MathFunctionsImpl.h, version 3.4): odd
# powers above, even powers below. Its error is a few units in the last place.
ODD = tuple(
    np.float32(x)
    for x in (
        4.89352455891786e-03,
        6.37261928875436e-04,
        1.48572235717979e-05,
        5.12229709037114e-08,
        -8.60467152213735e-11,
        2.00018790482477e-13,
        -2.76076847742355e-16,
    )
)
EVEN = tuple(
    np.float32(x)
    for x in (
        4.89352518554385e-03,
        2.26843463243900e-03,
        1.18534705686654e-04,
        1.19825839466702e-06,
    )
)


@_jit_inline
def _tanh(x):
    x = LIMIT if x > LIMIT else x
    x = -LIMIT if x < -LIMIT else x
    s = x * x
    above = ODD[3] + s * (ODD[4] + s * (ODD[5] + s * ODD[6]))
    above = x * (ODD[0] + s * (ODD[1] + s * (ODD[2] + s * above)))
    return above / (EVEN[0] + s * (EVEN[1] + s * (EVEN[2] + s * EVEN[3])))


@_jit_inline
def _sigmoid(x):
    return HALF + HALF * _tanh(HALF * x)


@_jit
def lstm_cell(gates, cells, states):
    """One step of n sequences (Hochreiter and Schmidhuber 1997), all in float32.

    gates (np.ndarray): (n, 4H) in torch's order: input, forget, candidate, output.
    cells (np.ndarray): (n, H), replaced by the new ones.
    states (np.ndarray): (n, H), written.
    """
    hidden = states.shape[1]
    for i in range(len(states)):
        for j in range(hidden):
            kept = _sigmoid(gates[i, hidden + j]) * cells[i, j]
            cells[i, j] = kept + _sigmoid(gates[i, j]) * _tanh(gates[i, 2 * hidden + j])
            states[i, j] = _sigmoid(gates[i, 3 * hidden + j]) * _tanh(cells[i, j])


@_jit
def gru_cell(gates, cells, states):
    """One step of n sequences (Cho et al. 2014, with the reset gate as in cuDNN), all in float32.

    gates (np.ndarray): (n, 4H) what the new gate gets from the input, reset, update, and what the
        new gate gets from the states before.
    cells (np.ndarray): (n, H) the states before, replaced by the new ones.
    states (np.ndarray): (n, H), written.
    """
    hidden = states.shape[1]
    for i in range(len(states)):
        for j in range(hidden):
            reset = _sigmoid(gates[i, hidden + j])
            update = _sigmoid(gates[i, 2 * hidden + j])
            new = _tanh(gates[i, j] + reset * gates[i, 3 * hidden + j])
            cells[i, j] = new + update * (cells[i, j] - new)
            states[i, j] = cells[i, j]
