"""Every control of the page, used as a hand would use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from page_watch import Watch, text, until

DENSE = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 128, "vocab_size": 256, "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16",
}  # fmt: skip


def hash_of(page: Any) -> dict[str, str]:
    """What the address says of the question."""
    return {key: values[0] for key, values in parse_qs(page.url.partition("#")[2]).items()}


def total(page: Any) -> str:
    """The total of the ledger, as it is written."""
    return str(text(page, ".terms tfoot tr:first-child .num"))


def test_a_model_is_found_as_it_is_typed(watch: Watch) -> None:
    page = watch.open()
    page.wait_for_load_state("networkidle")
    box = page.get_by_role("combobox", name="Name, Hub id, size")
    box.fill("qwen3 8b")
    page.wait_for_selector("[role=option]")
    assert all("qwen3" in text.lower() for text in page.locator("[role=option]").all_inner_texts())
    box.fill("Qwen/Qwen3-8B")
    page.get_by_role("option", name="Qwen/Qwen3-8B 8.19B", exact=True).click()
    watch.settle()
    assert hash_of(page)["model"] == "Qwen/Qwen3-8B"
    assert "8.19B" in text(page, ".hint >> nth=0")


def test_a_config_may_be_pasted_and_a_wrong_one_is_refused_in_words(watch: Watch) -> None:
    page = watch.open()
    box = page.locator("input[name=model]")
    box.fill(json.dumps(DENSE))
    box.press("Enter")
    watch.settle()
    assert "2 layers" in text(page, ".panel")
    box.fill('{"model_type": ')
    box.press("Enter")
    assert "no JSON object" in text(page, "[role=alert].complaint")


def test_a_model_that_is_not_known_is_refused_with_the_nearest(watch: Watch) -> None:
    page = watch.open()
    page.fill("input[name=model]", "lama-3.1-8b")
    page.press("input[name=model]", "Enter")
    page.wait_for_selector(".refused")
    assert "llama-3.1-8b" in text(page, ".refused").lower()


def _safetensors(path: Path, sentinel: bytes) -> None:
    from weighbridge.model.config import Config
    from weighbridge.model.families import read_model

    header: dict[str, Any] = {}
    at = 0
    for name, shape in read_model(Config(DENSE, "test")).named_parameters():
        size = 2
        for each in shape:
            size *= each
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header).encode()
    data = (sentinel * (at // len(sentinel) + 1))[:at]
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + data)


def test_of_a_dropped_file_only_the_header_is_sent(watch: Watch, tmp_path: Path) -> None:
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    _safetensors(weights, b"SENTINELWEIGHTS!")
    config.write_text(json.dumps(DENSE))
    page = watch.open()
    sent: list[Any] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    page.set_input_files("input[name=file]", [str(weights), str(config)])
    watch.settle()
    bodies = [request.post_data_buffer or b"" for request in sent]
    headers = [request for request in sent if request.url.endswith("/headers")]
    assert len(headers) == 1
    assert not any(b"SENTINEL" in body for body in bodies)
    assert {"name": "model.norm.weight", "dtype": "BF16", "shape": [64]} in json.loads(
        headers[0].post_data
    )["tensors"]
    assert "from the" in text(page, "tr[data-term=weights]")
    page.set_input_files("input[name=file]", [str(weights)])
    assert "config.json" in text(page, ".complaint")


def test_a_gguf_file_is_read_in_the_browser(watch: Watch, tmp_path: Path) -> None:
    from gguf_files import write
    from gguf_models import llama_31_8b

    path = write(tmp_path / "llama.gguf", *llama_31_8b())
    page = watch.open("#model=llama-3.1-8b&on=rtx-4090&engine=llama.cpp&max_model_len=1024")
    with page.expect_request("**/headers") as asked:
        page.set_input_files("input[name=file]", [str(path)])
    table = json.loads(asked.value.post_data)
    assert table["format"] == "gguf"
    assert table["metadata"]["general.architecture"] == "llama"
    watch.settle()
    assert page.locator(".refused").count() == 0


def test_cards_are_counted_added_and_taken_away(watch: Watch) -> None:
    page = watch.open("#model=llama-3.1-8b&on=rtx-4090&engine=transformers&max_model_len=8192")
    page.click("button[name=more_0]")
    watch.settle()
    assert hash_of(page)["on"] == "2xrtx-4090"
    page.click("button[name=add_card]")
    watch.settle()
    until(lambda: "RTX 3090" in text(page, ".ledger"))
    page.fill("input[name=card_1]", "24GiB")
    page.press("input[name=card_1]", "Enter")
    watch.settle()
    assert hash_of(page)["on"] == "2xrtx-4090,24GiB"
    page.click("button[name=device_1]")
    page.click("button[name=remove_1]")
    page.click("button[name=fewer_0]")
    watch.settle()
    assert hash_of(page)["on"] == "rtx-4090"


def test_every_slider_moves_the_question(watch: Watch) -> None:
    page = watch.open()
    for name, value in (("max_model_len", "12288"), ("concurrency", "2"),
                        ("output_tokens", "1024"), ("max_num_seqs", "1")):  # fmt: skip
        page.focus(f"input[type=range][name={name}]")
        page.keyboard.press("ArrowRight")
        watch.settle()
        assert hash_of(page)[name] == value


def test_an_exact_number_is_typed_as_on_the_command_line(watch: Watch) -> None:
    page = watch.open()
    box = page.locator("input[name=max_model_len_exact]")
    for typed, meant in (("32K", "32768"), ("32k", "32000"), ("5,000", "5000")):
        box.fill(typed)
        box.press("Enter")
        watch.settle()
        assert hash_of(page)["max_model_len"] == meant
    box.fill("")
    box.press("Enter")
    watch.settle()
    assert "max_model_len" not in hash_of(page)


def test_formats_and_engine_are_chosen(watch: Watch) -> None:
    page = watch.open()
    before = total(page)
    page.select_option("select[name=weights]", "nf4")
    page.select_option("select[name=kv_cache_dtype]", "fp8")
    watch.settle()
    assert hash_of(page)["weights"] == "nf4"
    assert hash_of(page)["kv_cache_dtype"] == "fp8"
    for engine in ("transformers", "sglang", "tensorrt-llm", "llama.cpp", "ollama"):
        page.select_option("select[name=weights]", "auto")
        page.select_option("select[name=kv_cache_dtype]", "auto")
        page.select_option("select[name=engine]", engine)
        watch.settle()
        assert page.locator(".refused").count() == 0, text(page, ".refused")
        assert total(page) != before


def test_every_other_option_is_under_its_own_name(watch: Watch) -> None:
    page = watch.open()
    page.click(".further summary")
    page.select_option("select[name=enforce_eager]", "true")
    page.fill("input[name=gpu_memory_utilization]", "0.8")
    page.press("input[name=gpu_memory_utilization]", "Enter")
    watch.settle()
    assert hash_of(page)["enforce_eager"] == "true"
    assert hash_of(page)["gpu_memory_utilization"] == "0.8"
    assert page.locator("tr[data-term=graphs]").count() == 0
    assert "2" in text(page, ".further summary")


def test_training_has_its_own_controls(watch: Watch) -> None:
    page = watch.open()
    page.get_by_text("Training", exact=True).click()
    watch.settle()
    assert page.locator("tr[data-term=adapters]").count() == 1
    page.get_by_text("Full", exact=True).click()
    for name, value in (("optimizer", "adamw-8bit"), ("checkpointing", "none"),
                        ("sharding", "fsdp2"), ("precision", "amp-bf16"),
                        ("offload", "optimizer")):  # fmt: skip
        page.select_option(f"select[name={name}]", value)
        watch.settle()
        assert hash_of(page)[f"train.{name}"] == value
    for name in ("seq_len", "micro_batch"):
        page.focus(f"input[type=range][name={name}]")
        page.keyboard.press("ArrowRight")
    watch.settle()
    assert hash_of(page)["train.seq_len"] == "3072"
    assert page.locator(".refused").count() == 0
    assert page.locator("[data-part=speed] .split").count() == 1


def test_a_term_opens_to_its_formula_with_the_numbers_put_in(watch: Watch) -> None:
    page = watch.open()
    page.click("button[name=why_activations]")
    why = text(page, "tr.why")
    assert "max_num_seqs · vocabulary" in why
    assert "256 · 128,256" in why
    assert "profile_run" in why
    page.click("button[name=why_activations]")
    assert page.locator("tr.why").count() == 0


def test_each_phase_has_its_ledger(watch: Watch) -> None:
    page = watch.open("#model=llama-3.1-8b&on=rtx-4090&engine=transformers&max_model_len=8192")
    peak = total(page)
    page.get_by_text("decode", exact=True).first.click()
    assert total(page) != peak


def test_what_would_make_it_fit_is_applied(watch: Watch) -> None:
    page = watch.open("#model=llama-3.1-70b&on=rtx-4090&engine=transformers&max_model_len=2048")
    assert "Does not fit" in text(page, ".verdict")
    page.click("button[name=apply] >> nth=0")
    until(lambda: "Fits" in text(page, ".verdict strong"))


def test_a_cell_of_the_map_is_taken(watch: Watch) -> None:
    page = watch.open()
    page.locator("[data-part=map]").scroll_into_view_if_needed()
    page.click('.map [data-at="4-3"]')
    watch.settle()
    assert hash_of(page)["max_model_len"] == "16384"
    assert hash_of(page)["concurrency"] == "8"
    until(lambda: page.locator(".map .current").count() == 1)


def test_the_launch_command_is_copied(watch: Watch) -> None:
    page = watch.open()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("[data-part=launch]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-part=launch] .code pre")
    page.click("button[name=copy_launch]")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "vllm serve meta-llama/Llama-3.1-8B --max-model-len 8192" in copied
    page.select_option("select[name=target]", "docker")
    until(lambda: "docker run" in text(page, "[data-part=launch] pre >> nth=0"))


def test_rules_levers_and_reaches_are_answered(watch: Watch) -> None:
    page = watch.open()
    for part, said in (("try", "Longest context"), ("levers", "now"), ("rules", "The KV formula")):
        page.locator(f"[data-part={part}]").scroll_into_view_if_needed()
        until(lambda part=part, said=said: said in text(page, f"[data-part={part}]"))
    page.click("[data-part=rules] summary >> nth=0")
    assert "parameters × bits / 8" in text(page, "[data-part=rules]")
    page.click("button[name=all_levers]")
    page.click("[data-part=try] button[name=use] >> nth=0")
    watch.settle()
    assert int(hash_of(page)["max_model_len"]) > 8192


def test_three_configurations_stand_side_by_side(watch: Watch) -> None:
    page = watch.open()
    page.click("button[name=compare]")
    page.select_option("select[name=weights]", "nf4")
    watch.settle()
    page.click("button[name=compare]")
    assert page.locator("button[name=compare]").is_disabled()
    page.select_option("select[name=weights]", "fp8")
    watch.settle()
    until(lambda: "…" not in text(page, ".compare"))
    row = page.locator(".compare tbody tr", has_text="Weights").locator("td").all_inner_texts()
    assert row == ["fp8", "bf16", "nf4"]
    page.click("button[name=take_2]")
    watch.settle()
    assert hash_of(page)["weights"] == "nf4"
    page.click("button[name=drop_1]")
    assert page.locator(".compare thead th").count() == 2


def test_everything_can_be_exported(watch: Watch, tmp_path: Path) -> None:
    page = watch.open()
    found = {}
    for kind in ("png", "svg", "csv", "json", "markdown"):
        page.click("button[name=export]")
        with page.expect_download() as download:
            page.click(f"button[name=export_{kind}]")
        found[kind] = Path(download.value.path()).read_bytes()
    assert found["png"].startswith(b"\x89PNG")
    assert len(found["png"]) > 5000
    assert b"<svg" in found["svg"]
    assert b"var(--" not in found["svg"]
    made = json.loads(found["json"])
    ledger = {term["name"]: term["bytes"] for term in made["devices"][0]["terms"]}
    assert f",weights,resident,{ledger['weights']}," in found["csv"].decode()
    assert "| weights | 14.99 |" in found["markdown"].decode()


def test_charts_have_a_table_and_can_be_kept(watch: Watch) -> None:
    page = watch.open()
    for part, name in (("sweep", "context"), ("speed", "roofline")):
        page.locator(f"[data-part={part}]").scroll_into_view_if_needed()
        page.locator(f"[data-figure={name}]").scroll_into_view_if_needed()
        page.click(f"button[name={name}-table]")
        assert page.locator(f"[data-figure={name}] tbody tr").count() >= 2
        for kind, start in (("svg", b"<svg"), ("png", b"\x89PNG"), ("csv", b"")):
            with page.expect_download() as download:
                page.click(f"button[name={name}-{kind}]")
            content = Path(download.value.path()).read_bytes()
            assert content.startswith(start)
            assert len(content) > 50


def test_the_theme_is_chosen_and_kept(watch: Watch) -> None:
    page = watch.open()
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.select_option("select[name=theme]", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.reload()
    page.wait_for_selector(".verdict")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
