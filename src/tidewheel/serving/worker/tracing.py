"""OpenTelemetry traces of inference requests, sent by OTLP: https://opentelemetry.io/docs/specs/otlp/.

A request is traced when its caller's `traceparent` says that it is sampled, as the span's child, or else by chance
(`serving.trace_share`). A span is made once the answer is sent, from times taken anyway; sending happens in a thread of
the SDK. Without `serving.otlp_endpoint` nothing of this is imported.
"""

from __future__ import annotations

import random
import re
import time
from typing import Any

from tidewheel.base.errors import Unavailable
from tidewheel.serving.worker.calls import InferenceCall, Outcome

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


class Tracing:
    """Makes and sends spans; fits `predict.Observer`."""

    def __init__(self, endpoint: str, share: float, worker: int) -> None:
        """Send to an OTLP/HTTP address such as `http://127.0.0.1:4318`.

        Raises:
            Unavailable: if the OpenTelemetry SDK is not installed.
        """
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise Unavailable("OpenTelemetry is not installed here.", fix='pip install "tidewheel[otel]".') from None
        self._trace: Any = trace
        self._share = share
        resource = Resource.create({"service.name": "tidewheel-serving", "service.instance.id": f"worker-{worker}"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tidewheel.serving")

    def finished(self, call: InferenceCall, version_id: str, outcome: Outcome, latency_s: float) -> None:
        """Make the span of a request, if it is one of those that are traced."""
        parent = _TRACEPARENT.fullmatch(call.traceparent) if call.traceparent else None
        if not (int(parent[3], 16) & _SAMPLED if parent else random.random() < self._share):
            return
        context = self._context_of(parent) if parent else None
        ended_ns = time.time_ns()
        span = self._tracer.start_span(
            f"infer {call.endpoint}",
            context,
            self._trace.SpanKind.SERVER,
            {
                "tidewheel.endpoint": call.endpoint,
                "tidewheel.version": version_id,
                "tidewheel.arm": call.arm,
                "tidewheel.request_id": call.request_id,
                "tidewheel.rows": len(outcome.rows),
                "tidewheel.model_latency_us": round(outcome.latency_s * 1e6),
                "tidewheel.status": outcome.status,
            },
            start_time=ended_ns - round(latency_s * 1e9),
        )
        if outcome.status >= 500:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(ended_ns)

    def flush(self) -> None:
        """Nothing waits here: the SDK's thread sends by itself."""

    def close(self) -> None:
        """Send what is left; used when the worker drains."""
        self._provider.shutdown()

    def _context_of(self, parent: re.Match[str]) -> Any:
        trace = self._trace
        span = trace.SpanContext(
            int(parent[1], 16), int(parent[2], 16), is_remote=True, trace_flags=trace.TraceFlags(_SAMPLED)
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(span))
