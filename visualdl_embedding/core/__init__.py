"""Tables, rows, snapshots and what all of the library computes from them alike."""
