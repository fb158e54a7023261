"""``weigh serve``: the same questions over HTTP.

    routes    which routes there are, and which options each takes: one row each
    work      what answers them, inside a worker: a body → the object of ``--json``
    worker    the process that does the work, with limits of its own
    pool      the workers: a bounded queue, a time limit that ends the process, progress, cancelling
    app       the routes as an ASGI application, with their OpenAPI
    guard     who may ask, how much may be sent, and the headers of every answer
    watch     a line of JSON a request, and metrics

Work is done in processes and not in threads, because a thread cannot be ended: a question that
takes too long, or too much memory, ends its process, and the next one starts fresh.
"""
