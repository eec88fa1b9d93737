"""Reports of runs: pure functions of the record, one module per form."""
