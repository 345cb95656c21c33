"""A model in a process of its own can crash, hang, leak and lie, and nothing but its own calls suffers."""

import os
import signal
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from tests.serving.house import until

from tidewheel.base.errors import Corrupt, InvalidInput, NotAllowed, Unavailable
from tidewheel.base.hashing import hash_file
from tidewheel.base.settings import Settings
from tidewheel.registry.formats import open_format
from tidewheel.serving.worker.isolation import open_isolated
from tidewheel.serving.worker.isolation.frames import BadFrame, Frame, Kind, receive, send
from tidewheel.serving.worker.isolation.keeper import ModelFailed

GOOD, CRASH, ABORT, HANG, FAIL, HOG, LEAVE, REFUSE, SLEEP = (float(number) for number in range(9))
_SIZES = st.integers(0, 9)
_ONE = np.array([[GOOD, 2.0]])


class Wild:
    """Does what the first number of the first row says; else answers the sum of each row, and its process id."""

    def predict(self, rows):
        import ctypes
        import sys
        import time

        what = rows[0, 0]
        if what == CRASH:
            ctypes.string_at(0)
        if what == ABORT:
            os.abort()
        while what == HANG:
            pass
        if what == FAIL:
            raise ValueError("a value that this model does not know")
        if what == HOG:
            np.ones(2**28)
        if what == LEAVE:
            sys.exit(3)
        if what == REFUSE:
            raise InvalidInput("The model takes rows of 3 features.", fix="Give 3.")
        if what == SLEEP:
            time.sleep(0.05)
        return np.column_stack([rows.sum(axis=1), np.full(len(rows), float(os.getpid()))])


class Echo:
    """Answers what it was given."""

    def predict(self, rows):
        return rows


class CrashesWhenLoaded:
    """Ends the process that loads it."""

    def predict(self, rows):
        return rows

    def __reduce__(self):
        return os.abort, ()


def kept(folder: Path, model):
    """The arguments that open a model: its format, files and who trusts it."""
    open_format("python").save(model, folder)
    files = {str(path.relative_to(folder)): hash_file(path) for path in folder.rglob("*") if path.is_file()}
    return "python", folder, files, "ana"


@pytest.fixture
def open_model(tmp_path):
    opened = []

    def open_one(model, **given):
        values = {f"serving.isolated_{name}": value for name, value in given.items()}
        opened.append(open_isolated(*kept(tmp_path, model), Settings(values)))
        return opened[-1]

    yield open_one
    for predictor in opened:
        predictor.close()


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    predictor = open_isolated(*kept(tmp_path_factory.mktemp("echo"), Echo()))
    yield predictor
    predictor.close()


def test_it_answers_from_another_process_with_one_thread_and_no_tokens(open_model):
    predictor = open_model(Wild())
    answer = predictor.predict(np.array([[GOOD, 2.0], [0.5, np.nan]]))
    assert answer[0, 0] == 2.0
    assert np.isnan(answer[1, 0])
    assert answer[0, 1] == predictor.pid != os.getpid()
    environment = Path(f"/proc/{predictor.pid}/environ").read_bytes().split(b"\0")
    assert b"OMP_NUM_THREADS=1" in environment
    assert not [each for each in environment if b"TOKEN" in each]
    assert predictor.memory_bytes > 10 * 2**20


@pytest.mark.parametrize(("what", "how"), [(CRASH, "SIGSEGV"), (ABORT, "SIGABRT"), (HANG, "within 0.5 s")])
def test_a_call_that_ends_or_hangs_its_process_is_refused_and_the_next_process_answers(open_model, what, how):
    predictor = open_model(Wild(), timeout_s=0.5)
    before = predictor.pid
    with pytest.raises(Unavailable, match=how):
        predictor.predict(np.array([[what, 0.0]]))
    with pytest.raises(Unavailable, match="being started again"):
        predictor.predict(_ONE)
    until(lambda: predictor.pid)
    assert predictor.pid != before
    assert predictor.predict(_ONE)[0, 0] == 2.0
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        (FAIL, ModelFailed, "ValueError: a value that this model does not know"),
        (LEAVE, ModelFailed, "SystemExit: 3"),
        (REFUSE, InvalidInput, "rows of 3 features"),
    ],
)
def test_what_a_model_raises_comes_back_in_words_and_its_process_stays(open_model, what, kind, message):
    predictor = open_model(Wild())
    before = predictor.pid
    with pytest.raises(kind, match=message):
        predictor.predict(np.array([[what, 0.0]]))
    assert predictor.predict(_ONE)[0, 1] == before


def test_a_model_that_has_used_up_its_memory_is_begun_anew(open_model):
    predictor = open_model(Wild(), memory_mb=1024)
    before = predictor.pid
    with pytest.raises(ModelFailed, match="MemoryError"):
        predictor.predict(np.array([[HOG, 0.0]]))
    until(lambda: predictor.pid not in (None, before))
    assert predictor.predict(_ONE)[0, 0] == 2.0


def test_a_process_that_is_killed_between_calls_is_replaced(open_model):
    predictor = open_model(Wild())
    before = predictor.pid
    os.kill(before, signal.SIGKILL)
    until(lambda: predictor.pid not in (None, before))
    assert predictor.predict(_ONE)[0, 0] == 2.0


def test_many_threads_may_ask_at_once(echo):
    wrong = []

    def ask(number):
        for size in range(1, 50):
            rows = np.full((size, 3), number * 1000.0 + size)
            if not np.array_equal(echo.predict(rows), rows):
                wrong.append((number, size))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_a_big_batch_passes_whole(echo):
    rows = np.random.default_rng(1).normal(size=(100_000, 30))
    assert np.array_equal(echo.predict(rows), rows)


@settings(max_examples=100, deadline=None)
@given(rows=arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 12)), elements=st.floats(width=64)))
def test_every_number_passes_as_it_is(echo, rows):
    assert echo.predict(rows).tobytes() == rows.tobytes()
    assert echo.predict(np.asfortranarray(rows)).tobytes() == rows.tobytes()


@given(
    frame=st.builds(Frame, st.sampled_from([Kind.ROWS, Kind.OUTPUTS]), arrays(np.float64, st.tuples(_SIZES, _SIZES)))
    | st.builds(Frame, st.sampled_from([Kind.TASK, Kind.READY, Kind.REFUSED, Kind.FAILED]), text=st.binary())
)
def test_frames_arrive_as_they_were_sent_also_empty_ones(frame):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, frame)
        come = receive(theirs)
    assert (come.kind, come.text) == (frame.kind, frame.text)
    if frame.numbers is not None:
        assert come.numbers.shape == frame.numbers.shape
        assert come.numbers.tobytes() == frame.numbers.tobytes()


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=64))
def test_nonsense_on_the_socket_is_refused_and_never_waited_for(data):
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(data)
        try:
            receive(ours)
        except BadFrame:
            return
    kind, columns, length = struct.unpack_from("<B3xIQ", data)
    assert kind in list(Kind)
    assert len(data) - 16 >= length * (columns * 8 if kind in (Kind.ROWS, Kind.OUTPUTS) else 1)


@pytest.mark.parametrize("shape", [(2**40, 2**10), (4, 2**31)])
def test_an_answer_larger_than_was_asked_for_is_not_made_room_for(shape):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack("<B3xIQ", Kind.OUTPUTS, shape[1], shape[0]))
        with pytest.raises(BadFrame):
            receive(ours, rows=4)
        send(theirs, Frame(Kind.OUTPUTS, numbers=np.zeros((5, 1))))
        with pytest.raises(BadFrame, match="5 rows came where 4 were due"):
            receive(ours, rows=4)


def test_damaged_files_and_strangers_code_are_never_loaded(tmp_path):
    name, folder, files, trusted_by = kept(tmp_path, Echo())
    with pytest.raises(NotAllowed, match="nobody vouched"):
        open_isolated(name, folder, files, None)
    next(path for path in folder.rglob("*") if path.is_file()).write_bytes(b"damaged")
    with pytest.raises(Corrupt, match="BLAKE3"):
        open_isolated(name, folder, files, trusted_by)


def test_a_model_that_ends_its_process_while_it_is_loaded_is_corrupt(tmp_path):
    with pytest.raises(Corrupt, match="while it was loaded: it ended with SIGABRT"):
        open_isolated(*kept(tmp_path, CrashesWhenLoaded()))


def test_closing_refuses_the_call_under_way_and_ends_the_process(open_model):
    predictor = open_model(Wild())
    pid = predictor.pid
    refused = threading.Event()

    def ask_for_ever():
        with pytest.raises(Unavailable):
            while True:
                predictor.predict(np.array([[SLEEP, 0.0]]))
        refused.set()

    thread = threading.Thread(target=ask_for_ever)
    thread.start()
    predictor.close()
    thread.join(10)
    assert refused.is_set()
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_the_process_ends_when_nobody_holds_the_predictor(tmp_path):
    predictor = open_isolated(*kept(tmp_path, Echo()))
    pid = predictor.pid
    del predictor
    until(lambda: not Path(f"/proc/{pid}").exists())
