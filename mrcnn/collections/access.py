"""How photos at addresses are opened, handed to workers on other machines: options of fsspec, and credentials."""

import dataclasses
import os
import socket
from collections.abc import Iterable, Mapping

from mrcnn.collections import storage
from mrcnn.errors import UsageError

# {package: beginnings of the variables that tell it servers and credentials}; fsspec's own are among its options.
VARIABLES = {"s3fs": ("AWS_",), "gcsfs": ("GOOGLE_", "GCSFS_", "STORAGE_EMULATOR_HOST"), "adlfs": ("AZURE_",),
             "huggingface_hub": ("HF_",)}


@dataclasses.dataclass(frozen=True)
class Access:
    """How this process opens addresses, for other processes.

    Args:
        addresses: one of each kind that is to be opened.
        options: {protocol: {name: value}} of fsspec; not shown, as are the variables: passwords are among them.
        variables: of the environment.
    """

    addresses: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, object]] = dataclasses.field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)

    def told(self) -> str:
        """What is handed over, by its names alone; "" for nothing."""
        names = [f"fsspec's options of {', '.join(sorted(self.options))}"] if self.options else []
        return ", ".join([*names, *sorted(self.variables)])

    def take_over(self) -> None:
        """Open addresses in this process as in the one that this was made in.

        Raises:
            UsageError: a package is missing here; the message names the machine.
        """
        if not self.addresses:
            return
        os.environ.update(self.variables)  # before the packages are imported, some of which look at them then
        try:
            storage.check(self.addresses)
        except UsageError as error:
            raise UsageError(f"{error} This is said by the machine {socket.gethostname()}.") from error
        import fsspec

        for protocol, options in self.options.items():
            fsspec.config.conf.setdefault(protocol, {}).update(options)


def access_to(paths: Iterable[str]) -> Access:
    """How this process opens some paths and addresses.

    Args:
        paths: of files, and addresses that `mrcnn.collections.storage.check` knows to be opened here.

    Returns:
        What is needed for these, and nothing else.
    """
    addresses = {}
    for path in paths:
        if found := storage.ADDRESS.match(path):
            addresses.setdefault(found[0], path)
    if not addresses:
        return Access()
    import fsspec

    protocols = {name.lower() for path in addresses.values() for name in storage.protocols_of(path)}
    known = set(protocols)  # and other names of theirs, under which fsspec looks for options too
    for protocol in protocols:
        names = fsspec.get_filesystem_class(protocol).protocol
        known.update([names] if isinstance(names, str) else names)
    options = {name: dict(fsspec.config.conf[name]) for name in sorted(known & fsspec.config.conf.keys())}
    wanted = tuple(start for name in known for start in VARIABLES.get(storage.PACKAGES.get(name), ()))
    variables = {name: value for name, value in os.environ.items() if wanted and name.startswith(wanted)}
    return Access(tuple(addresses.values()), options, variables)
