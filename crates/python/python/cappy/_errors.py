"""The error of this package."""


class CappyError(Exception):
    """What went wrong, and what was at fault.

    Attributes:
        code: what sort of failure it is, by a name that does not change between versions: ``config``, ``tokenizer``,
            ``checkpoint``, ``io``, ``not-found``, ``network``, ``unauthorized``, ``input``, ``no-adapter``,
            ``adapter-too-small``, ``out-of-memory``, ``device-lost``, ``gpu``, ``not-finite``, ``aborted`` or
            ``disposed`` (the scorer was closed).
        at_fault: the file, tensor, argument, row or column at fault, by name.
    """

    code: str
    at_fault: str

    def __init__(self, message: str, code: str, at_fault: str) -> None:
        """Makes an error of its message, code and what is at fault."""
        # All three, so that it can be pickled from one process to another.
        super().__init__(message, code, at_fault)
        self.code = code
        self.at_fault = at_fault

    def __str__(self) -> str:
        """The message."""
        return str(self.args[0])
