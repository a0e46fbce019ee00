"""`repeat` and `sweep`: only missing runs are executed, and arguments are checked."""

import pytest

import fastmlp
from fastmlp.errors import ConfigError, DataTypeError


def test_only_missing_runs_are_executed(blobs, config, grid, digests, tmp_path):
    first = fastmlp.sweep(blobs, config, grid, 3, out=tmp_path)
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    done = []
    again = fastmlp.sweep(blobs, config, grid, 3, out=tmp_path, progress=lambda p: done.append(p.record is not None))
    assert sum(done) == 2
    assert digests(again) == digests(first)


def test_a_dataset_or_config_of_another_type_is_refused(blobs, config):
    with pytest.raises(DataTypeError, match=r"dataset: expected a Dataset, got a list; see fastmlp\.load_data"):
        fastmlp.repeat([], config)
    with pytest.raises(ConfigError, match=r"config: expected a fastmlp\.Config, got a dict"):
        fastmlp.repeat(blobs, {"hidden": (3,)})


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (1,), (1.0, 2)])
def test_an_invalid_shard_is_refused(shard, blobs, config, tmp_path):
    with pytest.raises(ConfigError, match=r"shard: expected \(i, n\) with 1 <= i <= n, got \("):
        fastmlp.repeat(blobs, config, 2, out=tmp_path, shard=shard)


def test_a_shard_without_a_folder_is_refused(blobs, config):
    with pytest.raises(ConfigError, match="shard: expected only together with out, got no out"):
        fastmlp.repeat(blobs, config, 2, shard=(1, 2))
