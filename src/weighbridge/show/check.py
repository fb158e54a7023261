"""A report of expectations: for the terminal, and as JUnit for a pipeline."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from weighbridge.check.report import Checked, Report
from weighbridge.show.width import clean
from weighbridge.words import say


def check_to_text(report: Report) -> str:
    """An entry per line, with what is not as expected below it."""
    lines = []
    for each in report.checked:
        lines.append(f"{'✓' if each.holds else '✗'} {clean(each.entry.name)}")
        if each.error is not None:
            lines.append(f"    {say(clean(each.error))}")
        lines += [f"    {'✓' if one.holds else '✗'} {say(one.said)}" for one in each.outcomes]
        if not each.holds and each.because:
            lines.append(f"    {say(clean(each.because))}")
    held = sum(each.holds for each in report.checked)
    return "\n".join([*lines, "", say(f"{held} of {len(report.checked)} hold")])


def check_to_junit(report: Report) -> str:
    """JUnit's XML: an entry is a test case, an unmet expectation a failure."""
    failures = sum(not each.holds and each.error is None for each in report.checked)
    errors = sum(each.error is not None for each in report.checked)
    name = quoteattr(clean(report.source))
    cases = "".join(_case(each) for each in report.checked)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites><testsuite name={name} tests="{len(report.checked)}" '
        f'failures="{failures}" errors="{errors}" skipped="0">{cases}\n</testsuite></testsuites>\n'
    )


def _case(each: Checked) -> str:
    name = quoteattr(clean(each.entry.name))
    head = f'\n<testcase classname="weigh.{each.entry.kind}" name={name}'
    if each.holds:
        return head + "/>"
    if each.error is not None:
        return f"{head}><error message={quoteattr(clean(each.error))}/></testcase>"
    unmet = [clean(one.said) for one in each.outcomes if not one.holds]
    body = escape("\n".join([*unmet, clean(each.because)]))
    return f"{head}><failure message={quoteattr('; '.join(unmet))}>{body}</failure></testcase>"
