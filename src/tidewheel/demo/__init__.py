"""The demonstrations: worlds whose truth is known, run through Tidewheel by its ordinary doors.

They are users of the platform like any other: nothing below this floor knows that they exist.
"""
