"""What runs behind the two sides: Services, their endpoints, their pods."""
