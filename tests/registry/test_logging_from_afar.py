"""Over an address `log_model` says at once what to do instead: a model's files lie in the home, and do not travel."""

import numpy as np
import pytest
from tests.server.listening import listening

import tidewheel as tw
from tidewheel.app import open_platform
from tidewheel.base.errors import InvalidInput
from tidewheel.client import connect
from tidewheel.server.app import build


class Reluctant:
    """Cannot be pickled, so that an error of it would tell that saving was begun."""

    def predict(self, rows):
        return rows[:, :1]

    def __reduce__(self):
        raise AssertionError("saving was begun")


def test_a_platform_behind_an_address_is_told_from_one_at_home_before_anything_is_saved(tmp_path):
    with open_platform(tmp_path / "home") as platform, listening(build(platform)) as url:
        with connect(url) as remote:
            with pytest.raises(InvalidInput, match=r"home folder.*tw\.open\(HOME\).*MLFLOW_TRACKING_URI"):
                tw.log_model(Reluctant(), "surge", inputs=["a"], trust=True)
            assert remote.registry.models() == []
        version = tw.log_model(lambda rows: rows, "surge", inputs=["a"], trust=True, rows=np.ones((3, 1)))
        assert platform.registry.find("models:/surge/1").id == version.id
