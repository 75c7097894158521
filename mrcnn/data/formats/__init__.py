"""`Dataset` subclasses that read public formats."""
