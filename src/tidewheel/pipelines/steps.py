"""What a project writes: `@tw.step`, `@tw.pipeline`, and the handles that a body passes from step to step.

Within a pipeline run, calling a step submits it and returns a handle at once; anywhere else a step is its function. The
body is ordinary Python and is executed again when a run is resumed, so it should do its work in steps.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from tidewheel.base.errors import InvalidInput, TidewheelError
from tidewheel.base.units import parse_duration

P = ParamSpec("P")
Result = TypeVar("Result")


class StepFailed(TidewheelError):
    """A step did not succeed, however often it was tried."""

    code = "step_failed"


class Submits(Protocol):
    """What a pipeline's body needs of the execution around it."""

    def submit(self, step: Step[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> StepHandle:
        """Begin a step as soon as what it needs is there."""

    def wait(self, handle: StepHandle) -> Any:
        """The result of a submitted step, when it is there."""


execution: ContextVar[Submits | None] = ContextVar("tidewheel_pipeline_execution", default=None)


class StepHandle:
    """The coming result of a step. Hand it to other steps, return it, or look at it with `result()`."""

    def __init__(self, key: str, owner: Submits) -> None:
        self.key = key
        self._owner = owner

    def result(self) -> Any:
        """Wait for the step and return what it returned.

        Raises:
            StepFailed: if it failed.
        """
        return self._owner.wait(self)

    def __repr__(self) -> str:
        return f"<result of step {self.key}>"


class Step(Generic[P, Result]):
    """A function that runs in a process of its own within a pipeline run."""

    def __init__(
        self, function: Callable[P, Result], *, cache: bool, retries: int, timeout: str | timedelta | None
    ) -> None:
        if retries < 0:
            raise InvalidInput(f"A step cannot be retried {retries} times.", fix="Use retries=0 or more.")
        self.function = function
        self.cache = cache
        self.retries = retries
        self.timeout_s = parse_duration(timeout).total_seconds() if timeout is not None else None
        self.name = function.__name__
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        around = execution.get()
        if around is None:
            return self.function(*args, **kwargs)
        inspect.signature(self.function).bind(*args, **kwargs)  # a wrong call is an error here, not in a process
        return around.submit(self, args, kwargs)


class Pipeline:
    """A function whose steps make a pipeline run. Called directly it just runs, steps and all, in this process."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = function.__name__
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @property
    def target(self) -> str:
        """``path/project.py:name``, which `Pipelines.start` takes."""
        return f"{inspect.getsourcefile(self.function)}:{self.name}"

    def check_params(self, params: dict[str, Any]) -> None:
        """Refuse params that the function does not take, or lacks."""
        try:
            inspect.signature(self.function).bind(**params)
        except TypeError as error:
            raise InvalidInput(
                f"The pipeline {self.name!r} cannot be run with {sorted(params)}: {error}.",
                fix=f"Its parameters are {self.name}{inspect.signature(self.function)}.",
            ) from None


@overload
def step(function: Callable[P, Result], /) -> Step[P, Result]: ...
@overload
def step(
    *, cache: bool = False, retries: int = 0, timeout: str | timedelta | None = None
) -> Callable[[Callable[P, Result]], Step[P, Result]]: ...
def step(
    function: Callable[P, Result] | None = None,
    /,
    *,
    cache: bool = False,
    retries: int = 0,
    timeout: str | timedelta | None = None,
) -> Step[P, Result] | Callable[[Callable[P, Result]], Step[P, Result]]:
    """Make a function a step of pipelines.

    Args:
        cache: take the result of an earlier run with the same code and inputs, if there is one.
        retries: how often to try again after a failure.
        timeout: stop an attempt after this long, as in ``"10m"``; that is a failure.
    """
    if function is not None:
        return Step(function, cache=cache, retries=retries, timeout=timeout)
    return lambda decorated: Step(decorated, cache=cache, retries=retries, timeout=timeout)


def pipeline(function: Callable[..., Any]) -> Pipeline:
    """Make a function a pipeline: `Pipelines.start("path/project.py:name")` runs it."""
    return Pipeline(function)
