"""A bucket of an object store as a place for bytes under keys."""
