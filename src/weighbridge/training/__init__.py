"""What training takes: states, activations and buffers on every device, and how long a step takes.

``regimes`` and ``optimizers`` are tables; ``tape`` holds what a backward pass must find again, by
kind of layer; ``ledger`` puts the terms of a device together; ``planner`` answers.
"""
