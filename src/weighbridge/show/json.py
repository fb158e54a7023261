"""Plan → the JSON of the contract (schema 1). Bytes are integers; unknown is null."""

from __future__ import annotations

from typing import Any

from weighbridge.model.facts import Model
from weighbridge.planner import SCHEMA, DevicePlan, Plan, Verdict


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """Every number of a plan, in the shape that other programs rely on."""
    model = plan.model
    return {
        "schema": SCHEMA,
        "version": plan.version,
        "model": model_to_dict(model),
        "request": {
            **plan.request.to_dict(),
            **plan.settings,
            "max_model_len": plan.context,
            "input_tokens": plan.tokens.prompt,
            "output_tokens": plan.tokens.output,
            "assumptions": list(plan.assumptions),
        },
        "devices": [device_to_dict(device) for device in plan.devices],
        "host": None if plan.host is None else device_to_dict(plan.host),
        "total_bytes": plan.total,
        "low": plan.low,
        "high": plan.high,
        "kv": {
            "dtype": plan.cache.dtype,
            "bytes_per_token": plan.cache.bytes_per_token,
            "bytes_per_sequence": plan.cache.bytes_per_sequence,
            "state_bytes_per_sequence": plan.cache.state_bytes_per_sequence,
            "capacity_tokens": plan.capacity.tokens,
            "max_concurrency": plan.capacity.sequences,
        },
        "verdict": verdict_to_dict(plan.verdict),
        "speed": None if plan.speed is None else plan.speed.to_dict(),
        "engine": {
            "name": plan.engine.name,
            "version": plan.engine.version_text,
            "log": list(plan.log),
        },
    }


def model_to_dict(model: Model) -> dict[str, Any]:
    """What was weighed."""
    return {
        "id": model.id,
        "family": model.family,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "layers": len(model.layers),
        "max_positions": model.max_positions,
        "basis": model.basis,
        "source": model.source,
        "answers": dict(model.answers),
    }


def verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    """Whether it fits, and what would make it fit."""
    return {
        "fits": verdict.fits,
        "sure": verdict.sure,
        "because": verdict.because,
        "try": [
            {
                "option": remedy.option,
                "value": remedy.value,
                "total_bytes": remedy.total,
                "why": remedy.why,
            }
            for remedy in verdict.remedies
        ],
    }


def device_to_dict(device: DevicePlan) -> dict[str, Any]:
    """One device: its terms at the peak and in every phase."""
    return {
        "name": device.name,
        "index": device.index,
        "capacity_bytes": device.capacity,
        "usable_bytes": device.usable,
        "phase": device.phase,
        "terms": [term.to_dict() for term in device.terms],
        "total_bytes": device.total,
        "low": device.low,
        "high": device.high,
        "fits": device.fits,
        "phases": {
            phase: {
                "total_bytes": sum(term.bytes for term in terms),
                "low": sum(term.low for term in terms),
                "high": sum(term.high for term in terms),
                "terms": [term.to_dict() for term in terms],
            }
            for phase, terms in device.phases.items()
        },
    }
