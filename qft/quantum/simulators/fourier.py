"""A noisy re-uploading circuit as the Fourier series it is, for evaluating very many rows.

With L_i uploads of input i (frequencies up to L_i in units of the gates' own), every expectation is

    f(z) = sum over p of C[k, p] * prod_i p_i(z_i),    p_i in (1, cos z_i, sin z_i, ..., cos L z_i, sin L z_i)

C is what f does on a grid of 2L+1 angles for each input, so (2L+1)^r circuits build it; then a row costs two matrix
products of r (2L+1)^r multiplications together.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from qft.quantum.chunks import in_chunks

AT_ONCE = {"cpu": 2**20, "cuda": 2**25}  # numbers held at a time


def features(z: Tensor, degree: int) -> Tensor:
    """z (n, t) -> products over the n inputs of (1, cos, sin, ..., sin L z): ((2L+1)^n, t), input 0 slowest."""
    out = z.new_ones(1, z.shape[1])
    for angles in z:
        waves = [torch.ones_like(angles)]
        for k in range(1, degree + 1):
            waves += [(k * angles).cos(), (k * angles).sin()]
        out = (out.unsqueeze(1) * torch.stack(waves)).flatten(0, 1)
    return out


def grid(inputs: int, degree: int, like: Tensor) -> Tensor:
    """All combinations of 2L+1 equally spaced angles: (inputs, (2L+1)^inputs), input 0 slowest."""
    size = 2 * degree + 1
    points = torch.arange(size, dtype=like.dtype, device=like.device) * (2 * torch.pi / size)
    return torch.stack(torch.meshgrid(*[points] * inputs, indexing="ij")).flatten(1)


def series(values: Tensor, inputs: int, degree: int) -> Callable[[Tensor], Tensor]:
    """f from its values (k, (2L+1)^inputs) on ``grid``: a function of z (inputs, t) giving (k, t). No gradient."""
    size, outputs = 2 * degree + 1, values.shape[0]
    at = grid(1, degree, values)
    # the features on the grid are orthogonal: their inverse is their transpose, 1/size for 1 and 2/size for the others
    inverse = features(at, degree) * (2 / size)
    inverse[0] /= 2
    c = values.reshape(outputs, *(size,) * inputs)
    for _ in range(inputs):  # takes the first input's axis away and puts its coefficients last
        c = torch.tensordot(c, inverse, ([1], [1]))
    half = (inputs + 1) // 2
    c = c.reshape(outputs, size**half, -1).transpose(1, 2).reshape(-1, size**half)  # (k * second half, first half)

    def part(z: Tensor) -> Tensor:
        v = features(z[half:], degree)
        out: Tensor = ((c @ features(z[:half], degree)).unflatten(0, (outputs, -1)) * v).sum(1)
        return out

    def read(z: Tensor) -> Tensor:
        return torch.cat([part(rows) for (rows,) in in_chunks(z, numbers=len(c), at_once=AT_ONCE)], 1)

    return read
