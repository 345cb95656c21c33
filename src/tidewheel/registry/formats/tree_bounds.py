"""Whether the trees within a loaded estimator stay inside their own arrays.

scikit-learn walks trees in compiled code that checks nothing: a damaged or crafted file whose node names a child or a
feature that is not there would read foreign memory, or turn in a circle for ever. skops therefore does not trust trees;
`skops_estimator` does, after this. Pure; called once a load.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tidewheel.base.errors import Corrupt

TYPES = ("sklearn.tree._tree.Tree", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")
_SHARED_ROWS = ("sklearn.ensemble._forest", "sklearn.ensemble._gb")
_DEEPEST = 60


def check_trees(model: Any) -> None:
    """Refuse an estimator with a tree that leaves its bounds.

    Raises:
        Corrupt: if one does, or is kept where no estimator owns it.
    """
    _visit(model, owner=None, ensemble=None, seen=set(), depth=0)


def _visit(thing: Any, owner: Any, ensemble: Any, seen: set[int], depth: int) -> None:
    """Look at an object and all that it holds. `owner` is the estimator that holds it, `ensemble` that around it."""
    if isinstance(thing, str | bytes | int | float | type(None)) or id(thing) in seen:
        return
    if depth > _DEEPEST:
        raise Corrupt("The estimator is nested too deeply.", fix="Register it again.")
    seen.add(id(thing))
    kind = f"{type(thing).__module__}.{type(thing).__qualname__}"
    if kind == TYPES[0]:
        _check_tree(thing, owner, ensemble)
    elif kind == TYPES[1]:
        _check_predictor(thing, owner)
    else:
        inner = (thing, owner) if hasattr(thing, "n_features_in_") else (owner, ensemble)
        for each in _held(thing):
            _visit(each, *inner, seen, depth + 1)


def _held(thing: Any) -> Iterable[Any]:
    if isinstance(thing, dict):
        return thing.values()
    if isinstance(thing, list | tuple | set) or (isinstance(thing, np.ndarray) and thing.dtype == object):
        return list(thing.flat) if isinstance(thing, np.ndarray) else thing
    return vars(thing).values() if hasattr(thing, "__dict__") else ()


def _check_tree(tree: Any, owner: Any, ensemble: Any) -> None:
    if owner is None or not 0 < tree.node_count <= tree.capacity:
        raise _out_of_bounds()
    width = min(owner.n_features_in_, tree.n_features)
    if type(ensemble).__module__ in _SHARED_ROWS:  # it hands its own rows to the trees without another look
        width = min(width, ensemble.n_features_in_)
    _check_nodes(tree.children_left, tree.children_right, tree.feature, tree.children_left == -1, width)


def _check_predictor(predictor: Any, owner: Any) -> None:
    nodes = predictor.nodes
    if owner is None or nodes.ndim != 1 or not len(nodes) or nodes["is_categorical"].any():
        raise _out_of_bounds()
    leaf = nodes["is_leaf"].astype(bool)
    _check_nodes(nodes["left"], nodes["right"], nodes["feature_idx"], leaf, owner.n_features_in_)


def _check_nodes(left: Any, right: Any, feature: Any, leaf: Any, width: int) -> None:
    """Each node that is no leaf has both children after itself, and a feature that there is."""
    inner = np.flatnonzero(~leaf)
    for children in (left, right):
        found = children[inner].astype(np.int64)
        if (found <= inner).any() or (found >= len(leaf)).any():
            raise _out_of_bounds()
    features = feature[inner].astype(np.int64)
    if (features < 0).any() or (features >= width).any():
        raise _out_of_bounds()


def _out_of_bounds() -> Corrupt:
    return Corrupt("A tree of the estimator leaves its own bounds.", fix="Register the model again.")
