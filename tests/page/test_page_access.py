"""Without a mouse, without eyes, on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from page_watch import Watch, text, until

AXE = Path(__file__).parent.parent.parent / "web" / "node_modules" / "axe-core" / "axe.min.js"
SEARCHES = (
    "#model=llama-3.1-8b&on=rtx-4090&engine=vllm&max_model_len=8192&output_tokens=256"
    "&open=recommend,fleet,place&fleet.users=60&fleet.slo_ttft=2&place.host_memory=64GB"
)
PARTS = ("try", "recommend", "fleet", "place", "sweep", "map", "speed", "levers", "launch",
         "rules", "compare")  # fmt: skip
TRAIN = "#mode=train&model=llama-3.1-8b&on=2xh100-sxm&train.method=full"
OVER = "#model=llama-3.1-70b&on=rtx-4090&engine=vllm&max_model_len=8192"


def violations(page: Any, where: str = "body") -> list[str]:
    # evaluate, and not a script element: the page's policy lets none in.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("where => axe.run(where, {resultTypes: ['violations']})", where)
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:160]}"
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


def look_through(page: Any) -> None:
    """Scroll to the end, so that every part was asked for, and wait for the last."""
    for part in PARTS:
        place = page.locator(f"[data-part={part}]")
        if place.count():
            place.scroll_into_view_if_needed()
    until(lambda: page.locator(".waiting, progress").count() == 0, 60)


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not in web/node_modules; scripts/page")
@pytest.mark.parametrize(
    ("lang", "scheme", "width", "question"),
    [
        ("en", "light", 1360, ""),
        ("fa", "dark", 390, OVER),
        ("zh", "light", 1360, TRAIN),
        ("en", "dark", 390, SEARCHES),
        ("fa", "light", 1360, SEARCHES),
    ],
)
def test_axe_finds_nothing_serious(
    watch: Watch, lang: str, scheme: str, width: int, question: str
) -> None:
    page = watch.page
    page.set_viewport_size({"width": width, "height": 860})
    page.emulate_media(color_scheme=scheme)
    watch.open(question, lang)
    look_through(page)
    page.click("button[name=why_weights]")
    page.click("button[name=compare]")
    until(lambda: page.locator(".compare").count() == 1)
    assert violations(page) == []
    page.click("button[name=export]")
    assert violations(page, ".menu") == []


def test_the_whole_question_is_asked_by_keyboard(watch: Watch) -> None:
    page = watch.open()
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "answer"
    page.focus("input[name=model]")
    page.keyboard.type("qwen3-14b")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    watch.settle()
    assert "Qwen3-14B" in page.url
    reached = []
    for _ in range(24):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name"))
    for name in (
        "choose_file",
        "more_0",
        "card_0",
        "add_card",
        "engine",
        "weights",
        "kv_cache_dtype",
        "max_model_len",
        "concurrency",
        "output_tokens",
    ):
        assert name in reached
    page.focus("button[name=why_kv_cache]")
    page.keyboard.press("Space")
    assert page.locator("tr.why").count() == 1
    page.focus("button[name=export]")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=menuitem]:focus")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.name") == "export_svg"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.name") == "export"


def test_the_map_is_walked_with_arrows(watch: Watch) -> None:
    page = watch.open()
    page.locator("[data-part=map]").scroll_into_view_if_needed()
    page.focus('.map [data-at="0-0"]')
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    watch.settle()
    assert "max_model_len=4096" in page.url
    assert "concurrency=4" in page.url


def test_the_verdict_is_announced_and_charts_say_what_they_show(watch: Watch) -> None:
    page = watch.open()
    assert "GeForce RTX 4090" in text(page, "#answer > [role=status]")
    label = page.get_attribute(".bar svg", "aria-label")
    assert label is not None
    assert "22.03 GiB" in label
    page.locator("[data-part=sweep]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-figure=context]")
    shown = page.get_attribute("[data-figure=context] [role=img]", "aria-label")
    assert shown is not None
    assert "tokens fit" in shown


@pytest.mark.parametrize("question", ["", SEARCHES], ids=["closed", "open"])
def test_a_phone_has_room_for_a_finger(watch: Watch, question: str) -> None:
    page = watch.page
    page.set_viewport_size({"width": 390, "height": 844})
    watch.open(question)
    look_through(page)
    small = page.eval_on_selector_all(
        "button:not(.link), select, input:not(.unseen):not([type=file])",
        "all => all.filter(e => e.offsetParent && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)",  # noqa: E501
    )
    assert small == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
