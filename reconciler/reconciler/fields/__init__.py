"""Fields of both sides, their canonical values and phone numbers."""
