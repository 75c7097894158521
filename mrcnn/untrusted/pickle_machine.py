"""Python's unpickler with its instructions cut down to those that data need: it can import, call and change nothing.

A pickle is a program. What may be in one is for a subclass to say, as a list of instructions and of the few names that
they may ask for, each of which stands for a function of ours. A function is never given attributes (BUILD), keys are
texts and numbers, and who makes something of a size looks at that size first.
"""

import pickle


class _Counted(dict):
    """{code of an instruction: method}, of which no more than `most` are looked up; then `refuse` is called."""

    def __init__(self, methods, most, refuse):
        super().__init__(methods)
        self.left, self.refuse = most, refuse

    def __getitem__(self, code):
        self.left -= 1
        if self.left < 0:
            self.refuse()
        return super().__getitem__(code)


class CutUnpickler(pickle._Unpickler):
    """Reads one pickle. A subclass names what it may hold.

    Args:
        file: binary file at the pickle's beginning.

    Attributes:
        error: class of the errors, one of `mrcnn.errors`.
        purpose: what the pickle is to hold, for messages.
        known: {(module, name): function of ours} of what it may ask for.
        functions: those of `known` that it may call.
        dispatch: {code of an instruction: method}; see `instructions`.
        most_instructions: that a pickle may have, None for any number. Each is a byte or more, and may make an object
            of a hundred bytes.
    """

    error = ValueError
    purpose = "data"
    known = {}
    functions = ()
    dispatch = {}
    most_arguments = 8
    most_instructions = None

    def __init__(self, file):
        super().__init__(file, encoding="utf-8")
        if self.most_instructions is not None:
            self.dispatch = _Counted(self.dispatch, self.most_instructions, self._refuse_more)

    def load(self) -> object:
        """The value of the pickle.

        Raises:
            error: the pickle asks for something else than its purpose needs; other errors of a damaged pickle pass.
        """
        try:
            return super().load()
        except KeyError as error:
            raise self.error(f"its pickle has an instruction or a reference ({error}) that {self.purpose} does not "
                             "need: refused.") from error

    def _refuse_more(self):
        raise self.error(f"its pickle has more than {self.most_instructions} instructions, which {self.purpose} does "
                         "not need: refused.")

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in self.known:
            return self.known[module, name]
        wanted = f"{str(module)[:60]}.{str(name)[:60]}"
        raise self.error(f"it asks for {wanted}, which {self.purpose} does not need: refused.")

    def persistent_load(self, reference: object) -> object:
        raise self.error("it refers to something outside the pickle: refused.")

    # --- Instructions that are told more narrowly than pickle has them -----------------------------------------------
    def _reduce(self):
        arguments, function = self.stack.pop(), self.stack[-1]
        if not any(function is known for known in self.functions):
            raise self.error(f"it calls what {self.purpose} does not need: refused.")
        if not isinstance(arguments, tuple) or len(arguments) > self.most_arguments:
            raise self.error("a call without a tuple of few arguments: the file is damaged.")
        self.stack[-1] = function(*arguments)

    def _build(self):
        self.build(self.stack[-2], self.stack.pop())

    def build(self, target: object, state: object) -> None:
        """Take the state that BUILD gives something; a subclass says to what it may be given."""
        raise self.error(f"it changes something that {self.purpose} does not need: refused.")

    def _set_item(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._set(self.stack[-1], [(key, value)])

    def _set_items(self):
        items = self.pop_mark()
        self._set(self.stack[-1], zip(items[::2], items[1::2], strict=True))

    def _set(self, target, items):
        """Keys are looked at first: to hash one that is nested deeply would end the process."""
        for key, value in items:
            if not isinstance(key, (str, int)) or not isinstance(target, dict):
                raise self.error(f"a dict with a key of type {type(key).__name__}: refused.")
            target[key] = value

    @classmethod
    def instructions(cls, names: str) -> dict:
        """The `dispatch` of a subclass.

        Args:
            names: text, names of pickle's instructions between spaces.
        """
        narrow = {"REDUCE": cls._reduce, "BUILD": cls._build, "SETITEM": cls._set_item, "SETITEMS": cls._set_items}
        codes = {name: getattr(pickle, name)[0] for name in names.split()}
        return {code: narrow.get(name) or pickle._Unpickler.dispatch[code] for name, code in codes.items()}
