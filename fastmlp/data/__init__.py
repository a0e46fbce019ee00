"""Data: where samples and labels come from, and what is asked of them. Knows nothing of networks and training."""

from fastmlp.data.dataset import Dataset as Dataset
from fastmlp.data.load import load_data as load_data
from fastmlp.data.load import load_samples as load_samples
from fastmlp.data.registry import available as available
from fastmlp.data.registry import fetch as fetch
