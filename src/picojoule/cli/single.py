"""Commands whose options are given once, but for those that are lists."""

from collections import Counter
from typing import Any

from typer.core import TyperCommand, TyperOption


class SingleCommand(TyperCommand):
    """Command that refuses an option given twice, of which the parser would take the last."""

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
        return super().parse_args(ctx, args)
