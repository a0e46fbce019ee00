import numpy as np
from scipy.sparse import random as random_sparse

from fastmlp.reference.products import product
from fastmlp.reference.sparse import batch_group, sparse_product


def test_a_sparse_row_times_a_matrix_is_the_dense_row_times_it():
    random = np.random.default_rng(0)
    X, B, C0 = random_sparse(1, 30, 0.3, "csr", random_state=1), random.normal(size=(30, 4)), random.normal(size=4)
    ref = product(C0[None], X.toarray(), B)[0]
    np.testing.assert_array_equal(sparse_product(C0, X.data, B, X.indices), ref)


def test_groups_have_the_non_zeros_of_a_feature_in_the_order_of_the_samples():
    X = random_sparse(20, 9, 0.3, "csr", random_state=1)
    groups = batch_group(X.indptr, X.indices)
    for feature, samples, positions in groups:
        assert samples == np.flatnonzero(X.toarray()[:, feature]).tolist()
        assert X.data[positions].tolist() == X.toarray()[samples, feature].tolist()
    assert [feature for feature, _, _ in groups] == list(dict.fromkeys(X.indices.tolist()))
