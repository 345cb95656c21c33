"""Floor 0: what every room stands on and none of it does I/O of its own beyond the clock file.

ids, clock, settings, errors, units, hashing, ambient (which platform is open), doors (a verb's HTTP address).
Owns no tables, emits no events, reads none. Must never import another room.
"""
