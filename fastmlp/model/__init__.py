"""The network: parameters, workspace, prediction, evaluation, and model files."""
