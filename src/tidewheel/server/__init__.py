"""Floor 7: the control plane. One FastAPI application over an open platform: the verbs' HTTP door, the page, health.

Verbs: `app.build(platform)`; `doors.routes_of(Room, pick)`, which turns a room's doors into routes;
`pages.live.live_view(platform)`. Owns no tables and emits no events: a verb called over HTTP emits its own, in the
caller's name. `routes/` holds one file per room, found by discovery; `pages/` is what a person sees.
"""
