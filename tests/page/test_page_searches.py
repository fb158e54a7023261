"""The searches below the answer: which card, a thousand users, a model larger than its cards."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from page_watch import Watch, text, until

from weighbridge.serve.routes import ROUTES, own_options

SEARCH = Path(__file__).parent.parent.parent / "web" / "src" / "search"
SMALL = "#model=llama-3.1-8b&on=rtx-4090&engine=vllm&max_model_len=8192&output_tokens=256"
FLEET = "&open=fleet&fleet.users=60&fleet.think=1&fleet.slo_ttft=2&fleet.slo_tpot=0.1"
# More users than the simulation answers at once: it is ended before it is through.
ENDLESS = SMALL + "&open=fleet&fleet.users=60000&fleet.slo_ttft=0.4&fleet.slo_tpot=0.02"


def shown_in(part: Any) -> str:
    """Its words without the isolates that keep directions apart."""
    return re.sub("[\u2066-\u2069]", "", str(part.inner_text()))


def found(page: Any, part: str) -> Any:
    """The part, once it has found something."""
    place = page.locator(f"[data-part={part}]")
    place.locator(".found:not(.stale)").wait_for(timeout=60_000)
    return place


def hash_of(page: Any) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(page.url.partition("#")[2]).items()}


def test_nothing_of_a_search_is_fetched_before_it_is_opened(watch: Watch) -> None:
    page = watch.open(SMALL)
    page.wait_for_load_state("networkidle")
    parts = ("Recommend", "Fleet", "Place", "/recommend", "/fleet", "/place")
    assert not [url for url in watch.asked for part in parts if part in url]
    with page.expect_request("**/api/v1/recommend"):
        page.click("button[name=open_recommend]")
    assert any("/Recommend-" in url for url in watch.asked)


def test_a_card_is_recommended_and_put_beside_the_one_at_hand(watch: Watch) -> None:
    page = watch.open(SMALL)
    page.click("button[name=open_recommend]")
    part = found(page, "recommend")
    first = part.locator(".choice").first
    assert "$" in first.inner_text()
    assert "the cheapest" in first.locator(".reasons").inner_text()
    name = first.locator("h3 bdi").first.inner_text()
    part.locator("button[name=launch_0]").click()
    until(lambda: len(part.locator("pre").first.inner_text()) > 20)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("button[name=copy_0]")
    assert page.evaluate("navigator.clipboard.readText()") == part.locator("pre").first.inner_text()
    page.click("button[name=choose_0]")
    until(lambda: page.locator(".compare tbody .pill").count() == 2)
    assert name in text(page, ".compare thead")
    page.click("button[name=take_choice_0]")
    watch.settle()
    assert hash_of(page)["on"] == name


def test_wishes_narrow_the_search_and_say_when_nothing_is_left(watch: Watch) -> None:
    page = watch.open(SMALL + "&open=recommend&recommend.owned=rtx-3060-12gb")
    part = found(page, "recommend")
    names = part.locator(".choice h3 bdi:first-child").all_inner_texts()
    assert {each for each in names if "rtx" in each} == {"rtx-3060-12gb"}
    page.fill("input[name=recommend_ttft]", "0.0001")
    page.press("input[name=recommend_ttft]", "Enter")
    part.locator(".none").wait_for(timeout=30_000)
    watch.settle()
    assert hash_of(page)["recommend.ttft"] == "0.0001"
    page.fill("input[name=recommend_owned]", "no-such-card")
    page.click("button[name=start_recommend]")
    assert "no-such-card" in text(page, "[data-part=recommend] [role=alert]")


def test_a_changed_question_is_marked_and_asked_again(watch: Watch) -> None:
    page = watch.open(SMALL + "&open=recommend")
    part = found(page, "recommend")
    page.fill("input[name=max_model_len_exact]", "4096")
    page.press("input[name=max_model_len_exact]", "Enter")
    watch.settle()
    part.locator(".found.stale").wait_for()
    page.click("button[name=start_recommend]")
    found(page, "recommend")
    assert "4K" in text(page, "[data-part=recommend]")


def test_a_fleet_is_simulated_and_its_link_restores_it(watch: Watch) -> None:
    page = watch.open(SMALL + FLEET)
    shown = shown_in(found(page, "fleet"))
    for words in ("Cards needed", "p99", "offers of 20", "$"):
        assert words in shown
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(".verdict")
    assert shown_in(found(other, "fleet")) == shown
    assert other.input_value("input[name=fleet_users]") == "60"


def test_a_simulation_tells_how_far_it_is_and_can_be_ended(watch: Watch) -> None:
    page = watch.open(ENDLESS)
    page.wait_for_selector("[data-part=fleet] progress[value]", timeout=60_000)
    assert "RTX 4090" in text(page, "[data-part=fleet] .go")
    with page.expect_request("**/jobs/*") as ended:
        page.click("button[name=stop_fleet]")
    assert ended.value.method == "DELETE"
    page.wait_for_selector("button[name=start_fleet]")
    assert "Ended" in text(page, "[data-part=fleet] .go")
    assert page.locator("[data-part=fleet] [role=alert]").count() == 0


def test_a_large_model_is_placed_and_its_options_applied(watch: Watch) -> None:
    page = watch.open("#model=llama-3.1-70b&on=rtx-4090&engine=vllm&max_model_len=4096"
                      "&open=place&place.weights=q4_k_m&place.host_memory=64GB")  # fmt: skip
    shown = shown_in(found(page, "place"))
    assert "host memory" in shown
    assert "n_gpu_layers=" in shown
    page.click("button[name=apply_place]")
    watch.settle()
    assert hash_of(page)["engine"] == "llama.cpp"
    assert int(hash_of(page)["n_gpu_layers"]) > 0


def test_searches_are_opened_filled_and_ended_by_keyboard(watch: Watch) -> None:
    page = watch.open(SMALL)
    page.focus("button[name=open_fleet]")
    page.keyboard.press("Enter")
    page.wait_for_selector("input[name=fleet_users]")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "fleet_users"
    page.keyboard.type("80")
    page.keyboard.press("Enter")
    found(page, "fleet")
    watch.settle()
    assert hash_of(page)["fleet.users"] == "80"
    page.focus("button[name=open_fleet]")
    page.keyboard.press("Space")
    assert page.locator("input[name=fleet_users]").count() == 0
    watch.settle()
    assert "open" not in hash_of(page)


@pytest.mark.parametrize("part", ["recommend", "fleet", "place"])
def test_every_wish_is_an_option_of_its_route_and_has_a_word(part: str) -> None:
    words = json.loads((SEARCH.parents[2] / "src/weighbridge/words/en.json").read_text("utf-8"))
    route = next(row for row in ROUTES if row.path == part)
    known = {each.name for each in own_options(route)} | {"engine", "weights", "input_tokens"}
    named = re.findall(r"\{ name: '(\w+)'", (SEARCH / f"{part.title()}.tsx").read_text("utf-8"))
    assert named
    assert not set(named) - known
    assert not [name for name in named if f"page.wish.{name}" not in words]
