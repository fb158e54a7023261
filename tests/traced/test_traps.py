"""The traps that a trace, or a rule of thumb, falls into: each one a test."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
pytest.importorskip("transformers", reason="needs the [trace] extra")

from traced.tiny import DEEPSEEK, LLAMA, MIXTRAL, ask  # noqa: E402
from weighbridge.trace.build import build, parameter_table  # noqa: E402
from weighbridge.trace.log import Log, by_category, peaks  # noqa: E402
from weighbridge.trace.measure import trace  # noqa: E402
from weighbridge.trace.tracker import StorageTracker  # noqa: E402


def traced(config: dict[str, Any] = LLAMA, **options: Any) -> Log:
    return trace(ask(config, **{"target": "cuda", **options}))[0]


def peak(log: Log, phase: str) -> int:
    return next(each.bytes for each in peaks(log, 1) if each.phase == phase)


def at_peak(log: Log, phase: str) -> dict[str, int]:
    return by_category(log, next(each.event for each in peaks(log, 1) if each.phase == phase), 1)


def states(log: Log) -> int:
    return at_peak(log, "optimizer 2")["optimizer"]


def test_foreach_adamw_takes_one_more_copy_of_a_state_than_fused() -> None:
    fused, foreach = traced(clip=0.0), traced(clip=0.0, optimizer="adamw_torch")
    parameters = at_peak(fused, "optimizer 2")["parameter"]
    more = peak(foreach, "optimizer 2") - peak(fused, "optimizer 2")
    assert more == pytest.approx(parameters, rel=0.01)


def test_the_first_step_is_lower_than_the_second_by_the_optimizers_states() -> None:
    log = traced(target="cpu")
    ends = {each.phase: each.end_bytes for each in peaks(log, 1)}
    assert ends["forward 2"] - ends["forward 1"] == states(log)


def test_outputs_that_the_loop_keeps_hold_the_logits_through_backward() -> None:
    config = {**LLAMA, "vocab_size": 4000}
    kept, dropped = traced(config, keep_outputs=True), traced(config)
    logits = 2 * 48 * 4000 * 2
    assert peak(kept, "backward 2") - peak(dropped, "backward 2") == logits


def test_a_padded_batch_loses_grouped_heads_and_pays_for_a_mask_in_each_layer() -> None:
    plain, padded = traced(), traced(padded=True)
    batch, tokens, layers, dim = 2, 48, 2, 16
    repeated = 2 * batch * tokens * (4 - 2) * dim * 2 * layers  # keys and values, heads 2 -> 4
    masks = batch * tokens * tokens * 2 * layers
    more = (
        at_peak(padded, "backward 1")["saved activation"]
        - at_peak(plain, "backward 1")["saved activation"]
    )
    assert more >= repeated + masks


def test_tied_weights_count_once() -> None:
    tied = {**LLAMA, "tie_word_embeddings": True}
    names = parameter_table(build(ask(tied)))["parameters"]
    assert sum(shape == [256, 64] for _, shape, _, _ in names) == 1
    log = traced(tied)
    assert at_peak(log, "optimizer 2")["parameter"] == sum(size for *_, size in names)


def test_a_tied_trainable_embedding_adds_its_two_gradients_out_of_place() -> None:
    config = {**LLAMA, "vocab_size": 8000, "num_hidden_layers": 1}
    tied = traced({**config, "tie_word_embeddings": True}, seq_len=8, clip=0.0)
    embedding = 8000 * 64 * 2
    held = at_peak(tied, "backward 1")
    gradients = held.get("gradient", 0) + held.get("temporary", 0)
    assert gradients >= 3 * embedding  # the head's, the lookup's, and their sum


def test_latent_attention_saves_no_square_of_scores() -> None:
    """Left to itself, sdpa takes its mathematical path for unequal head dims off a card."""
    tokens, options = 256, {"run": "train", "seq_len": 256, "batch": 1, "steps": 1}
    square = 4 * tokens * tokens * 2  # heads, one 16-bit matrix of scores
    card, bare = traced(DEEPSEEK, **options), traced(DEEPSEEK, **options, target="cpu")
    saved = [at_peak(log, "backward 1")["saved activation"] for log in (card, bare)]
    assert saved[1] - saved[0] >= square


def test_grouped_attention_under_meta_takes_the_mathematical_path_and_ours_does_not() -> None:
    with torch.device("meta"):
        query = torch.empty(1, 4, 256, 16, dtype=torch.bfloat16, requires_grad=True)
        key = torch.empty(1, 2, 256, 16, dtype=torch.bfloat16, requires_grad=True)
    from weighbridge.trace.attention import attention_of

    bare = torch.nn.functional.scaled_dot_product_attention(query, key, key, enable_gqa=True)
    ours = attention_of("auto")(query, key, key, is_causal=True, enable_gqa=True)
    assert "Flash" in _names(ours)
    assert "Flash" not in _names(bare)


def _names(tensor: Any) -> str:
    found, nodes = [], [tensor.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is not None:
            found.append(node.name())
            nodes += [each for each, _ in node.next_functions]
    return " ".join(found)


def test_experts_of_a_large_model_are_built_without_host_memory() -> None:
    """DeepSeek-V3's fused experts of one layer are 30 GB in fp32 where they are made on a CPU."""
    import resource

    config = {**DEEPSEEK, "hidden_size": 7168, "moe_intermediate_size": 2048,
              "n_routed_experts": 256, "num_hidden_layers": 2}  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = build(ask(config))
    assert sum(each.numel() for each in model.parameters()) > 256 * 3 * 7168 * 2048
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_experts_are_run_grouped() -> None:
    log = traced(MIXTRAL, run="prefill")
    assert any("grouped_mm" in storage.operator for storage in log.storages)


@pytest.mark.parametrize(
    ("name", "pick"),
    [
        ("gather", lambda x, i: x.gather(1, i)),
        ("index_select", lambda x, i: x.index_select(0, i[0, :4])),
        ("index", lambda x, i: x[i[0, :4]]),
        ("topk", lambda x, _: x.topk(2)[0]),
        ("max", lambda x, _: x.max(1)[0]),
    ],
)
def test_what_picks_elements_fills_its_gradient_in_place(name: str, pick: Any) -> None:
    """Watched, autograd leaves zeros beside it; the allocator of a bare run never holds two."""
    size = 512 * 512 * 4
    index = torch.zeros(512, 512, dtype=torch.long)
    assert _highest_of_bare_run(pick, index) < 2.9 * size  # input, gradient, what was picked
    tracker = StorageTracker()
    x = torch.ones(512, 512, requires_grad=True)
    with tracker.running():
        pick(x, index).sum().backward()
    whole = [storage for storage in tracker.log().storages if storage.size == size]
    picked = name == "gather"  # as large as the input, and so is its index's gradient
    assert len([each for each in whole if "scatter" in each.operator]) == 0
    assert len([each for each in whole if "new_zeros" in each.operator]) == 1
    assert len(whole) == 1 + picked


def _highest_of_bare_run(pick: Any, index: Any) -> int:
    from torch.profiler import ProfilerActivity, profile

    x = torch.ones(512, 512, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        pick(x, index).sum().backward()
    held = highest = x.nbytes
    events = [e for e in watched.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda each: each.start_ns()):
        held += event.nbytes()
        highest = max(highest, held)
    return highest


class TestAdapters:
    """What PEFT does to memory."""

    @pytest.fixture(autouse=True)
    def _peft(self) -> None:
        pytest.importorskip("peft")

    def test_fp32_adapters_keep_an_fp32_copy_of_every_input(self) -> None:
        fp32 = traced(method="lora", rank=2)
        bf16 = traced(method="lora", rank=2, adapters_fp32=False)
        more = peak(fp32, "backward 1") - peak(bf16, "backward 1")
        inputs = 2 * 48 * (4 * 64 + 2 * 64 + 128)  # q k v o gate up down; v of 32 outputs aside
        assert more > inputs * 2 * 2  # two layers, at least two bytes each

    def test_preparing_for_kbit_training_makes_the_rest_fp32(self) -> None:
        options = {"method": "qlora", "steps": 1}
        plain, prepared = traced(**options), traced(**options, prepare_kbit=True)
        rest = 2 * 256 * 64 + 5 * 64  # embedding, head, norms
        more = (
            at_peak(prepared, "backward 1")["parameter"] - at_peak(plain, "backward 1")["parameter"]
        )
        assert more == rest * 2

    def test_double_quantized_nf4_takes_its_published_share(self) -> None:
        config = {**LLAMA, "hidden_size": 256, "intermediate_size": 512}
        model = build(ask(config, method="qlora"))
        layer = model.base_model.model.model.layers[0].mlp.up_proj.base_layer
        count = layer.in_features * layer.out_features
        held = layer.weight.nbytes + layer.absmax.nbytes + layer.nested_absmax.nbytes
        assert held == count // 2 + count // 64 + count // 64 // 256 * 4

    def test_8_bit_states_take_2_03_bytes_an_element(self) -> None:
        log = traced({**LLAMA, "hidden_size": 256, "intermediate_size": 1024}, clip=0.0,
                     optimizer="adamw_8bit")  # fmt: skip
        large = at_peak(log, "optimizer 2")["parameter"] // 2
        assert states(log) == pytest.approx(large * 2 * (1 + 4 / 256), rel=0.05)


def test_heads_that_differ_without_enable_gqa_run_as_products() -> None:
    from weighbridge.trace.attention import chosen_kernel

    with torch.device("meta"):
        query, key = (torch.empty(1, heads, 8, 64, dtype=torch.bfloat16) for heads in (4, 1))
    asked = {"kernel": "auto"}
    assert chosen_kernel(query, key, key, None, gqa=False, **asked) == "math"
    assert chosen_kernel(query, key, key, None, gqa=True, **asked) == "flash"
    assert chosen_kernel(query, query, query, None, gqa=False, **asked) == "flash"


def test_dropout_between_products_keeps_a_mask_of_one_byte() -> None:
    from weighbridge.trace.attention import attention_of

    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.device("meta"):
        q, k, v = (torch.empty(1, 2, 16, 8, requires_grad=True) for _ in range(3))
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            attention_of("math")(q, k, v, dropout_p=0.1, is_causal=True)
    scores = 2 * 16 * 16
    assert sorted(kept.values(), reverse=True)[:3] == [4 * scores, 4 * scores, 2 * 16 * 8 * 4]
    assert scores in kept.values()
