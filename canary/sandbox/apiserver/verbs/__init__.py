"""What each verb of the API does: one module for each family."""
