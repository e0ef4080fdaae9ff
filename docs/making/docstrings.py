"""Docstrings as the reference of the site reads them."""

import re
from typing import Any

import griffe

from making import markdown


class Markdown(griffe.Extension):
    """Formulas and blocks in Markdown, and examples as the section that griffe knows."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of an object before it is parsed."""
        if obj.docstring:
            text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.M)
            obj.docstring.value = markdown.clean(text)
