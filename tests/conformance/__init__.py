"""MLflow's own tests, pointed at a Tidewheel server. None is kept here: a checkout of MLflow is given by its path."""
