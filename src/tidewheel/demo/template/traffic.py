"""Sends orders to the endpoint, and the truth about them a little later. Standard library and httpx only.

    python traffic.py [--shift] [--seconds 120] [--per-second 60]

`--shift`: couriers switch from bicycles to vans: distance no longer matters, many items do.
"""

import argparse
import json
import math
import os
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx

DEPOTS = ("north", "south", "harbour")


def late_chance(order, shifted):
    """The truth that the model has to find out."""
    score = -2.2 + 0.12 * order["items"] + 0.25 * order["distance_km"]
    if shifted:
        score = -2.6 + 0.55 * order["items"] + 0.02 * order["distance_km"]
    return 1 / (1 + math.exp(-score))


def make_order(chance):
    """One order as it comes in."""
    return {
        "depot": chance.choice(DEPOTS),
        "distance_km": round(chance.uniform(0.5, 12), 2),
        "items": float(chance.randint(1, 8)),
        "hour": round(chance.uniform(8, 22), 2),
    }


def ask(http, number, order):
    """Ask for the chance that an order will be late."""
    names = ("distance_km", "items", "hour")
    inputs = [{"name": "depot", "datatype": "BYTES", "shape": [1], "data": [order["depot"]]}]
    inputs += [{"name": name, "datatype": "FP64", "shape": [1], "data": [order[name]]} for name in names]
    answer = http.post("/v2/models/delivery/infer", json={"id": number, "inputs": inputs})
    answer.raise_for_status()
    return answer.json()["outputs"][0]["data"][0]


def main():
    """Send orders until the time is up."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--shift", action="store_true")
    arguments.add_argument("--seconds", type=float, default=120)
    arguments.add_argument("--per-second", type=float, default=60)
    arguments.add_argument("--home", default=os.environ.get("TIDEWHEEL_HOME", ".tidewheel"))
    given = arguments.parse_args()
    addresses = json.loads((Path(given.home) / "up.json").read_text())
    chance, known, begun, sent = random.Random(), [], time.monotonic(), 0
    with (
        httpx.Client(base_url=addresses["inference"]) as http,
        httpx.Client(base_url=addresses["control_plane"]) as api,
    ):
        while time.monotonic() < begun + given.seconds:
            order, number = make_order(chance), f"order-{os.getpid()}-{sent}"
            ordered_at = datetime.now(UTC)
            guess = ask(http, number, order)
            late = float(chance.random() < late_chance(order, given.shift))
            known.append({**order, "order_id": number, "late": late, "ordered_at": ordered_at.isoformat()})
            sent += 1
            if len(known) >= given.per_second:
                now = datetime.now(UTC).isoformat()
                labels = [{"id": each["order_id"], "values": {"late": each["late"]}} for each in known]
                http.post("/api/v1/serving/labels", json={"labels": labels}).raise_for_status()
                rows = [{**each, "delivered_at": now} for each in known]
                api.post("/api/v1/data/datasets/deliveries/rows", json={"rows": rows}).raise_for_status()
                share = sum(each["late"] for each in known) / len(known)
                print(f"{sent:6d} orders, {share:4.0%} late, last guess {guess:.2f}", flush=True)
                known = []
            time.sleep(max(0.0, begun + sent / given.per_second - time.monotonic()))


if __name__ == "__main__":
    try:
        main()
    except (FileNotFoundError, httpx.TransportError):
        sys.exit("Nothing answers here: start `tidewheel up project.py` in another terminal, and run this beside it.")
    except httpx.HTTPStatusError as refused:
        sys.exit(f"{refused.request.url} refused: {refused.response.text}")
    except KeyboardInterrupt:
        sys.exit(130)
