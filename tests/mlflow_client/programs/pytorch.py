"""PyTorch without Lightning, which autolog would need: a loop that logs for itself, and the model logged and loaded."""

import mlflow
import torch
from mlflow import MlflowClient

mlflow.pytorch.autolog()  # harmless here: it patches Lightning's Trainer and TensorBoard's writer, if they are there
torch.manual_seed(1)
torch.set_num_threads(1)
rows = torch.randn(100, 3)
label = rows.sum(dim=1, keepdim=True)
network = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
with mlflow.start_run() as run:
    mlflow.log_params({"lr": 0.1, "optimizer": "SGD"})
    for epoch in range(10):
        loss = torch.nn.functional.mse_loss(network(rows), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mlflow.log_metric("loss", loss.item(), step=epoch)
    mlflow.pytorch.log_state_dict(network.state_dict(), "state")
    logged = mlflow.pytorch.log_model(network, name="linear", input_example=rows[:2].numpy())
history = MlflowClient().get_metric_history(run.info.run_id, "loss")
assert [each.step for each in history] == list(range(10))
assert history[-1].value < history[0].value
loaded = mlflow.pytorch.load_model(logged.model_uri)
assert torch.allclose(loaded(rows), network(rows))
assert torch.allclose(torch.from_numpy(mlflow.pyfunc.load_model(logged.model_uri).predict(rows.numpy())), network(rows))
assert set(mlflow.pytorch.load_state_dict(f"runs:/{run.info.run_id}/state")) == {"weight", "bias"}
print("done")
