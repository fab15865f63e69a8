"""The life of one trial: train under a FLOP budget, judge on validation, write down what happened."""
