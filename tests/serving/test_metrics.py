"""One scrape of any worker tells of all."""

from prometheus_client.parser import text_string_to_metric_families
from tests.serving.house import until
from tests.serving.models import Adding

from tidewheel.serving.worker.counters import CounterFile, read_counters


def scrape(client):
    answer = client.request("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.body.decode()))
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for f in families for sample in f.samples}


def total(samples, name, **labels):
    return sum(
        value for (each, having), value in samples.items() if each == name and set(labels.items()) <= set(having)
    )


def test_counts_are_those_of_all_workers_and_outlive_them(house, connect):
    version = house.deploy(Adding(1.0))
    group = house.start(workers=2)
    clients = [connect(group) for _ in range(8)]
    for client in clients:
        for _ in range(5):
            client.infer([1.0, 2.0], [3.0, 4.0])
        client.infer([1.0])
        client.request("POST", "/api/v1/serving/labels", {"labels": [{"id": "x", "values": {"a": 1.0}}]})
    samples = scrape(clients[0])
    mine = {"endpoint": "surge", "version": version.id, "arm": "live"}
    assert total(samples, "tidewheel_serving_requests_total", status="200", **mine) == 40
    assert total(samples, "tidewheel_serving_requests_total", status="400", **mine) == 8
    assert total(samples, "tidewheel_serving_predictions_total", **mine) == 80
    assert total(samples, "tidewheel_serving_labels_total") == 8
    assert total(samples, "tidewheel_serving_latency_seconds_count", **mine) == 48
    assert total(samples, "tidewheel_serving_latency_seconds_bucket", le="+Inf", **mine) == 48
    assert 0 < total(samples, "tidewheel_serving_latency_seconds_sum", **mine) < 10
    assert total(samples, "tidewheel_serving_http_answers_total", status="200") >= 48
    assert total(samples, "tidewheel_serving_process_cpu_seconds_total") > 0
    assert total(samples, "tidewheel_serving_generation", worker="0") == 2
    assert house.serving.status().by_endpoint == {"surge": 48}
    for process in group._processes.values():
        process.kill()
        process.wait()
    until(lambda: group.look() is not None and group.ready())
    samples = scrape(connect(group))
    assert total(samples, "tidewheel_serving_requests_total", status="200", **mine) == 40


def test_a_full_counter_file_counts_into_one_cell(tmp_path):
    file = CounterFile(tmp_path / "0.counters")
    cells = {file.cell("x_total", (("label", f"{number}" * 300),)) for number in range(10_000)}
    assert len(cells) > 1000
    last = file.cell("x_total", (("label", "another" * 300),))
    file.cells[last] += 1.0
    again = CounterFile(tmp_path / "0.counters")
    assert again.cell("x_total", (("label", "0" * 300),)) == file.cell("x_total", (("label", "0" * 300),))
    assert read_counters(tmp_path)[("tidewheel_serving_uncounted_total", ())] == 1.0


def test_a_damaged_counter_file_is_counted_on_from_the_damage(tmp_path):
    path = tmp_path / "0.counters"
    file = CounterFile(path)
    for name in ("first", "second", "third"):
        file.cells[file.cell(name)] += 7.0
    data = bytearray(path.read_bytes())
    data[data.index(b'["second"') + 1] = 0xFF
    path.write_bytes(data)
    assert read_counters(tmp_path)["first", ()] == 7.0
    again = CounterFile(path)
    again.cells[again.cell("second")] += 1.0
    counted = read_counters(tmp_path)
    assert (counted["first", ()], counted["second", ()]) == (7.0, 1.0)
    assert ("third", ()) not in counted
