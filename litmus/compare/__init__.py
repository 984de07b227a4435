"""Comparing runs, wherever they lie: found, read, put into arms, and shown in one page or on the terminal."""
