"""The inverse questions: plans asked many times, to find what would fit."""
