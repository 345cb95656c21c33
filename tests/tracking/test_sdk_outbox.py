"""The outbox: calls return at once, are delivered in order, and outlive a room that is away."""

import os
import threading

import pytest

from tidewheel import tracking as tw
from tidewheel.base import ambient
from tidewheel.base.errors import Conflict, InvalidInput, Unavailable
from tidewheel.tracking.sdk.outbox import Outbox, outbox_of
from tidewheel.tracking.sdk.recovery import deliver_left


class Door:
    """A tracking room that can be shut, as a server that is away."""

    def __init__(self, room, folder):
        self.room, self.spool_folder, self.shut, self.clock = room, folder, False, room.clock
        self.named_by = "--url http://tracking.example:7600"

    def __getattr__(self, name):
        if self.shut:
            raise Unavailable("The server is away.")
        return getattr(self.room, name)


@pytest.fixture
def door(tracking, tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEWHEEL_TRACKING_CAPTURE", "false")
    made = Door(tracking, tmp_path / "spool")
    monkeypatch.setattr(ambient, "_open_rooms", [{type(tracking): made}])
    yield made
    made.shut = False
    outbox_of(made).close()


def test_thousands_of_points_arrive(door, tracking):
    with tw.start_run() as run:
        for step in range(5000):
            tw.log_metric("loss", 0.5, step)
    assert len(tracking.metric_history(run.id, "loss")) == 5000


def test_a_run_whose_server_is_away_from_beginning_to_end_arrives_later(door, tracking):
    door.shut = True
    with tw.start_run("surge", "offline", tags={"a": 1}) as run:
        tw.log_param("depth", 7)
        tw.log_metric("auc", float("nan"), step=3)
        tw.log_artifact(b"x" * 300_000, "model.bin")
    with pytest.raises(Unavailable, match="not delivered yet") as refused:
        tw.flush(5)
    assert "`tidewheel runs sync --url http://tracking.example:7600`" in refused.value.fix
    door.shut = False
    tw.flush()
    found = tracking.run(run.id)
    assert (found.status, found.experiment, found.name) == ("FINISHED", "surge", "offline")
    assert (found.params, found.tags["a"]) == ({"depth": "7"}, "1")
    assert [artifact.size_bytes for artifact in tracking.artifacts(run.id)] == [300_000]
    assert not list((door.spool_folder / "files").iterdir())


def test_what_is_delivered_twice_is_there_once(door, tracking):
    door.shut = True
    with tw.start_run("surge") as run:
        tw.log_metrics({"auc": 1.0, "loss": 2.0})
    outbox = outbox_of(door)
    copies = [(file, file.read_bytes()) for file in door.spool_folder.glob("*.spool")]
    door.shut = False
    tw.flush()
    outbox.close()
    for file, data in copies:
        file.write_bytes(data)
    told = deliver_left(tracking, door.spool_folder)
    assert (told.files, told.refused) == (1, [])
    assert len(tracking.metric_history(run.id, "auc")) == 1
    assert not list(door.spool_folder.glob("*.spool"))


def test_a_refused_record_holds_no_other_up_and_is_raised_at_the_end(door, tracking):
    with pytest.raises(Conflict, match="depth"), tw.start_run() as run:
        tracking.log_params(run.id, {"depth": "3"})
        tw.log_metric("auc", 0.5)
        tw.log_param("depth", 4)
        tw.log_metric("auc", 0.6, 1)
    found = tracking.run(run.id)
    assert (found.status, found.params, found.metrics) == ("FINISHED", {"depth": "3"}, {"auc": 0.6})


def test_a_param_changed_in_one_process_is_refused_where_it_happens(door):
    with tw.start_run():
        tw.log_param("depth", 3)
        with pytest.raises(Conflict, match="written once"):
            tw.log_param("depth", 4)


@pytest.mark.parametrize(("value", "step"), [("high", 0), (None, 0), (1.0, 2**70), (1.0, "x")])
def test_what_is_no_number_is_refused_where_it_happens(door, value, step):
    with tw.start_run(), pytest.raises(InvalidInput):
        tw.log_metric("auc", value, step)


def test_a_thread_without_a_run_of_its_own_writes_to_the_only_open_one(door, tracking):
    with tw.start_run() as run:
        threads = [threading.Thread(target=tw.log_metric, args=("auc", 1.0))]
        threads += [threading.Thread(target=run.log_metric, args=("loss", 1.0, n)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(tracking.metric_history(run.id, "loss")) == 8
    assert len(tracking.metric_history(run.id, "auc")) == 1


def test_a_forked_child_sends_nothing_of_its_parent(door):
    door.shut = True
    run = tw.start_run()
    tw.log_metric("auc", 1.0)
    outbox = outbox_of(door)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"%d %d" % (outbox._taken, len(outbox._files)))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"0 0"
    assert outbox._taken > 0
    door.shut = False
    run.end()


def test_without_a_folder_calls_are_kept_in_memory(tracking):
    outbox = Outbox(tracking, None)
    run = tracking.start_run("surge")
    outbox.append(("m", run.id, "auc", 0.5, 0, 1))
    outbox.flush()
    outbox.close()
    assert tracking.run(run.id).metrics == {"auc": 0.5}


def test_tables_texts_and_dicts_are_kept_in_the_format_of_their_path(door, tracking, tmp_path):
    with tw.start_run() as run:
        tw.log_dict({"a": 1}, "a.yaml")
        tw.log_text("hello", "b.txt")
        tw.log_table([{"x": 1}, {"x": 2}], "c.csv")
        tw.log_table({"x": [1, 2]}, "d.json")
        tw.log_input({"x": [1, 2]}, "training", name="rides")
    for path, content in {"a.yaml": "a: 1\n", "b.txt": "hello", "c.csv": '"x"\n1\n2\n'}.items():
        assert tracking.fetch_artifact(run.id, path, tmp_path / path).read_text() == content
    (rides,) = tracking.run(run.id).datasets
    assert (rides.name, rides.tags) == ("rides", {"mlflow.data.context": "training"})
    assert rides.profile == '{"num_rows":2,"num_elements":2}'


def test_html_of_a_run_is_escaped(door, tracking):
    with tw.start_run("<b>", "<script>alert(1)</script>") as run:
        tw.log_param("p", "<img>")
    html = run._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;img&gt;" in html
