"""What a worker tells of its requests: traces, the access log, the sizes of batches and queues."""

import json

from prometheus_client.parser import text_string_to_metric_families
from tests.serving.collector import collecting
from tests.serving.house import until
from tests.serving.models import Adding, Failing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_request_of_a_sampled_trace_is_a_span_of_it(house, connect):
    version = house.deploy(Adding(1.0))
    with collecting() as collector:
        group = house.start(otlp_endpoint=collector.url)
        client = connect(group)
        client.infer([1.0, 2.0])  # of no trace
        client.infer([1.0, 2.0], x_ignored="", **{"id": "not-sampled"})
        client.request("POST", "/v2/models/surge/infer", body("of-a-trace"), traceparent=f"00-{TRACE}-{SPAN}-01")
        client.request("POST", "/v2/models/surge/infer", body("not-sampled"), traceparent=f"00-{TRACE}-{SPAN}-00")
        client.request("POST", "/v2/models/surge/infer", body("bad"), traceparent="nonsense")
        client.close()
        group.stop()  # the last spans are sent then
        (span,) = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.name) == (TRACE, SPAN, "infer surge")
    told = {each.key: each.value for each in span.attributes}
    assert told["tidewheel.version"].string_value == version.id
    assert told["tidewheel.request_id"].string_value == "of-a-trace"
    assert told["tidewheel.rows"].int_value == 1
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10**10


def test_a_share_of_all_requests_can_be_traced_and_failures_are_marked(house, connect):
    house.deploy(Failing())
    with collecting() as collector:
        group = house.start(otlp_endpoint=collector.url, trace_share=1.0)
        client = connect(group)
        client.infer([0.0, 0.0])
        client.infer([1.0, 2.0])
        client.close()
        group.stop()
        assert [span.status.code for span in collector.spans] == [0, 2]


def test_requests_go_on_when_the_collector_is_away(house, connect):
    house.deploy(Adding(1.0))
    client = connect(house.start(otlp_endpoint="http://127.0.0.1:9", trace_share=1.0))
    assert {client.infer([1.0, 2.0]).status for _ in range(50)} == {200}


def test_the_access_log_has_a_line_for_each_request_and_begins_anew_when_it_is_full(house, connect):
    version = house.deploy(Adding(1.0))
    client = connect(house.start(access_log=True, access_log_mb=0))
    path = house.home / "logs" / "access-w0.jsonl.1"
    client.infer([1.0, 2.0], id="mine")
    until(path.exists)
    (line,) = map(json.loads, path.read_text().splitlines())
    assert line | {"at": 0, "latency_us": 0} == {
        "at": 0,
        "endpoint": "surge",
        "version": version.id,
        "arm": "live",
        "request_id": "mine",
        "status": 200,
        "latency_us": 0,
        "rows": 1,
    }
    client.infer([1.0, 2.0], id="second")
    until(lambda: "second" in path.read_text())


def test_the_sizes_of_batches_are_a_histogram(house, connect):
    house.deploy(Adding(1.0))
    client = connect(house.start())
    client.infer([1.0, 2.0])
    client.infer([1.0, 2.0], [1.0, 2.0], [1.0, 2.0])
    text = client.request("GET", "/metrics").body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    counts = {
        sample.labels["le"]: sample.value
        for sample in families["tidewheel_serving_batch_rows"].samples
        if sample.name.endswith("_bucket")
    }
    assert (counts["1"], counts["2"], counts["4"], counts["+Inf"]) == (1.0, 1.0, 2.0, 2.0)
    assert families["tidewheel_serving_waiting"].samples[0].value == 0.0


def body(request_id):
    tensor = {"name": "features", "datatype": "FP64", "shape": [1, 2], "data": [1.0, 2.0]}
    return {"id": request_id, "inputs": [tensor]}
