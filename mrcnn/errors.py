"""The errors that tell a user what to change; each message is one line with the file or value and the remedy."""


NO_KERAS = ("Keras is not installed here, and only exported files do without: give {what}, or pip install "
            "mrcnn-keras with all that it needs.")


class UserError(Exception):
    """What the user can mend. A command prints its one line and ends with exit code 2; all else is a fault of ours."""


class UsageError(UserError, ValueError):
    """A command line that cannot be carried out."""


class ConfigError(UserError, ValueError):
    """A setting that does not exist or does not fit the others."""


class DataError(UserError, ValueError):
    """Data that cannot be used."""


class CheckpointError(UserError, ValueError):
    """A weight file that cannot be read, or does not fit the network."""


class RunError(UserError, RuntimeError):
    """A run folder that cannot be trained in."""


class ExportError(UserError, ValueError):
    """A network that cannot be written in a format, or a file that does not give what the network gives."""


class NonFiniteLoss(UserError, ArithmeticError):
    """A loss, a gradient or a weight became NaN or infinite."""
