"""Words that a configuration may have where a number belongs, because the program puts the number there itself."""

# In a scheduler: the number of its own steps in the run.
TOTAL = "total"
STAND_INS = (TOTAL,)
# Anywhere but in the data: what these tell, as fact:outputs.
FACT = "fact:"
