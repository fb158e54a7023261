"""``weigh place``: what of a model lies on which GPU, in host memory or on disk."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from weighbridge.commands.shared import Run, add_request, format_of, print_json, request_options
from weighbridge.errors import RequestError

DEVICE_MAP = "device_map"


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    add_request(parser, arguments)
    group = parser.add_argument_group("placement")
    group.add_argument("--host-memory", metavar="SIZE", help="host memory for weights: 64GB")
    group.add_argument("--host-bandwidth", metavar="RATE", help="bytes/s of host memory: 90GB/s")
    group.add_argument(
        "--disk", nargs="?", const=True, metavar="RATE",
        help="weights may lie on a disk, read at this rate: 7GB/s",
    )  # fmt: skip
    group.add_argument(
        "--prefill-weight", metavar="W", default="0",
        help="seconds of a prompt's token count W times beside those of an output token: "
        "input/output minimizes the whole request (default 0)",
    )  # fmt: skip
    group.add_argument("--emit", metavar="TARGET",
                       help="write the device_map, or the engine's launch command")  # fmt: skip

    def run(options: argparse.Namespace) -> int:
        return _place(options, arguments)

    return run


def _place(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from weighbridge.api import place
    from weighbridge.show.place import placement_to_text
    from weighbridge.show.style import printed

    found = place(
        options.model,
        host_memory=options.host_memory,
        host_bandwidth=options.host_bandwidth,
        disk=options.disk,
        prefill_weight=options.prefill_weight,
        **request_options(options, arguments),
    )
    if options.emit and found.plan is not None:
        from weighbridge.launch import target_engine, write
        from weighbridge.launch.transformers import device_map_text

        if options.emit == DEVICE_MAP:
            if found.engine.name != "transformers":
                raise RequestError(
                    f"{DEVICE_MAP} is for transformers; use --emit {found.engine.name}"
                )
            print(device_map_text(found.to_dict()["placement"]))
        else:
            target_engine(options.emit, found.engine.name)
            print(write(found.plan, options.emit), end="")
    elif format_of(options) == "json":
        print_json(found.to_dict())
    else:
        print(printed(placement_to_text(found)))
    return 0 if found.fits else 1
