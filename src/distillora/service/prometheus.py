"""Metrics for Prometheus, under the names of text-embeddings-inference.

Counters there do not end in ``_total``, which the client library insists on; the text that is
served is changed accordingly.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_DURATIONS = tuple(0.0001 * 1.5**power for power in range(35))  # up to 97 s
_SIZES = tuple(2.0**power for power in range(16))
_TOTAL = re.compile(rb"^((?:# (?:HELP|TYPE) )?te_\w+)_total\b", re.MULTILINE)

disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class ServiceMetrics:
    """What the service counts; durations in seconds."""

    requests: Counter
    successes: Counter
    failures: Counter
    duration: Histogram
    tokenization: Histogram
    queue: Histogram
    inference: Histogram
    input_length: Histogram
    queue_size: Gauge
    batch_size: Histogram
    batch_tokens: Histogram


def _make(registry: CollectorRegistry) -> ServiceMetrics:
    def histogram(name: str, what: str, buckets: tuple[float, ...] = _DURATIONS) -> Histogram:
        return Histogram(name, what, buckets=buckets, registry=registry)

    return ServiceMetrics(
        requests=Counter("te_request_count", "Requests", ["method"], registry=registry),
        successes=Counter(
            "te_request_success",
            "Requests answered with predictions",
            ["method"],
            registry=registry,
        ),
        failures=Counter("te_request_failure", "Requests refused", ["err"], registry=registry),
        duration=histogram("te_request_duration", "Seconds per request"),
        tokenization=histogram("te_request_tokenization_duration", "Seconds of tokenization"),
        queue=histogram("te_request_queue_duration", "Seconds in the queue"),
        inference=histogram("te_request_inference_duration", "Seconds in the model"),
        input_length=histogram("te_request_input_length", "Tokens per text", _SIZES[:12]),
        queue_size=Gauge(
            "te_queue_size",
            "Texts that wait or are in progress",
            registry=registry,
            multiprocess_mode="livesum",
        ),
        batch_size=histogram("te_batch_next_size", "Texts per batch", _SIZES[:11]),
        batch_tokens=histogram("te_batch_next_tokens", "Tokens per batch", _SIZES),
    )


_REGISTRY = CollectorRegistry()
METRICS = _make(_REGISTRY)


def render_metrics() -> bytes:
    """Return the metrics as text; with several workers, those of all of them."""
    registry = _REGISTRY
    if os.environ.get(MULTIPROCESS_VARIABLE):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return _TOTAL.sub(rb"\1", generate_latest(registry))
