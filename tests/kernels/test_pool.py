"""Blocks of memory that are borrowed again and again."""

import gc
import itertools
import threading

import torch

from picojoule.kernels import pool
from picojoule.kernels.pool import _Pool, borrow

LIKE = torch.zeros(1)


def test_a_block_comes_back_when_nothing_refers_to_it():
    first = borrow((1 << 18, 2), LIKE)
    place = first.data_ptr()
    view = first[5:, 1]
    del first
    assert borrow((1 << 18, 2), LIKE).data_ptr() != place  # a view still does
    del view
    gc.collect()
    again = [borrow((1 << 18, 2), LIKE) for _ in range(4)]
    assert place in {one.data_ptr() for one in again}


def test_what_is_lent_is_a_tensor_like_any_other():
    tensor = borrow((3, 1 << 19), torch.zeros(1, dtype=torch.float64))
    assert tensor.shape == (3, 1 << 19)
    assert tensor.dtype == torch.float64
    assert tensor.is_contiguous()
    assert tensor.data_ptr() % 64 == 0
    tensor.copy_(torch.arange(3 * (1 << 19)).view(3, -1))
    assert torch.equal(tensor.clone(), tensor)
    assert tensor.sum().item() == sum(range(3 * (1 << 19)))


def test_no_two_hold_the_same_block():
    held, wrong = [], []

    def take() -> None:
        for k in range(50):
            tensor = borrow((1 << 18, 1 + k % 3), LIKE).fill_(k)
            held.append(tensor)
            if k % 2:
                held.pop(0)
            if not bool((tensor == k).all()):
                wrong.append(k)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong
    spans = sorted((one.data_ptr(), one.numel() * 4) for one in held)
    assert all(a + size <= b for (a, size), (b, _) in itertools.pairwise(spans))


def test_only_so_much_lies_ready(monkeypatch):
    monkeypatch.setattr(pool, "_MOST_READY", 3 << 20)
    own = _Pool()
    blocks = [own.take(1 << 20) for _ in range(5)]
    blocks.clear()
    gc.collect()
    assert len(own._ready) == 2
    own.take(1 << 22)  # of no size that is there: the oldest makes place
    assert len(own._ready) == 1


def test_small_tensors_and_other_sizes_are_new():
    assert borrow((4,), LIKE).shape == (4,)
    own = _Pool()
    own.take(1 << 20)
    gc.collect()
    assert len(own.take(1 << 21)) == 1 << 21
