"""gRPC calls that end otherwise than by an answer: cancelled, too late, without a token, or while the worker drains."""

import grpc
import pytest
from tests.serving.grpc_house import start_grpc_worker
from tests.serving.house import until
from tests.serving.models import Adding, Gated

from tidewheel.serving.worker.grpc.messages import (
    HealthCheckRequest,
    HealthCheckResponse,
    ModelInferRequest,
    ModelInferResponse,
    ServerReadyResponse,
)


@pytest.fixture
def serve(house):
    """Starts a worker of the home, which the test's end ends."""
    workers = []

    def start(**settings):
        workers.append(start_grpc_worker(house, **settings))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


def request_of(*row, request_id="", timeout_us=None):
    message = ModelInferRequest(model_name="surge", id=request_id)
    message.inputs.add(name="features", datatype="FP64", shape=[1, len(row)]).contents.fp64_contents.extend(row)
    if timeout_us is not None:
        message.parameters["timeout"].int64_param = timeout_us
    return message.SerializeToString()


def value_in(data):
    return ModelInferResponse.FromString(data).outputs[0].contents.fp64_contents[0]


def status_of(data):
    return HealthCheckResponse.ServingStatus.Name(HealthCheckResponse.FromString(data).status)


def code_of(call):
    with pytest.raises(grpc.RpcError) as refusal:
        call()
    return refusal.value.code()


def test_typed_values_are_answered_typed(house, serve):
    house.deploy(Adding(10.0))
    assert value_in(serve().method("ModelInfer")(request_of(1.0, 2.0))) == 13.0


def test_what_is_cancelled_or_too_late_is_not_computed(house, serve, tmp_path):
    house.deploy(Gated(tmp_path))
    worker = serve()
    infer, live = worker.method("ModelInfer"), worker.method("ServerLive")
    first = infer.future(request_of(1.0, 2.0, request_id="first"))
    until((tmp_path / "entered").exists)
    cancelled = infer.future(request_of(1.0, 2.0, request_id="cancelled"))
    late = infer.future(request_of(1.0, 2.0, request_id="late"), timeout=0.05)
    timed_out = infer.future(request_of(1.0, 2.0, request_id="timed-out", timeout_us=1000))
    assert code_of(late.result) is code_of(timed_out.result) is grpc.StatusCode.DEADLINE_EXCEEDED
    cancelled.cancel()
    for _ in range(3):
        live(b"")
    (tmp_path / "gate").touch()
    assert value_in(first.result(timeout=10)) == 3.0
    assert value_in(infer(request_of(2.0, 2.0, request_id="last"))) == 4.0
    records = house.log.find(["first", "cancelled", "late", "timed-out", "last"])
    assert {key: record.status for key, record in records.items()} == {"first": 200, "last": 200}


def test_a_draining_worker_answers_what_is_under_way_and_says_that_it_goes(house, serve, tmp_path):
    house.deploy(Gated(tmp_path))
    worker = serve()
    watch = worker.channel().unary_stream("/grpc.health.v1.Health/Watch")(b"")
    assert status_of(next(watch)) == "SERVING"
    waiting = worker.method("ModelInfer").future(request_of(1.0, 2.0))
    until((tmp_path / "entered").exists)
    worker.ask_to_end()
    assert [status_of(data) for data in watch] == ["NOT_SERVING"]
    (tmp_path / "gate").touch()
    assert value_in(waiting.result(timeout=10)) == 3.0
    assert worker.process.wait(20) == 0


def test_health_is_told_by_name(house, serve):
    worker = serve()
    check = worker.method("Check", "grpc.health.v1.Health")
    assert status_of(check(b"")) == "SERVING"
    known = HealthCheckRequest(service="inference.GRPCInferenceService").SerializeToString()
    assert status_of(check(known)) == "SERVING"
    unknown = HealthCheckRequest(service="nothing").SerializeToString()
    assert code_of(lambda: check(unknown)) is grpc.StatusCode.NOT_FOUND
    assert code_of(lambda: check(b"\xff")) is grpc.StatusCode.INVALID_ARGUMENT
    watch = worker.channel().unary_stream("/grpc.health.v1.Health/Watch")(unknown)
    assert status_of(next(watch)) == "SERVICE_UNKNOWN"
    watch.cancel()


def test_where_a_token_is_set_all_but_health_needs_it(house, serve):
    house.deploy(Adding(10.0))
    worker = serve(token="secret")
    infer, stream = (
        worker.method("ModelInfer"),
        worker.channel().stream_stream("/inference.GRPCInferenceService/ModelStreamInfer"),
    )
    wrong = [None, (("authorization", "Bearer other"),), (("authorization", "secret"),)]
    for metadata in wrong:
        for method in ("ModelInfer", "ModelReady", "RepositoryIndex", "ServerMetadata"):
            refused = code_of(lambda: worker.method(method)(b"", metadata=metadata))  # noqa: B023
            assert refused is grpc.StatusCode.UNAUTHENTICATED
        refused = code_of(lambda: next(stream(iter([request_of(1.0, 2.0)]), metadata=metadata)))  # noqa: B023
        assert refused is grpc.StatusCode.UNAUTHENTICATED
    assert value_in(infer(request_of(1.0, 2.0), metadata=(("authorization", "Bearer secret"),))) == 13.0
    assert ServerReadyResponse.FromString(worker.method("ServerReady")(b"")).ready
    assert status_of(worker.method("Check", "grpc.health.v1.Health")(b"")) == "SERVING"


def test_too_much_waiting_is_refused_with_a_time_to_come_back(house, serve, tmp_path):
    house.deploy(Gated(tmp_path))
    house.serving.configure_endpoint("surge", max_queue=2)
    worker = serve()
    infer = worker.method("ModelInfer")
    first = infer.future(request_of(1.0, 2.0))
    until((tmp_path / "entered").exists)
    second = infer.future(request_of(1.0, 2.0))
    with pytest.raises(grpc.RpcError) as refusal:
        infer(request_of(1.0, 2.0))
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ("grpc-retry-pushback-ms", "1000") in [tuple(pair) for pair in refusal.value.trailing_metadata()]
    (tmp_path / "gate").touch()
    assert value_in(first.result(timeout=10)) == value_in(second.result(timeout=10)) == 3.0
