"""Tables of named columns: reading of files, the type of each column, and the encoding of rows as features."""
