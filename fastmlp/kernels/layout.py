"""The tables that kernels are handed: which column of a layer's row, and which place of the frame, means what.

Sizes, offsets and choices are numbers in int64 tables, not types, so that one compilation serves every network.
"""

#: Columns of the table of layers. W and B begin in theta; A (activations) and DZ (deltas) in the workspace.
FAN_IN, FAN_OUT, W, W_STRIDE, B, A, DZ, ACTIVATION = range(8)
N_COLUMNS = 8

#: Places of the frame: the parts of the workspace that all layers share, and the sizes that go with them.
#: BATCH: samples in a full batch; STRIDE: from one row of A or DZ to the next; PANEL: inputs in a panel of the sweep.
BATCH, STRIDE, PANEL = range(3)
#: ROWS and COLUMNS: a panel of a batch, samples as rows and as columns. AT: a hidden layer's activations, samples as
#: rows.
ROWS, COLUMNS, AT, AT_STRIDE = range(3, 7)
#: GRADIENT: the block of a weight gradient that is being turned into an update; ZEROS: a row of zeros.
GRADIENT, ZEROS, LABELS, WEIGHTS, LOSS = range(7, 12)
N_PLACES = 12
