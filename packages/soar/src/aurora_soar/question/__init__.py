"""What the user asks: intent, words that matter, names of code.

Read once; every phase works on the same question.
"""
