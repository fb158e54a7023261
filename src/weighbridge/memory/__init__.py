"""Facts → bytes: one file per term, pure functions of ints (or of int64 arrays)."""
