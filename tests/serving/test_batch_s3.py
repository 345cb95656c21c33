"""A batch job reads, works and writes on S3 through the API that S3 has, and leaves nothing else there."""

import logging

import numpy as np
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from moto.server import ThreadedMotoServer
from tests.serving.batch_cases import Picky, answers, numbered

from tidewheel.base.errors import Taken
from tidewheel.serving import BatchOptions


@pytest.fixture
def bucket(monkeypatch):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    environment = {"ACCESS_KEY_ID": "t", "SECRET_ACCESS_KEY": "t", "REGION": "us-east-1", "ALLOW_HTTP": "true"}
    for name, value in {**environment, "ENDPOINT_URL": address}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    filesystem = pyarrow.fs.S3FileSystem(endpoint_override=address, region="us-east-1", allow_bucket_creation=True)
    filesystem.create_dir("tides")
    yield filesystem
    server.stop()


def test_files_on_s3_are_scored_on_s3(house, bucket):
    table = numbered(900, begin=0)
    for name, half in (("a", table.slice(0, 500)), ("b", table.slice(500))):
        with bucket.open_output_stream(f"tides/in/{name}.parquet") as stream:
            pq.write_table(half, stream)
    version_id = house.register(Picky()).id
    options = BatchOptions(rows_per_part=200, workers=1)
    result = house.serving.batch(version_id, "s3://tides/in/", "s3://tides/out/scored.parquet", options)
    assert (result.rows, result.rejected, result.rejects) == (899, 1, "s3://tides/out/scored.rejected.parquet")
    with bucket.open_input_file("tides/out/scored.parquet") as stream:
        scored = pq.read_table(stream)
    good = np.arange(900) != 13
    assert np.array_equal(scored["p"].to_numpy(), answers(table)[good])
    files = bucket.get_file_info(pyarrow.fs.FileSelector("tides/out", recursive=True))
    assert sorted(info.base_name for info in files if info.is_file) == ["scored.parquet", "scored.rejected.parquet"]
    with pytest.raises(Taken, match=r"s3://tides/out/scored\.parquet exists"):
        house.serving.batch(version_id, "s3://tides/in/", "s3://tides/out/scored.parquet", options)


def test_a_delta_table_on_s3_is_a_target_too(house, bucket, tmp_path):
    pq.write_table(numbered(300), tmp_path / "in.parquet")
    version_id = house.register(Picky()).id
    house.serving.batch(version_id, str(tmp_path / "in.parquet"), "s3://tides/table", BatchOptions(workers=1))
    assert sorted(DeltaTable("s3://tides/table").to_pyarrow_table()["id"].to_pylist()) == list(range(300))
