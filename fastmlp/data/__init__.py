"""Data sets: loading, download, validation and scaling of samples, labels and targets."""

from fastmlp.data.dataset import Dataset as Dataset
from fastmlp.data.load import load_data as load_data
from fastmlp.data.load import load_labelled as load_labelled
from fastmlp.data.load import load_samples as load_samples
from fastmlp.data.load import may_be_table as may_be_table
from fastmlp.data.registry import DATA_SETS as DATA_SETS
from fastmlp.data.registry import available as available
from fastmlp.data.registry import fetch as fetch
