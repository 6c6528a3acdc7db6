"""Pre-training from a recipe."""

from lamlam.train.log import LogLine, draw_curves, read_log
from lamlam.train.loss import SummedLoss
from lamlam.train.pretrain import Measure, Result, pretrain
from lamlam.train.recipe import Recipe, load_recipe, make_recipe

__all__ = [
    "LogLine",
    "Measure",
    "Recipe",
    "Result",
    "SummedLoss",
    "draw_curves",
    "load_recipe",
    "make_recipe",
    "pretrain",
    "read_log",
]
