"""`tidewheel runs reproduce`, `compare`, `show`, `export` and `sync`, as a person calls them after training."""

import dataclasses
import json
import os
import sys

import pyarrow.parquet as pq
import pytest
from tests.cli.runner import tidewheel
from tests.server.listening import listening
from tests.tracking.repository import Repository

from tidewheel.app import open_platform
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.base.settings import Settings
from tidewheel.server.app import build
from tidewheel.tracking.records import Run
from tidewheel.tracking.reproduce import compare_metrics, plan_reproduction, reproduce

NEEDED = {"sqlalchemy", "anyio", "blake3", "certifi", "h11", "httpcore", "httpx", "idna", "msgspec", "numpy"}
NEEDED |= {"typing-extensions", "tidewheel"}


@pytest.fixture
def repository(tmp_path):
    return Repository.make(tmp_path)


@pytest.fixture
def run(repository):
    """`tidewheel runs …`, in the install of the repository's runs."""

    def call(*arguments):
        return tidewheel("runs", *arguments, "--home", repository.home)

    return call


def read(repository, run_id):
    with open_platform(repository.home, Settings(environ={})) as platform:
        return platform.tracking.run(run_id)


def test_a_run_of_changed_code_is_reproduced_from_commit_and_changes(repository, run):
    script = repository.folder / "train.py"
    script.write_text(script.read_text().replace('("depth", 6)', '("depth", 7)'))
    run_id = repository.train("steady")
    repository.commit("second")
    script.write_text("raise SystemExit('not this one')")
    outcome = run("reproduce", run_id, "--env", "current", "--yes", "--json")
    assert outcome.exit_code == 0, outcome.err
    told = outcome.json
    assert told["metrics"]["auc"]["exact"]
    again = read(repository, told["reproduced_as"])
    assert (again.params, again.tags["tidewheel.reproduces"]) == ({"depth": "7"}, run_id)
    assert repository.git("worktree", "list").count("\n") == 0


def test_metrics_that_differ_are_exit_code_3(repository, run):
    run_id = repository.train("drifting")
    outcome = run("reproduce", run_id, "--env", "current", "--yes", "--json", "--rtol", "1e-15")
    assert outcome.exit_code == 3
    assert not json.loads(outcome.out)["agrees"]


def test_nothing_is_run_unless_the_user_agrees(repository, run):
    run_id = repository.train("steady")
    assert run("reproduce", run_id, "--env", "current").exit_code != 0
    assert "is no environment" in run("reproduce", run_id, "--env", "none", "--yes").err
    assert len(run("ls", "--json").json) == 1


def test_what_is_missing_is_said(repository, run):
    bare = repository.train("steady", "bare")
    hidden = repository.train("steady", "--token=abc")
    with open_platform(repository.home, Settings(environ={})) as platform:
        theirs = platform.tracking.start_run("mlflow's", tags={"mlflow.source.type": "LOCAL"}).id
    for run_id, missing, remedy in (
        (bare, "git repository", "in a git repository"),
        (theirs, "command line", "MLflow's client"),
        (hidden, "look like passwords", "python train.py steady --token=[hidden]"),
    ):
        outcome = run("reproduce", run_id, "--yes")
        assert outcome.exit_code not in (0, 3)
        assert missing in " ".join(outcome.err.split())
        assert remedy in " ".join(outcome.err.split())
        assert ("MLflow" in outcome.err) == (run_id != hidden)


def test_a_commit_that_is_nowhere_to_be_found_is_said(repository, run, tmp_path):
    run_id = repository.train("steady")
    (tmp_path / "other").mkdir()
    other = Repository.make(tmp_path / "other", "of another history")
    with open_platform(repository.home, Settings(environ={})) as platform, pytest.raises(NotFound, match="is not in"):
        plan_reproduction(platform.tracking, run_id, other.folder)


@pytest.mark.slow
def test_a_run_is_reproduced_in_a_fresh_environment(repository):
    with open_platform(repository.home, Settings(environ={})) as platform, listening(build(platform)) as url:
        run_id = repository.train("steady", TIDEWHEEL_URL=url)
        plan = plan_reproduction(platform.tracking, run_id, None)
        some = {name: version for name, version in plan.packages.items() if name in NEEDED}
        plan = dataclasses.replace(plan, packages=some)
        server = {"TIDEWHEEL_URL": url}
        done = reproduce(platform.tracking, plan, fresh=True, server=server, rtol=0.0)
        assert done.agrees
        report = platform.tracking.fetch_artifact(
            done.reproduced_as, "reproducibility/environment.json", repository.folder / "environment.json"
        )
    told = json.loads(report.read_text())
    assert told["command"]["executable"] != sys.executable
    assert told["packages"].keys() <= {*some, "pip", "setuptools", "wheel"}


@pytest.mark.parametrize(
    ("was", "is_now", "agrees", "exact"),
    [
        (1.0, 1.0, True, True),
        (1.0, 1.0 + 1e-12, True, False),
        (1.0, 1.1, False, False),
        (float("nan"), float("nan"), True, True),
        (float("inf"), float("inf"), True, True),
        (1.0, None, False, False),
        (None, 1.0, False, False),
    ],
)
def test_metrics_agree_within_the_tolerance(was, is_now, agrees, exact):
    def with_auc(value):
        kept = {} if value is None else {"auc": value}
        return dataclasses.replace(EXAMPLE, metrics=kept)

    found = compare_metrics(with_auc(was), with_auc(is_now), rtol=1e-9)
    assert (found.agrees, found.metrics["auc"].exact) == (agrees, exact)


EXAMPLE = Run(
    id="run_1", experiment_id="0", experiment="Default", name="n", user="u", status="FINISHED",
    lifecycle_stage="active", started_at=None, artifact_uri="",
)  # fmt: skip


def test_show_tells_metrics_with_bounds_environment_and_artifacts(repository, run):
    run_id = repository.train("steady")
    shown = run("show", run_id, "--json").json
    auc = shown["metrics"]["auc"]
    assert (auc["points"], auc["low"]) == (1, auc["high"])
    assert shown["environment"]["git"]["branch"] == "main"
    printed = run("show", run_id).out
    assert repository.git("rev-parse", "HEAD") in printed.replace("\n", "").replace(" ", "")
    assert "reproducibility/environment.json" in printed


def test_compare_tells_only_what_differs(repository, run):
    first = repository.train("steady")
    script = repository.folder / "train.py"
    script.write_text(script.read_text().replace('("depth", 6)', '("depth", 7)').replace("seed(7)", "seed(8)"))
    second = repository.train("steady")
    bare = repository.train("steady", "bare")
    told = run("compare", first, second, "--json").json
    assert told["params"] == {"depth": ["6", "7"]}
    assert told["code"].keys() == {"uncommitted changes"}
    assert told["seeds"] == {"numpy": ["7", "8"], "random": ["7", "8"]}
    assert (told["packages"], told["hardware"], told["data"], told["not_recorded"]) == ({}, {}, {}, [])
    assert told["tags"].keys() <= {"tidewheel.seed"}
    told = run("compare", first, bare, "--json").json
    assert (told["not_recorded"], told["packages"]) == ([bare], {})
    assert "recorded no environment" in run("compare", first, bare).out


def test_export_writes_an_experiments_runs_in_the_format_of_the_files_name(repository, run, tmp_path):
    run_ids = [repository.train("steady") for _ in range(2)]
    for ending in ("json", "csv", "parquet"):
        assert run("export", "surge", "-o", tmp_path / f"runs.{ending}").exit_code == 0
    told = json.loads((tmp_path / "runs.json").read_text())
    assert [each["run"]["id"] for each in told] == run_ids[::-1]
    assert [point["value"] for point in told[0]["points"]["auc"]] == [told[0]["run"]["metrics"]["auc"]]
    assert told[0]["environment"]["git"]["branch"] == "main"
    assert pq.read_table(tmp_path / "runs.parquet")["params.depth"].to_pylist() == ["6", "6"]
    assert (tmp_path / "runs.csv").read_text().count("\n") == 3
    assert "names no format" in run("export", "surge", "-o", tmp_path / "runs.xlsx").err


def test_sync_sends_what_a_dead_process_left(repository, run):
    code = (
        "import os, tidewheel as tw\nrun = tw.start_run('surge', capture=False)\ntw.flush()\n"
        "tw.log_metric('auc', 0.5)\nprint('RUN', run.id, flush=True)\nos._exit(9)\n"
    )
    (repository.folder / "train.py").write_text(code)
    with pytest.raises(Exception, match="exit status 9") as died:
        repository.train()
    run_id = died.value.stdout.split()[1]
    told = run("sync", "--json").json
    assert told["files"] == 1
    assert told["refused"] == told["damaged"] == []
    found = read(repository, run_id)
    assert (found.metrics, found.status) == ({"auc": 0.5}, "RUNNING")
    shown = " ".join(run("show", run_id).out.split())
    assert "no sign of life since" in shown
    assert "its process is gone" in shown


def test_planning_needs_a_run_of_the_sdk(repository):
    with open_platform(repository.home, Settings(environ=dict(os.environ))) as platform:
        made = platform.tracking.start_run()
        with pytest.raises(InvalidInput, match="did not record the git repository and commit, the command line"):
            plan_reproduction(platform.tracking, made.id, None)
