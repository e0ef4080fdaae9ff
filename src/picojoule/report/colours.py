"""Colours of pictures and charts."""

# Colours that most people can tell apart (Okabe and Ito, Color Universal Design, 2008).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#999999")


def colour(place: int) -> str:
    """Returns the colour of what is drawn at a place; those beyond the last begin again."""
    return COLOURS[place % len(COLOURS)]


def styled(place: int, styles: tuple[str, ...]) -> str:
    """Returns the style of what is drawn at a place, which changes when colours begin again.

    Example:
        >>> styled(0, ("-", "--")), styled(8, ("-", "--"))
        ('-', '--')
    """
    return styles[place // len(COLOURS) % len(styles)]
