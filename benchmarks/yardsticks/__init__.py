"""What the product is measured against: programs that do the least, or do it as it comes."""
