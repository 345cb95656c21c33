"""A simulated ride-hailing market, and the surge model that prices it.

The world (`world.World`) knows what riders would pay; the model (`pricing`) never sees it. Every module here but
`pricing` is pure numpy and the standard library: seeded, without I/O, so a story told by it can be told again.
"""
