"""Project files become modules; what is wrong with one is said with its own line."""

import pytest

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.pipelines.project import find_pipeline, imported_names, load_project, project_module


def test_a_project_may_have_modules_beside_it(tmp_path):
    (tmp_path / "rates_of_this_test.py").write_text("RATE = 3\n")
    file = tmp_path / "project.py"
    file.write_text("from rates_of_this_test import RATE\n")
    assert load_project(file).RATE == 3


def test_a_project_is_loaded_once_until_a_file_of_it_changes(tmp_path):
    (tmp_path / "helper_of_this_test.py").write_text("RATE = 3\n")
    file = tmp_path / "project.py"
    file.write_text("from helper_of_this_test import RATE\n")
    first = project_module(file)
    assert project_module(file) is first
    (tmp_path / "helper_of_this_test.py").write_text("RATE = 40\n")
    assert project_module(file).RATE == 40
    assert load_project(file) is project_module(file) is not first


def test_two_projects_of_one_name_do_not_meet(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "project.py").write_text(f"NAME = {name!r}\n")
    modules = [load_project(tmp_path / name / "project.py") for name in ("a", "b")]
    assert [module.NAME for module in modules] == ["a", "b"]


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="no project file"):
        load_project(tmp_path / "none.py")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ny = x / 0\n", r"ZeroDivisionError: division by zero \[project.py:2"),
        ("def f(:\n", r"SyntaxError.*\[project.py:1"),
        ("import no_such_module_here\n", r"ModuleNotFoundError.*\[project.py:1"),
    ],
)
def test_a_project_that_fails_says_at_which_line(tmp_path, source, message):
    file = tmp_path / "project.py"
    file.write_text(source)
    with pytest.raises(InvalidInput, match=message):
        load_project(file)


def test_a_pipeline_that_is_not_there_comes_with_those_that_are(tmp_path):
    file = tmp_path / "project.py"
    file.write_text("import tidewheel.pipelines as tw\n@tw.pipeline\ndef fit_surge():\n    pass\nx = 3\n")
    found = find_pipeline(f"{file}:fit_surge")
    assert (found.name, found.target) == ("fit_surge", f"{file}:fit_surge")
    with pytest.raises(NotFound, match="It has: fit_surge"):
        find_pipeline(f"{file}:fit")
    with pytest.raises(InvalidInput, match="is a int and not a pipeline"):
        find_pipeline(f"{file}:x")


def test_imports_within_functions_are_found_for_preloading(tmp_path):
    file = tmp_path / "project.py"
    file.write_text("import os.path\ndef train():\n    import lightgbm as lgb\n    from json import loads\n")
    assert imported_names(file) == {"os.path", "lightgbm", "json"}


def test_a_project_that_exits_is_one_that_fails(tmp_path):
    file = tmp_path / "project.py"
    file.write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(InvalidInput, match="SystemExit"):
        load_project(file)


def test_a_library_that_is_missing_is_told_with_what_brings_it(tmp_path):
    project = tmp_path / "project.py"
    project.write_text('raise ModuleNotFoundError("No module named \'lightgbm\'", name="lightgbm")\n')
    with pytest.raises(InvalidInput, match=r"No module named .lightgbm. \[project\.py:1") as refused:
        load_project(project)
    assert "pip install -e '.[lightgbm]'" in refused.value.fix
    project.write_text("import no_such_library_at_all\n")
    with pytest.raises(InvalidInput) as refused:
        load_project(project)
    assert "'no_such_library_at_all'" in refused.value.fix
