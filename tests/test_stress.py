"""Many threads train, predict, save and load concurrently, and get the results of a single thread."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import fastmlp
from fastmlp.study.run import digest

N_THREADS, N_ROUNDS = 12, 20


def test_concurrent_threads_get_the_results_of_a_single_one(make_blobs, tmp_path):
    dataset = make_blobs(300)
    configs = [
        fastmlp.Config(hidden=(8 + i,), optimizer=("sgd", "adam")[i % 2], precision=("float32", "float64")[i % 3 == 0],
                       learning_rate=0.05, n_epochs=2, seed=i)
        for i in range(6)
    ]  # fmt: skip
    alone = [fastmlp.train(dataset, config).model for config in configs]
    ref = [(digest(model), model.predict_proba(dataset.X_test)) for model in alone]
    shared = tmp_path / "shared.npz"
    alone[0].save(shared)
    np.savez(tmp_path / "data.npz", X=dataset.X_train, y=dataset.y_train)
    together = threading.Barrier(N_THREADS)

    def work(thread):
        together.wait()
        for number in range(N_ROUNDS):
            i = (thread + number) % len(configs)
            model = fastmlp.train(dataset, configs[i]).model
            assert digest(model) == ref[i][0]
            np.testing.assert_array_equal(alone[i].predict_proba(dataset.X_test), ref[i][1])
            alone[0].save(shared)  # replaced repeatedly while other threads read it
            assert digest(fastmlp.load_model(shared)) == ref[0][0]
            assert fastmlp.load_data(tmp_path / "data.npz").n_features == dataset.n_features
        return N_ROUNDS

    with ThreadPoolExecutor(N_THREADS) as pool:
        assert sum(pool.map(work, range(N_THREADS))) == N_THREADS * N_ROUNDS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "shared.npz"]
