"""Train a small network on the handwritten digits, save it, and load it again."""

import tempfile
from pathlib import Path

import fastmlp

digits = fastmlp.load_data("digits")
config = fastmlp.Config(hidden=(64,), activation="relu", optimizer="adam", learning_rate=0.003, n_epochs=15)
run = fastmlp.train(digits, config)

for row in run.history:
    print(f"epoch {row['epoch']:2}  loss {row['train_loss']:.4f}  test accuracy {row['test_accuracy']:.4f}")
print(f"accuracy of always predicting the most frequent class: {digits.majority_accuracy:.4f}")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "digits.npz")
    run.model.save(path)
    model = fastmlp.load_model(path)
print(f"first five test samples: predicted {model.predict(digits.X_test[:5])}, labels {digits.y_test[:5]}")
