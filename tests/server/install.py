"""Makes things in a real platform, as short as a test wants them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tidewheel.app import Platform
from tidewheel.loop import Turn, TurnState, store
from tidewheel.loop.records import LoopRecord
from tidewheel.registry import ModelVersion, Signature

STUMP = """Tree=0
num_leaves=2
num_cat=0
split_feature=0
split_gain=11.5
threshold=24.5
decision_type=2
left_child=-1
right_child=-2
leaf_value=0.4 0.5
leaf_weight=25 25
leaf_count=25 25
internal_value=0.45
internal_weight=50
internal_count=50
is_linear=0
shrinkage=1


"""
BOOSTER = f"""tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=regression
feature_names=wait_1h requests_15m
feature_infos=[0:49] [0:9]
tree_sizes={len(STUMP)}

{STUMP}end of trees
"""


def register(platform: Platform, folder: Path, name: str = "surge") -> ModelVersion:
    """A version of a model: a LightGBM booster of one stump."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.txt").write_text(f"{BOOSTER}\n# {name}\n")
    signature = Signature.of(["wait_1h", "requests_15m"], ["p_accept"])
    return platform.registry.register(name, format="lightgbm", folder=folder, signature=signature, metrics={"auc": 0.7})


def declare_loop(platform: Platform, name: str = "surge", *, champion: str | None = None) -> LoopRecord:
    """A loop as a project file would have declared it."""
    now = platform.clock.now()
    record = LoopRecord(
        name=name,
        endpoint=name,
        target="/project.py:fit",
        paused=False,
        spec={},
        champion=champion,
        trained_at=now if champion else None,
        declared_at=now,
    )
    platform.serving.create_endpoint(name)
    with platform.metadata.change() as change:
        store.put_loop(change, record)
        change.emit("loop.loop.declared", f"loop:{name}")
    return record


def begin_turn(platform: Platform, state: TurnState, *, loop: str = "surge", candidate: str | None = None) -> Turn:
    """A turn of a loop, in a state."""
    now = platform.clock.now()
    turn = Turn(
        id="turn_1",
        loop=loop,
        state=state,
        reason="Log loss rose from 0.48 to 0.61.",
        alerts=(),
        cause=None,
        change_at=now - timedelta(hours=1),
        started_at=now,
        updated_at=now,
        candidate=candidate,
    )
    with platform.metadata.change(actor=f"loop:{loop}") as change:
        store.insert_turn(change, turn)
        change.emit("loop.turn.started", f"turn:{turn.id}", {"loop": loop, "reason": turn.reason})
    return turn
