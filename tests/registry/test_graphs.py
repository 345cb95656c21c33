"""Several models are one model: logged, pinned, answered node by node, and refused in words where they do not fit."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

import tidewheel as tw
from tidewheel.base.errors import Corrupt, InvalidInput, NotAllowed, NotFound, TidewheelError
from tidewheel.base.hashing import hash_file
from tidewheel.registry.formats import open_format, save_model
from tidewheel.registry.graphs.description import Description
from tidewheel.registry.graphs.predictor import GraphPredictor
from tidewheel.storage.journal import read_entries

lightgbm = pytest.importorskip("lightgbm")
INPUTS = ["a", "b", "c", "d"]


def booster(rides, **more):
    rows, labels = rides
    asked = {"objective": "binary", "verbose": -1, "num_threads": 1, **more}
    return lightgbm.train(asked, lightgbm.Dataset(rows, labels), 5)


def logistic(rows, labels):
    pytest.importorskip("skops")
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(rows, labels)


def ensemble(trees, line, **more):
    return tw.Graph(
        inputs=INPUTS,
        nodes={
            "whole": tw.nodes.Impute(INPUTS, values=[0.0] * 4),
            "scaled": tw.nodes.Standardize("whole", mean=np.zeros(4), scale=[1, 2, 1, 2]),
            "trees": tw.nodes.Model(trees, of=INPUTS),
            "line": tw.nodes.Model(line, of="scaled"),
            "both": tw.nodes.Mean(["trees", "line"], weights=[0.7, 0.3]),
        },
        output="both",
        **more,
    )


def arithmetic(node, *, inputs=INPUTS, **others):
    """A graph of nodes without members, as one reads it from a file."""
    return GraphPredictor(Description(tuple(inputs), "answer", {**others, "answer": node}), {})


def test_a_logged_graph_answers_as_its_parts_would_by_hand(registry, rides):
    rows, labels = rides
    trees, line = booster(rides), logistic(np.nan_to_num(rows) / [1, 2, 1, 2], labels)
    version = tw.log_model(ensemble(trees, line), "surge", outputs=["p"])
    by_hand = 0.7 * trees.predict(rows) + 0.3 * line.predict_proba(np.nan_to_num(rows) / [1, 2, 1, 2])[:, 1]
    np.testing.assert_allclose(registry.load(version.id).predict(rows)[:, 0], by_hand, rtol=1e-12)
    assert (version.format, version.executes_code, version.trusted_by) == ("graph", False, None)
    assert version.signature.input_names == tuple(INPUTS)
    assert {"graph.json", "members/trees/model.txt", "members/line/model.skops"} == set(version.files)


def test_a_graph_answers_in_a_process_of_its_own_as_here(registry, rides):
    version = tw.log_model(ensemble(booster(rides), booster(rides, max_depth=2)), "surge")
    answers = registry.answers(version.id, rides[0][:50])
    np.testing.assert_array_equal(answers.outputs[0], registry.load(version.id).predict(rides[0][:50]))


def test_a_member_by_address_stays_the_version_that_it_was_and_is_lineage(registry, metadata, blobs, rides):
    first = tw.log_model(booster(rides), "trees", inputs=INPUTS)
    registry.promote(first.id, "champion")
    version = tw.log_model(ensemble("models:/trees@champion", first.id), "surge")
    before = registry.load(version.id).predict(rides[0])
    second = tw.log_model(booster(rides, max_depth=1), "trees", inputs=INPUTS)
    registry.promote(second.id, "champion")
    np.testing.assert_array_equal(registry.load(version.id).predict(rides[0]), before)
    member = json.loads(blobs.get(version.files["graph.json"]))["nodes"]["trees"]
    assert (member["version"], member["address"], member["files"]) == (first.id, "models:/trees@champion", first.files)
    with metadata.read() as connection:
        [told] = read_entries(connection, subject=version.node)
    assert first.node in told.inputs


def test_models_stack_upon_models_and_graphs_upon_graphs(rides, tmp_path):
    trees, shallow = booster(rides), booster(rides, max_depth=1)
    below = tw.Graph(["x", "y"], {"p": tw.nodes.Columns(["x", "y"], places=[1, 0])}, output="p")
    graph = tw.Graph(
        inputs=INPUTS,
        nodes={
            "trees": tw.nodes.Model(trees, of=INPUTS),
            "shallow": tw.nodes.Model(shallow, of=INPUTS),
            "above": tw.nodes.Model(below, of=["trees", "shallow"]),
        },
        output="above",
    )
    answers = loaded(graph, tmp_path).predict(rides[0])
    np.testing.assert_array_equal(answers, np.column_stack([shallow.predict(rides[0]), trees.predict(rides[0])]))


def loaded(graph, folder, trust=False):
    return save_model(graph, folder, trust=trust).load(folder)


def test_a_function_makes_the_graph_need_trust_and_only_then_it_answers(registry, rides):
    graph = ensemble(booster(rides), lambda rows: 1.0 / (1.0 + np.exp(-rows[:, 0])))
    with pytest.raises(InvalidInput, match=r"node 'line' is kept as python, which runs code.*trust=True"):
        tw.log_model(graph, "surge")
    version = tw.log_model(graph, "surge", trust=True)
    assert (version.format, version.executes_code) == ("code_graph", True)
    assert registry.load(version.id).predict(rides[0]).shape == (800, 1)


def test_a_version_that_nobody_vouched_for_joins_no_graph(registry, rides, tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"")
    with pytest.raises(NotAllowed):
        registry.register("odd", format="python", folder=tmp_path, signature=tw.registry.Signature.of(INPUTS, ["p"]))
    with pytest.raises(NotFound, match="ver_none"):
        tw.log_model(ensemble(booster(rides), "ver_none"), "surge")
    with pytest.raises(InvalidInput, match="no address of a version"):
        tw.log_model(ensemble(booster(rides), "trees"), "surge")


def test_a_graph_said_to_be_free_of_code_loads_no_member_that_runs_some(tmp_path):
    graph = tw.Graph(["a"], {"f": tw.nodes.Model(lambda rows: rows, of="a")}, output="f")
    save_model(graph, tmp_path, trust=True)
    assert open_format("code_graph").load(tmp_path).predict(np.ones((2, 1))).tolist() == [[1.0], [1.0]]
    with pytest.raises(Corrupt, match="'f' is a python model, which runs code, in a graph that is said to run none"):
        open_format("graph").load(tmp_path)


@pytest.mark.parametrize(
    ("nodes", "output", "said"),
    [
        ({"p": tw.nodes.Sigmoid("q"), "q": tw.nodes.Sigmoid("p")}, "p", "wait for each other in a circle"),
        ({"p": tw.nodes.Sigmoid("p")}, "p", "wait for each other in a circle"),
        ({"p": tw.nodes.Sigmoid("z")}, "p", "takes 'z', which is neither an input nor a node"),
        ({"p": tw.nodes.Sigmoid("a")}, "z", "output 'z' is no node"),
        ({"p": tw.nodes.Sigmoid("a"), "q": tw.nodes.Sigmoid("a")}, "p", "Nothing takes the node 'q'"),
        ({"a": tw.nodes.Sigmoid("b")}, "a", "names an input and a node"),
        ({"../p": tw.nodes.Sigmoid("b")}, "../p", "cannot name a node"),
        ({"p": tw.nodes.Sigmoid([])}, "p", "takes nothing"),
        ({"p": np.mean}, "p", "is a .*, and not a node"),
    ],
)
def test_nodes_that_do_not_hang_together_are_refused_in_words(nodes, output, said):
    with pytest.raises(InvalidInput, match=said):
        tw.Graph(["a", "b"], nodes, output=output)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (tw.nodes.Columns(["a", "b"], places=[0, 2]), "node 'p': It selects column 2 of 2"),
        (tw.nodes.Impute(["a", "b"], values=[0.0]), "values has 1 constants, and there are 2 columns"),
        (tw.nodes.Median(["both", "a"]), "give 2, 1 columns, and they must give equally many"),
        (tw.nodes.Model(lambda rows: rows[:1, 0].tolist() * 3, of="a"), "answered 1 rows with an array of shape"),
    ],
)
def test_widths_that_do_not_fit_are_refused_when_the_graph_is_packaged(node, said, tmp_path):
    both = tw.nodes.Columns(["a", "b"], places=[0, 1])
    others = {"both": both} if "both" in node.of else {}
    with pytest.raises(InvalidInput, match=said):
        save_model(tw.Graph(["a", "b"], {**others, "p": node}, output="p"), tmp_path, trust=True)


def test_a_model_given_too_few_columns_is_refused_with_the_name_of_its_node(rides, tmp_path):
    with pytest.raises(InvalidInput, match="node 'p': The model takes rows of 4 features"):
        save_model(tw.Graph(["a"], {"p": tw.nodes.Model(booster(rides), of="a")}, output="p"), tmp_path, trust=False)


def test_features_in_another_order_than_the_graph_takes_them_are_refused(registry, rides):
    with pytest.raises(InvalidInput, match="Write the graph over the features"):
        tw.log_model(ensemble(booster(rides), booster(rides)), "surge", inputs=["b", "a", "c", "d"])


def test_constants_that_make_no_sense_are_refused():
    for make in (
        lambda: tw.nodes.Standardize("a", mean=[0], scale=[0]),
        lambda: tw.nodes.Rescale("a", low=[1], high=[1]),
        lambda: tw.nodes.Clip("a", low=2, high=1),
        lambda: tw.nodes.Clip("a"),
        lambda: tw.nodes.Impute("a", values=[np.nan]),
        lambda: tw.nodes.Mean(["a", "b"], weights=[1]),
        lambda: tw.nodes.Mean(["a", "b"], weights=[0, 0]),
        lambda: tw.nodes.Columns("a", places=[-1]),
    ):
        with pytest.raises(InvalidInput):
            make()


TABLES = arrays(np.float64, st.tuples(st.integers(1, 5), st.just(4)), elements=st.floats(-50, 50))


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_each_node_is_the_arithmetic_that_it_says(rows):
    columns = list(rows.T)
    for node, expected in (
        (tw.nodes.Columns(INPUTS, places=[2, 0]), rows[:, [2, 0]]),
        (tw.nodes.Standardize(INPUTS, mean=[1, 2, 3, 4], scale=[2, 2, 2, 4]), (rows - [1, 2, 3, 4]) / [2, 2, 2, 4]),
        (tw.nodes.Rescale(["a", "b"], low=[0, -1], high=[2, 1]), (rows[:, :2] - [0, -1]) / 2),
        (tw.nodes.Clip(INPUTS, low=-1), np.maximum(rows, -1)),
        (tw.nodes.Threshold("a", at=3), (rows[:, :1] >= 3).astype(float)),
        (tw.nodes.Mean(INPUTS), np.mean(columns, axis=0)[:, None]),
        (tw.nodes.Mean(["a", "b"], weights=[1, 3]), np.average(columns[:2], axis=0, weights=[1, 3])[:, None]),
        (tw.nodes.Median(["a", "b", "c"]), np.median(columns[:3], axis=0)[:, None]),
        (tw.nodes.Sigmoid("a"), 1 / (1 + np.exp(-rows[:, :1]))),
        (tw.nodes.Softmax(INPUTS), np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)),
    ):
        np.testing.assert_allclose(arithmetic(node).predict(rows), expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (6, 4), elements=st.sampled_from([0.0, 1.0, 2.0, np.nan])))
def test_a_vote_elects_the_label_named_most_and_the_lowest_of_equals(rows):
    elected = arithmetic(tw.nodes.Vote(INPUTS)).predict(rows)[:, 0]
    for row, label in zip(rows, elected, strict=True):
        if np.isnan(row).any():
            assert np.isnan(label)
        else:
            assert label == min(set(row), key=lambda each: (-list(row).count(each), each))


def test_members_with_a_column_for_each_class_vote_for_the_largest():
    pairs = {"p": tw.nodes.Columns(["a", "b"], places=[0, 1]), "q": tw.nodes.Columns(["c", "d"], places=[0, 1])}
    voting = arithmetic(tw.nodes.Vote(["p", "q", "p"]), **pairs)
    assert voting.predict(np.array([[0.1, 0.9, 0.8, 0.2], [0.7, 0.3, 0.1, 0.9]])).tolist() == [[1.0], [0.0]]


def test_missing_values_stay_missing_but_where_they_are_imputed():
    gap = np.array([[np.nan, 1.0, 2.0, 3.0]])
    for node in (tw.nodes.Threshold("a"), tw.nodes.Mean(INPUTS), tw.nodes.Median(INPUTS), tw.nodes.Clip("a", low=0)):
        assert np.isnan(arithmetic(node).predict(gap)).all()
    assert arithmetic(tw.nodes.Impute(INPUTS, values=[9, 9, 9, 9])).predict(gap).tolist() == [[9.0, 1.0, 2.0, 3.0]]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_graph_is_corrupt_or_answers_and_never_crashes(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("graph")
    graph = tw.Graph(
        ["a", "b"],
        {"s": tw.nodes.Standardize("a", mean=[1], scale=[2]), "p": tw.nodes.Mean(["s", "b"], weights=[1, 2])},
        output="p",
    )
    save_model(graph, folder, trust=False)
    file = folder / "graph.json"
    text = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(text)
    try:
        open_format("graph").load(folder).predict(np.ones((2, 2)))
    except TidewheelError:
        return


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"outputs": 1', '"outputs": 2'),
        ('"format": "lightgbm"', '"format": "pickle"'),
        ('"p"', '"q"'),
        ("[", "[" * 9999),
    ],
)
def test_a_graph_that_says_what_is_not_so_is_refused(rides, tmp_path, was, becomes):
    graph = tw.Graph(INPUTS, {"p": tw.nodes.Model(booster(rides), of=INPUTS)}, output="p")
    save_model(graph, tmp_path, trust=False)
    file = tmp_path / "graph.json"
    file.write_text(file.read_text().replace(was, becomes, 1))
    with pytest.raises(TidewheelError):
        open_format("graph").load(tmp_path).predict(rides[0])


def test_a_graph_whose_columns_double_without_end_is_corrupt_before_it_fills_the_memory(tmp_path):
    nodes = {
        f"n{place}": {"node": "clip", "of": [f"n{place - 1}"] * 2 if place else ["a"], "low": 0, "high": None}
        for place in range(40)
    }
    (tmp_path / "graph.json").write_text(json.dumps({"inputs": ["a"], "output": "n39", "nodes": nodes}))
    with pytest.raises(Corrupt, match="columns, over 65536"):
        open_format("graph").load(tmp_path)


def test_graphs_within_graphs_without_end_are_corrupt(tmp_path):
    folder, member = tmp_path, {"node": "model", "of": ["a"], "format": "graph", "files": {}, "outputs": 1}
    for _ in range(300):
        (folder / "graph.json").write_text(json.dumps({"inputs": ["a"], "output": "m", "nodes": {"m": member}}))
        folder = folder / "members" / "m"
        folder.mkdir(parents=True)
    with pytest.raises(Corrupt):
        open_format("graph").load(tmp_path)


def test_a_member_whose_file_is_not_the_one_that_was_kept_is_corrupt(rides, tmp_path):
    graph = tw.Graph(INPUTS, {"p": tw.nodes.Model(booster(rides), of=INPUTS)}, output="p")
    save_model(graph, tmp_path, trust=False)
    file = tmp_path / "members/p/model.txt"
    before = hash_file(file)
    file.write_bytes(file.read_bytes()[:-1])
    assert hash_file(file) != before
    with pytest.raises(Corrupt, match="BLAKE3 differs"):
        open_format("graph").load(tmp_path)


def test_loading_a_graph_needs_neither_a_database_library_nor_what_trained_its_members(rides, tmp_path):
    graph = tw.Graph(INPUTS, {"p": tw.nodes.Model(booster(rides), of=INPUTS)}, output="p")
    save_model(graph, tmp_path, trust=False)
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from tidewheel.registry.formats import open_format\n"
        "open_format('graph').load(Path(sys.argv[1])).predict(np.zeros((1, 4)))\n"
        "assert not {'lightgbm', 'sklearn', 'sqlalchemy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
