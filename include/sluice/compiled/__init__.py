"""What the compiled loops over bytes share: the scanner's and the tokenizer's."""
