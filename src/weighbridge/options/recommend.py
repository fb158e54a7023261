"""What a recommendation may be asked to keep to, beside the options of a request."""

from __future__ import annotations

from weighbridge.options import Option

BY = ("cost", "speed", "quality", "tokens")
PAY = ("rent", "purchase")
WISHES = (
    Option("ttft", "most seconds to the first token", "SECONDS", kind="number"),
    Option("tpot", "most seconds per token of one user", "SECONDS", kind="number"),
    Option("price_per_hour", "most dollars an hour for the machine, by its lowest offer",
           "DOLLARS", kind="number"),
    Option("purchase_price", "most dollars to buy the cards, by their lowest offer", "DOLLARS",
           kind="number"),
    Option("power", "most watts of board power, all cards together", "WATTS", kind="number"),
    Option("owned", "only what you have: 2xrtx-4090,rtx-3090", "CARDS"),
    Option("pay", "rent or purchase: which price is compared", "NAME", choices=PAY),
    Option("by", "what comes first: cost, speed, quality, or tokens (cost per million)", "NAME",
           choices=BY),
    Option("least_bits", "fewest bits per weight", "BITS", kind="number"),
    Option("most", "how many to list", "N", kind="count", most=100),
    Option("prices", "a file of your own prices, as rows of prices.jsonl", "FILE"),
)  # fmt: skip
MODELS = (
    Option("margin", "share of the card that stays free", "SHARE", kind="number"),
    Option("tokens_per_second", "fewest tokens a second of one user", "N", kind="number"),
    Option("text", "only models whose name contains this", "TEXT"),
    Option("least_bits", "fewest bits per weight", "BITS", kind="number"),
    Option("most", "how many to list of each group", "N", kind="count", most=1000),
)
