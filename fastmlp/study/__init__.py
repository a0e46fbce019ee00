"""Studies: repeats of one setting over several seeds, and sweeps over hyperparameters.

`api` has the public functions `repeat`, `sweep` and `load_study`; `plan` turns a grid of settings into single runs;
`scheduler` executes the missing ones on `threads` or, by way of `joblib_backend` and `worker`, on processes or Dask
workers. `store` saves each finished run in a folder (`jsonl`, `metadata`), `registry` keeps them in memory, and
`result` computes statistics, tables and plots.
"""

from fastmlp.study.api import load_study as load_study
from fastmlp.study.api import repeat as repeat
from fastmlp.study.api import sweep as sweep
from fastmlp.study.result import Study as Study
from fastmlp.study.threads import Interrupted as Interrupted
