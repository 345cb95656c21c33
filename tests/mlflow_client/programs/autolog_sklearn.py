"""`mlflow.sklearn.autolog()`: a plain fit and a grid search log themselves."""

import mlflow
import numpy as np
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

mlflow.sklearn.autolog(log_input_examples=True)
rng = np.random.default_rng(1)
rows = rng.normal(size=(200, 4))
label = (rows[:, 0] > 0).astype(int)

with mlflow.start_run() as plain:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(rows, label)
    pipeline.score(rows, label)
run = mlflow.get_run(plain.info.run_id)
assert run.data.params["logisticregression__C"] == "0.5"
assert run.data.metrics["training_accuracy_score"] > 0.9
assert run.data.tags["estimator_class"] == "sklearn.pipeline.Pipeline"
assert len(run.inputs.dataset_inputs) >= 1
models = mlflow.search_logged_models(output_format="list")
assert len(models) == 1
assert (mlflow.sklearn.load_model(models[0].model_uri).predict(rows) == pipeline.predict(rows)).all()
assert "training_confusion_matrix.png" in {each.path for each in MlflowClient().list_artifacts(plain.info.run_id)}

with mlflow.start_run() as search:
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=3).fit(rows, label)
assert "best_C" in mlflow.get_run(search.info.run_id).data.params
children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{search.info.run_id}'", output_format="list")
assert sorted(child.data.params["C"] for child in children) == ["0.1", "1.0", "10.0"]
print("done")
