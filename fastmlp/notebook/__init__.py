"""fastmlp in notebooks: figures, pieces of HTML, progress in a cell's output, and Ctrl-C in an interactive shell."""
