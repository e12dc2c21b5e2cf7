import pytest
import torch

from skmatch.embedders._device import find_device, seed_torch, seeded

CPU = torch.device("cpu")


def test_devices_by_name():
    assert find_device("cpu") == CPU
    has_gpu = torch.cuda.is_available()
    assert find_device("auto").type == ("cuda" if has_gpu else "cpu")
    with pytest.raises(ValueError, match="device='tpu9' cannot be used"):
        find_device("tpu9")
    with pytest.raises(ValueError, match=r"device=3\.5; expected a str"):
        find_device(3.5)


def test_seed_holds_for_a_while():
    before = torch.get_rng_state()
    with seeded(CPU, 3):
        once = torch.rand(3)
    with pytest.raises(KeyboardInterrupt), seeded(CPU, 4):
        raise KeyboardInterrupt
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng(devices=[]):
        seed_torch(CPU, 3)
        assert torch.equal(torch.rand(3), once)
