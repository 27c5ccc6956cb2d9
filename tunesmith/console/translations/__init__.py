"""The console's texts in other languages, one catalog a language; `update.py` keeps them whole."""
