"""Tables, rows, snapshots, names and neighbors: data classes and functions shared by all packages."""
