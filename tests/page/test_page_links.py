"""A link restores the page that it was copied from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from page_watch import Watch, text

QUESTIONS = [
    "#model=llama-3.1-8b&on=rtx-4090&engine=vllm&max_model_len=8192&output_tokens=512&concurrency=4",
    "#model=qwen3-30b-a3b&on=2xh100-sxm,rtx-4090&engine=llama.cpp&max_model_len=16384"
    "&weights=q4_k_m&kv_cache_dtype=q8_0",
    "#mode=train&model=qwen3-8b&on=4xa100-sxm-80gb&train.method=full&train.sharding=fsdp2"
    "&train.seq_len=4096&train.checkpointing=full&train.optimizer=adamw-8bit",
]


def ledger(page: Any) -> list[str]:
    return [
        text(page, ".panel"),
        *page.eval_on_selector_all(
            ".panel input, .panel select", "all => all.map(e => `${e.name}=${e.value}`)"
        ),
        text(page, ".hero"),
    ]


@pytest.mark.parametrize("question", QUESTIONS, ids=["serve", "mixed", "train"])
def test_a_link_restores_everything(watch: Watch, question: str) -> None:
    page = watch.open(question)
    watch.settle()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("button[name=share]")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    assert "#" in link
    other = page.context.new_page()
    other.goto(link)
    other.wait_for_selector(".verdict")
    other.wait_for_selector("#answer[aria-busy=false]")
    assert ledger(other) == ledger(page)


def test_a_pasted_config_and_the_compared_travel_in_the_link(watch: Watch) -> None:
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 1024,
              "num_hidden_layers": 7, "num_attention_heads": 8, "num_key_value_heads": 4,
              "intermediate_size": 4096, "vocab_size": 32000}  # fmt: skip
    page = watch.open()
    page.click("button[name=compare]")
    page.fill("input[name=model]", json.dumps(config))
    page.press("input[name=model]", "Enter")
    watch.settle()
    page.wait_for_timeout(300)
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(".verdict")
    other.wait_for_selector(".compare tbody .pill >> nth=1")
    assert "7 layers" in text(other, ".panel")
    assert other.locator(".compare thead th").count() == 2


def test_a_link_that_was_tampered_with_is_no_trouble(watch: Watch) -> None:
    page = watch.open("#model=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E&on=rtx-4090")
    assert page.locator(".refused").count() == 1
    assert page.locator(".refused img").count() == 0
    page = watch.open("?x#given=AAAA&model=llama-3.1-8b")
    assert page.locator(".verdict, .refused").count() >= 1


def test_the_address_follows_and_is_followed(watch: Watch) -> None:
    page = watch.open()
    page.evaluate("location.hash = 'model=qwen3-8b&on=rtx-4090&engine=vllm&max_model_len=4096'")
    watch.settle()
    assert page.input_value("input[name=model]") == "qwen3-8b"
