"""How the mapper and the tap end, and what they are tuned for while they run."""

from __future__ import annotations

import gc
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from singer_sdk.exceptions import ConfigValidationError

from reconciler.errors import ReconcilerError

#: The signals that the SDK has handlers for.
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

#: Objects that are made before cycles among them are looked for: more than a chunk of pairs has.
_GARBAGE: Final = 1_000_000


@contextmanager
def ending(logger: logging.Logger, drain: Callable[[], None] | None = None) -> Iterator[None]:
    """Run a program; what users can cause ends it with one line and exit code 1.

    Args:
        logger: Where the line goes.
        drain: Called before an error ends the process.
    """
    # Records make many objects and no cycles of them; what was imported stays to the end.
    gc.set_threshold(_GARBAGE)
    gc.freeze()
    try:
        yield
    except (ConfigValidationError, ReconcilerError) as error:
        logger.error("%s", error)  # noqa: TRY400
        if drain is not None:
            drain()
        sys.exit(1)
    except BrokenPipeError:
        logger.error("the target has stopped reading; run the job again once it works")  # noqa: TRY400
        # Python flushes standard output once more at exit.
        sys.stdout = None
        sys.exit(1)


def terminate(signum: int) -> NoReturn:
    """End at a signal: what is not committed is left, and nothing more is claimed."""
    # The run notes how it ended: it is not to be interrupted once more.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # Python passes on what is left at exit; it is no error where nobody is there any more.
    sys.stdout = None
    sys.exit(128 + signum)


@contextmanager
def whole() -> Iterator[None]:
    """Let signals wait: they would cut short what is written."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
