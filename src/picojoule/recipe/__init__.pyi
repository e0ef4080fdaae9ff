from .merge import recipe_names as recipe_names
from .recipe import CHIP_FILE as CHIP_FILE
from .recipe import Recipe as Recipe
from .recipe import load_recipe as load_recipe
