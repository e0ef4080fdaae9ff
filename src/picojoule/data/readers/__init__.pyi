from .bad import Bad as Bad
