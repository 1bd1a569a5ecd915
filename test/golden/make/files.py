"""Writes the files of test/io/fixtures: tensors as PyTorch's safetensors and NumPy write them."""

from pathlib import Path
import sys

import numpy as np
import torch
from safetensors.torch import save_file

folder = Path(sys.argv[1])
torch.manual_seed(0)

net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
x = torch.randn(5, 3)
save_file(net.state_dict(), folder / 'torch-model.safetensors', metadata={'format': 'pt'})
save_file({'x': x, 'y': net(x).detach()}, folder / 'torch-outputs.safetensors')
values = torch.tensor([0.0, -1.5, 65504.0, 2.0**-24, float('inf')])
save_file(
    {
        'f16': values.half(),
        'bf16': values.bfloat16(),
        'f64': values.double(),
        'i64': torch.tensor([-(2**31), 2**31 - 1]),
        'i16': torch.tensor([-32768, 32767], dtype=torch.int16),
        'i8': torch.tensor([-128, 127], dtype=torch.int8),
        'u8': torch.tensor([0, 255], dtype=torch.uint8),
        'bool': torch.tensor([True, False]),
        'scalar': torch.tensor(2.5),
        'none': torch.zeros(0, 3),
        '__proto__': torch.ones(1),
    },
    folder / 'torch-types.safetensors',
)
save_file({'large': torch.tensor([2**40])}, folder / 'torch-large.safetensors')
save_file({'f8': torch.zeros(2, dtype=torch.float8_e4m3fn)}, folder / 'torch-f8.safetensors')

grid = np.arange(6).reshape(2, 3)
arrays = {
    'columns': np.asfortranarray(grid.astype(np.float32)),
    'swapped': grid.astype('>f8'),
    'f16': grid.astype(np.float16),
    'i64': grid,
    'u16': grid.astype('>u2'),
    'bool': grid % 2 == 0,
    'scalar': np.float32(2.5),
    'none': np.zeros((0, 3), np.float32),
}
np.savez(folder / 'numpy.npz', **arrays)
np.savez_compressed(folder / 'numpy-packed.npz', **arrays)
np.save(folder / 'numpy.npy', grid.astype(np.float32))
with open(folder / 'numpy-2.npy', 'wb') as file:
    np.lib.format.write_array(file, grid.astype(np.float32), version=(2, 0))
with open(folder / 'numpy-3.npy', 'wb') as file:
    np.lib.format.write_array(file, grid.astype(np.float32), version=(3, 0))
np.save(folder / 'numpy-objects.npy', np.array([None]), allow_pickle=True)
np.savez_compressed(folder / 'numpy-bomb.npz', zeros=np.zeros(1_000_000, np.float32))
