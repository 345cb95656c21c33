"""Sends missing values in an ONNX graph down the branches that scikit-learn's trees send them.

skl2onnx (1.20) writes for the nodes of decision trees and forests that NaN goes right, wherever the tree sends it. The
trees say where (`missing_go_to_left`), and nodes carry the tree's own numbers, so this is put right here. Where the
graph is not as expected it is left alone: the comparison of answers then tells.
"""

from __future__ import annotations

from typing import Any


def send_gaps(proto: Any, estimator: Any) -> None:
    """Correct `nodes_missing_value_tracks_true` of a graph made from a tree or forest, or a pipeline that ends so."""
    trees = _trees(estimator)
    ensembles = [node for node in proto.graph.node if node.op_type.startswith("TreeEnsemble")]
    if not trees or len(ensembles) != 1:
        return
    attributes = {attribute.name: attribute for attribute in ensembles[0].attribute}
    places = list(zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True))
    lefts = [tree.__getstate__()["nodes"]["missing_go_to_left"] for tree in trees]
    if any(tree >= len(lefts) or node >= len(lefts[tree]) for tree, node in places):
        return
    tracks = attributes["nodes_missing_value_tracks_true"].ints
    del tracks[:]
    tracks.extend(int(lefts[tree][node]) for tree, node in places)


def _trees(estimator: Any) -> list[Any]:
    """The trees of the last step, as scikit-learn's `Tree`; none if it is no tree and no forest of such."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    grown = last.estimators_ if isinstance(getattr(last, "estimators_", None), list) else [last]
    return [each.tree_ for each in grown] if all(hasattr(each, "tree_") for each in grown) else []
