"""Commands that say how their words are to be given."""

from collections import Counter
from typing import Any

from typer.core import TyperCommand, TyperOption

_EXTRA = "unexpected extra argument"
_HINT = (
    '. A value with a space goes in quotes: --budget "10 nJ". An option is given again for each '
    "value: --chip 45nm --chip loihi"
)


class SingleCommand(TyperCommand):
    """Command that refuses an option given twice, of which the parser would take the last.

    Words that are left over are refused with how they may have been meant.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the words of a command.

        Raises:
            ValueError: If an option that takes one value was given more.
        """
        if not ctx.resilient_parsing:  # which completion asks for
            _, _, given = self.make_parser(ctx).parse_args(args=list(args))
            for option, count in Counter(given).items():
                single = isinstance(option, TyperOption) and not (option.multiple or option.is_flag)
                if count > 1 and single:
                    raise ValueError(f"{option.opts[0]} is given {count} times: give one of them")
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if _EXTRA in (said := getattr(error, "message", "")):
                error.message = said + _HINT  # pyright: ignore[reportAttributeAccessIssue]
            raise
