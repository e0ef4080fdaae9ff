from .commands import app as app
from .interruptible import main as main
