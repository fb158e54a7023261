"""Which language the words of an answer are in."""

from __future__ import annotations

# One for each catalogue of words that there is.
LANGUAGES = ("en",)


def language_of(asked: str | None, accepted: str | None) -> str:
    """The language asked for, else the best that ``Accept-Language`` names, else English.

    >>> language_of("de", "fr;q=0.5, en-GB;q=0.9")
    'en'
    """
    wanted = [asked] if asked else []
    ranked = [_ranked(part) for part in (accepted or "")[:500].split(",")]
    wanted += [tag for _, tag in sorted(ranked, key=lambda pair: -pair[0])]
    for tag in wanted:
        base = tag.strip().lower().replace("_", "-").partition("-")[0]
        if base in LANGUAGES:
            return base
    return LANGUAGES[0]


def _ranked(part: str) -> tuple[float, str]:
    tag, _, quality = part.partition(";q=")
    try:
        return (float(quality) if quality else 1.0), tag
    except ValueError:
        return 0.0, tag
