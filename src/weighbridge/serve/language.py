"""Which language the words of an answer are in: the body's, the query's, or the browser's."""

from __future__ import annotations

from weighbridge.words import language_of


def asked_language(asked: object, accepted: str | None = None) -> str:
    """The language asked for, else the first that ``Accept-Language`` names, else English.

    >>> asked_language("tr"), asked_language(None, "de, fa;q=0.5, zh-CN;q=0.9"), asked_language("x")
    ('tr', 'zh', 'en')
    """
    wanted = [asked] if isinstance(asked, str) else []
    ranked = [_ranked(part) for part in (accepted or "")[:500].split(",")]
    wanted += [tag for quality, tag in sorted(ranked, key=lambda pair: -pair[0]) if quality > 0]
    found = (language_of(tag.strip()[:40]) for tag in wanted if tag.strip())
    return next((tag for tag in found if tag is not None), "en")


def _ranked(part: str) -> tuple[float, str]:
    tag, _, quality = part.partition(";q=")
    try:
        return (float(quality) if quality else 1.0), tag
    except ValueError:
        return 0.0, tag
