"""Prices of a table with numbers, categories and missing cells: predicted beside true ones."""

import matplotlib.pyplot as plt
import numpy as np

import fastmlp

rng = np.random.default_rng(0)
area, region = rng.uniform(40, 200, 600), rng.choice(["north", "south", "west"], 600)
price = 2 * area * np.where(region == "south", 1.5, 1.0) + rng.normal(0, 20, 600)
area[::20] = np.nan
data = fastmlp.load_data({"area": area, "region": region, "price": price}, target="price")
run = fastmlp.train(data, fastmlp.Config.tabular(n_samples=len(data.X_train), task=data.task))

_, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
axes.scatter(data.y_test, run.model.predict(data.X_test), color="#0072B2", s=12)
axes.axline((200, 200), slope=1, color="#D55E00")
score = run.history["test_r2"][-1]
axes.set(xlabel="price (thousands)", ylabel="predicted price (thousands)", title=f"Test set, R2 {score:.2f}")
plt.show()
