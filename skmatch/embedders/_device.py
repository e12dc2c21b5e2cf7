"""Devices of torch, and the random state of one for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# torch takes seconds to import: only when it is used.


def find_device(name: str) -> torch.device:
    """Return the torch device of a name; "auto" is a GPU if there is one."""
    import torch

    if not isinstance(name, str):
        raise ValueError(f"device={name!r}; expected a str, such as 'auto' or 'cpu'.")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device={name!r} cannot be used: {error}; expected 'auto', 'cpu' or a "
            "device that torch has here, such as 'cuda'."
        ) from error
    return device


def has_fast_bfloat16() -> bool:
    """Tell whether this CPU computes in bfloat16 faster than in float32."""
    import torch

    find = getattr(torch.cpu, "get_capabilities", dict)
    known: dict[str, Any] = find()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def seed_torch(device: torch.device, seed: int) -> None:
    """Seed torch's global generators, from which dropout draws."""
    import torch

    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's global generators for a while; then they are as they were."""
    import torch

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seed_torch(device, seed)
        yield
