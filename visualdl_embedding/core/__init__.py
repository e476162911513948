"""Tables, rows, snapshots, names and neighbors: the plain data and the functions that every other package shares."""
