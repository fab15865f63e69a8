"""What completions are worth beyond collapse: the seed's categories, Python so far, and how sure a share is."""
