"""The six stages. Each module holds one function of the same shape; the stages do not know each other."""
