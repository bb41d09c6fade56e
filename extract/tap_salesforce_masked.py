"""Start the unmodified tap-salesforce with its secrets taken out of its log.

It logs the body of its login request, and a failed discovery puts the log into Meltano's
database.
"""

import logging
import re
import sys

SECRET = re.compile(
    r"""((?:client_secret|refresh_token|access_token)['"]?\s*[:=]\s*['"]?|Bearer\s+)[^\s'"&,}]+"""
)


def main() -> None:
    """Run the tap on the arguments of the command line."""
    from tap_salesforce import main as tap

    make_record = logging.getLogRecordFactory()

    def make_clean_record(*args: object, **kwargs: object) -> logging.LogRecord:
        """A log record whose message holds `***` in the place of each secret."""
        record = make_record(*args, **kwargs)
        record.msg, record.args = SECRET.sub(r"\1***", record.getMessage()), ()
        return record

    logging.setLogRecordFactory(make_clean_record)
    try:
        tap()
    except Exception as error:  # the tap has logged its message, line by line
        sys.exit(f"tap-salesforce stopped with {type(error).__name__}")
