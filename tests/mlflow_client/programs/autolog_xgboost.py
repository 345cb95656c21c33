"""`mlflow.xgboost.autolog()`: the native API and the scikit-learn one."""

import mlflow
import numpy as np
import xgboost
from mlflow import MlflowClient

mlflow.xgboost.autolog()
rng = np.random.default_rng(1)
rows = rng.normal(size=(300, 4))
label = (rows[:, 0] > 0).astype(int)
with mlflow.start_run() as native:
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "nthread": 1},
        xgboost.DMatrix(rows, label),
        num_boost_round=8,
        evals=[(xgboost.DMatrix(rows, label), "train")],
        verbose_eval=False,
    )
run = mlflow.get_run(native.info.run_id)
assert run.data.params["max_depth"] == "3"
assert len(MlflowClient().get_metric_history(native.info.run_id, "train-logloss")) == 8
(model,) = mlflow.search_logged_models(output_format="list")
wanted = booster.predict(xgboost.DMatrix(rows))
assert np.allclose(mlflow.pyfunc.load_model(model.model_uri).predict(rows), wanted)
with mlflow.start_run() as classified:
    xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(rows, label)
assert mlflow.get_run(classified.info.run_id).data.params["num_boost_round"] == "5"
print("done")
