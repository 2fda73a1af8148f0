"""The languages that pages and messages speak: what is chosen, texts in it, figures and dates in it."""

from language.speech import ENGLISH, LANGUAGES, N_, Language, _, _n, current, language_of, speaking

__all__ = ["ENGLISH", "LANGUAGES", "N_", "Language", "_", "_n", "current", "language_of", "speaking"]
