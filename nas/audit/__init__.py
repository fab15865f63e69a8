"""Check that a language model, its evaluation and its decoding cannot see what they must predict.

Each check measures one figure of one model and can fail alone; none of them trusts another.
"""
