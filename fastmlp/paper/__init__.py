"""The paper's experiments, its claims with verdicts, and a report."""
