"""The task families of cappy-mini. Importing this package registers all of them."""

from . import chat, facts, formats, reading, sentiment, topics  # noqa: F401
from .core import FAMILIES, HELD_OUT_TEMPLATES, Sampler, build  # noqa: F401
from .words import OFF_TOPIC  # noqa: F401
