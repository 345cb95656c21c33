"""`tidewheel demo flights`: the loop on real data, the flights out of New York in 2013 replayed in event time.

Verbs: `load_year` reads the data, `model.fit` and `model.predict_late` are the recipe, `project.py` declares the loop
as its owner would, `Replay.run` tells the year to a platform, `scoring` judges by month, `run_flights` does all of it.
Owns no tables of the platform's and emits no events: it is an ordinary user of what lies below.
"""
