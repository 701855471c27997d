"""What a cell's process needs, imported once by the server that cells are forked from."""

import matplotlib.figure
import rouge_score.rouge_scorer
import sacrebleu
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer

import qft.evaluation.evaluate
import qft.models.count
import qft.training.trainer
from qft.evaluation.words import words

words("预热")  # reads the dictionary of Chinese words

__all__ = ["AutoModelForCausalLM", "AutoTokenizer", "Trainer", "matplotlib", "qft", "rouge_score", "sacrebleu"]
