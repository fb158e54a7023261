"""``plan.toml``: what a team expects of its deployments, held true on every commit.

A file has ``[[plan]]`` and ``[[train]]`` tables, each a model with the options of ``weigh plan``
or ``weigh train`` (or a ``command``, as one would launch it), and what is expected of the answer::

    [defaults]
    on = "2xH100"

    [[plan]]
    name = "chat"
    command = "vllm serve Qwen/Qwen3-30B-A3B -tp 2 --max-model-len 40960"
    expect = { sure = true, concurrency_at_least = 8, time_per_token_at_most = "20ms" }

    [[train]]
    name = "adapter"
    model = "llama-3.1-8b"
    on = "rtx-4090"
    method = "qlora"
    checkpointing = "full"

That it fits is expected of every entry that names a card, unless ``fits = false`` is. To add
something that can be expected, write a row in ``expectations``.
"""

from __future__ import annotations

from weighbridge.check.entries import Entry, read_entries
from weighbridge.check.report import Checked, Report, check_entries, check_file

__all__ = ["Checked", "Entry", "Report", "check_entries", "check_file", "read_entries"]
