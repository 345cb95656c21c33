"""`tidewheel demo`: the market's story on a fresh install, with a live view, and a summary at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console

from tidewheel.base.settings import Settings
from tidewheel.demo.http import Connections
from tidewheel.demo.install import Install, fresh_install
from tidewheel.demo.live import as_typed, follow
from tidewheel.demo.market.scales import FAST, NORMAL
from tidewheel.demo.market.story import PROJECT, Story, Told
from tidewheel.demo.market.summary import Summary, print_summary, summarise
from tidewheel.demo.market.transport import HttpTransport
from tidewheel.demo.market.view import MarketView
from tidewheel.demo.market.world import STARTS_AT
from tidewheel.demo.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOptions:
    """What `tidewheel demo` was asked for. `settings` carry ports and workers."""

    home: Path
    settings: Settings
    fast: bool = False
    shift: bool = True
    seed: int = 7
    browser: bool = True
    keep: bool = False
    as_json: bool = False


def run_market(options: MarketOptions, console: Console) -> Summary:
    """Tell the story; returns its summary. With `keep`, goes on serving until ^C."""
    began = time.monotonic()
    with fresh_install(options.home, PROJECT, STARTS_AT, options.settings) as install:
        for sentence in install.supervisor.moved_ports:
            console.print(f"[yellow]{sentence}[/]")
        if not options.as_json:
            console.print(f"The live page: {install.addresses.control_plane}", highlight=False)
        if options.browser:
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(install.addresses.control_plane)
        summary = uvloop.run(_tell(options, install, console, began))
        if options.as_json:
            print(json.dumps(summary.to_dict(), default=str, indent=2))
        if options.keep:
            console.print(f"\nIt goes on running at {install.addresses.control_plane}; ^C ends it.")
            install.supervisor.run()
    return summary


async def _tell(options: MarketOptions, install: Install, console: Console, began: float) -> Summary:
    connections = Connections(install.addresses.inference)
    transport = HttpTransport(connections, install.platform)
    scale = FAST if options.fast else NORMAL
    story = Story(install.platform, transport, install.clock, seed=options.seed, scale=scale, shift=options.shift)
    timeline = Timeline(install.platform.metadata)
    view = MarketView(story, install.platform, install.addresses, connections.tally, timeline)
    telling = asyncio.create_task(story.tell())
    try:
        await follow(telling, view.render, install, timeline, console, quiet=options.as_json)
        told: Told = await telling
    finally:
        telling.cancel()
        await connections.close()
    summary = summarise(install.platform, told, connections.tally, timeline, time.monotonic() - began)
    if not options.as_json:
        print_summary(console, summary, timeline, as_typed(options.home))
    return summary
