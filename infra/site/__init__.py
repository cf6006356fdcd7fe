"""Make the documentation site: `make docs`."""
