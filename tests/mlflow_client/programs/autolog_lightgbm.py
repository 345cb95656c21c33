"""`mlflow.lightgbm.autolog()`: training logs its params, metrics of every iteration, importances and the model."""

import lightgbm
import mlflow
import numpy as np
from mlflow import MlflowClient

mlflow.lightgbm.autolog()
rng = np.random.default_rng(1)
rows = rng.normal(size=(300, 4))
label = (rows[:, 0] > 0).astype(int)
train, valid = lightgbm.Dataset(rows[:200], label[:200]), lightgbm.Dataset(rows[200:], label[200:])
with mlflow.start_run() as active:
    booster = lightgbm.train(
        {"objective": "binary", "learning_rate": 0.2, "verbosity": -1, "num_threads": 1},
        train,
        num_boost_round=10,
        valid_sets=[valid],
        valid_names=["valid"],
    )
run = mlflow.get_run(active.info.run_id)
assert run.data.params["learning_rate"] == "0.2"
assert len(MlflowClient().get_metric_history(active.info.run_id, "valid-binary_logloss")) == 10
assert {each.path for each in MlflowClient().list_artifacts(active.info.run_id)} >= {
    "feature_importance_gain.json", "feature_importance_gain.png",
}  # fmt: skip
(model,) = mlflow.search_logged_models(output_format="list")
assert np.allclose(mlflow.pyfunc.load_model(model.model_uri).predict(rows), booster.predict(rows))
registered = mlflow.register_model(model.model_uri, "booster")
assert np.allclose(
    mlflow.lightgbm.load_model(f"models:/booster/{registered.version}").predict(rows), booster.predict(rows)
)
print("done")
