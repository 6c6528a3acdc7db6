"""Raw text into documents with calls: annotators, the fidelity guard, the corrector."""

from lamlam.annotate.align import Aligner
from lamlam.annotate.annotator import Annotator
from lamlam.annotate.correct import Corrected, Corrections, Dropped, correct, correct_all
from lamlam.annotate.guard import Guarded, carry_over

__all__ = [
    "Aligner",
    "Annotator",
    "Corrected",
    "Corrections",
    "Dropped",
    "Guarded",
    "carry_over",
    "correct",
    "correct_all",
]
