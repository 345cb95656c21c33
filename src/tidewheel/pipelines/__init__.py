"""Pipelines: ordinary Python whose steps run in processes of their own, journaled, cached and resumed after any crash.

Verbs: `Pipelines.start | execute | revive | run | steps | result | cancel`, and `step`, `pipeline`, `load_project` for
project files. Owns `pipelines_runs`, `pipelines_step_runs`. Emits `pipelines.run.queued`, `.started`, `.resumed`,
`.succeeded`, `.failed`, `.cancelling`, `.cancelled`, and with the pipeline run as subject `pipelines.step.started`,
`.succeeded`, `.failed`, `.cached`, `.lost`. Reads no events.

How it runs: a *runner* process imports the project once and forks itself, for each pipeline run into a *driver* that
executes the pipeline's body, and for each step into a process that executes the step (`runner.py` says why).
"""

from tidewheel.pipelines.executor import Executor, ExecutorLost, Exit
from tidewheel.pipelines.project import load_project
from tidewheel.pipelines.records import PipelineRun, StepRun
from tidewheel.pipelines.service import Pipelines
from tidewheel.pipelines.states import RunState, StepState
from tidewheel.pipelines.steps import Pipeline, Step, StepFailed, StepHandle, pipeline, step

__all__ = [
    "Executor",
    "ExecutorLost",
    "Exit",
    "Pipeline",
    "PipelineRun",
    "Pipelines",
    "RunState",
    "Step",
    "StepFailed",
    "StepHandle",
    "StepRun",
    "StepState",
    "load_project",
    "pipeline",
    "step",
]
