"""One module per store; every read and write of a store is here."""
