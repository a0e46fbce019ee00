"""The tables that kernels are handed: which column of a layer's row, and which place of the frame, means what.

Sizes, offsets and choices are numbers in int64 tables, not types, so that one compilation serves every network.
"""

#: Columns of the table of layers. W and B begin in theta; A (activations) and DZ (deltas) in the workspace.
#: SLOPE: what the forward pass keeps of f'(Z); it is A where nothing is kept.
#: UNIT: whether its products are left to the CPU's bf16 unit.
FAN_IN, FAN_OUT, W, W_STRIDE, B, A, DZ, SLOPE, ACTIVATION, UNIT = range(10)
N_COLUMNS = 10

#: Places of the frame: the parts of the workspace that all layers share, and the sizes that go with them.
#: BATCH: samples in a full batch; STRIDE: from one row of A or DZ to the next; PANEL: inputs in a panel of the sweep.
BATCH, STRIDE, PANEL = range(3)
#: ROWS and COLUMNS: a panel of a batch, samples as rows and as columns. AT: a hidden layer's activations, samples as
#: rows.
ROWS, COLUMNS, AT, AT_STRIDE = range(3, 7)
#: GRADIENT: the block of a weight gradient that is being turned into an update; ZEROS: a row of zeros.
#: TARGETS: a batch's labels, or its targets, one row an output.
GRADIENT, ZEROS, TARGETS, WEIGHTS, LOSS = range(7, 12)
#: OBJECTIVE: the code of the loss; NUMBERS: where its settings lie in the workspace, and what dropout scales by.
OBJECTIVE, NUMBERS = range(12, 14)
#: DROPPED: of 65,536 draws, how many drop a unit; DRAW: the state of the step's draws; MASK: a row of masks.
DROPPED, DRAW, MASK = range(14, 17)
#: What the bf16 units need; see `sweep`. TERMS: bf16 numbers that a weight or a delta is split into, 0 where none is on
#: a unit; INPUT_TERMS: those of an input, 1 for pixels, which enter as they are (IS_RAW). HEIGHT: rows in a tile of
#: weights or deltas.
TERMS, INPUT_TERMS, IS_RAW, HEIGHT = range(17, 21)
#: Operands in tiles: a block of weights, all deltas; a panel of the coming batch by its features; the past batch and
#: the coming one by its samples, whole. PACKED: a tile being made.
WEIGHT_TILES, DELTA_TILES, FEATURE_TILES, PAST_TILES, COMING_TILES, PACKED = range(21, 27)
N_PLACES = 27

#: Places among the NUMBERS: the target of a sample's label and of the other labels, after smoothing; where Huber's loss
#: becomes a line; what a unit that is kept is multiplied by; the share that is smoothed; what the weights and deltas of
#: pixels that enter a bf16 unit are multiplied by, 1 for other inputs.
ON, OFF, DELTA, KEPT, SMOOTHING, PIXEL = range(6)
