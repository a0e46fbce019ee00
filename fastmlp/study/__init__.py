"""Studies: repeats over seeds and sweeps over settings, on threads, processes or a cluster, kept run by run."""

from fastmlp.study.api import load_study as load_study
from fastmlp.study.api import repeat as repeat
from fastmlp.study.api import sweep as sweep
from fastmlp.study.result import Study as Study
from fastmlp.study.threads import Interrupted as Interrupted
