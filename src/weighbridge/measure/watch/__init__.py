"""A running process or server beside its plan: what it holds, what it serves, as often as asked.

Everything that is read is bounded: files of ``/proc`` and answers of servers by bytes and seconds.
"""
