"""What is wrong with a set of annotations, found before training. Needs no torch."""
