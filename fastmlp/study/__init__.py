"""Studies: repeats over seeds and sweeps over settings, on threads, processes or a cluster, kept run by run."""

from fastmlp.study.door import load_study as load_study
from fastmlp.study.door import repeat as repeat
from fastmlp.study.door import sweep as sweep
from fastmlp.study.engine import Interrupted as Interrupted
from fastmlp.study.result import Study as Study
