from __future__ import annotations


def with_ladder(p):
    return p


def solve_training(r, s):
    raise NotImplementedError
